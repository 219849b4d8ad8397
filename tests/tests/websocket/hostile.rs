//! Invalid input from clients: the right close code, the worker goes on, and memory stays flat.

use flate2::{Compress, Compression, FlushCompress};
use pounce_tests::attack::growth_kib;
use pounce_tests::notes::token;
use pounce_tests::{Frame, Handshake, Options, Server, Transport, WebSocket, over_every_transport};
use std::time::Duration;

over_every_transport! {
    broken_framing_is_1002,
    messages_before_a_fault_are_answered_before_the_close,
    a_fault_ends_a_websocket_whose_application_reads_nothing,
    invalid_utf8_is_1007_as_soon_as_it_is_detectable,
    a_million_fragments_are_1009,
    a_deflate_bomb_is_1009,
    a_ping_flood_whose_pongs_are_never_read_is_held_back,
    garbage_right_after_the_upgrade_is_1002,
    endless_data_after_a_close_is_not_kept,
    announced_lengths_take_no_memory,
    bombs_in_a_queue_wait_compressed,
    two_bombs_on_each_of_many_websockets_cost_what_was_sent,
    websockets_opened_and_left_leave_nothing_behind,
    idle_websockets_are_held_and_given_back,
}

const MIB: usize = 1 << 20;

/// Shows that the same worker still serves.
fn lives(transport: Transport, server: &Server, pid: u32) {
    assert_eq!(server.worker(), pid.to_string());
    assert_eq!(transport.hear(server, "/hello"), "hello websocket");
    let stderr = server.stderr();
    assert!(!stderr.contains("panicked"), "{stderr}");
}

fn bytes(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(Frame::masked).collect()
}

fn code_for(transport: Transport, server: &Server, attack: &[u8]) -> Option<u16> {
    let mut socket = transport.connect(server, "/echo");
    socket.try_send(attack);
    socket.code_at_the_end()
}

fn broken_framing_is_1002(transport: Transport) {
    let server = transport.shared();
    let attacks: &[(&str, Vec<u8>)] = &[
        ("unmasked", Frame::text("a").unmasked()),
        ("unmasked control", Frame::ping("").unmasked()),
        ("RSV1", bytes(&[Frame::text("a").with_bits(0x40)])),
        ("RSV2", bytes(&[Frame::text("a").with_bits(0x20)])),
        ("RSV3", bytes(&[Frame::text("a").with_bits(0x10)])),
        ("opcode 3", bytes(&[Frame::new(3, "a")])),
        ("opcode 7", bytes(&[Frame::new(7, "a")])),
        ("opcode 11", bytes(&[Frame::new(11, "a")])),
        ("opcode 15", bytes(&[Frame::new(15, "a")])),
        ("fragmented ping", bytes(&[Frame::ping("a").unfinished()])),
        ("fragmented close", bytes(&[Frame::close(1000, "").unfinished()])),
        ("ping of 126 bytes", bytes(&[Frame::ping([0; 126])])),
        ("continuation of nothing", bytes(&[Frame::continuation("a")])),
        ("text in a text", bytes(&[Frame::text("a").unfinished(), Frame::text("b")])),
        ("close with half a code", bytes(&[Frame::new(8, [3])])),
        ("close 0", bytes(&[Frame::close(0, "")])),
        ("close 999", bytes(&[Frame::close(999, "")])),
        ("close 1004", bytes(&[Frame::close(1004, "")])),
        ("close 1005", bytes(&[Frame::close(1005, "")])),
        ("close 1006", bytes(&[Frame::close(1006, "")])),
        ("close 1015", bytes(&[Frame::close(1015, "")])),
        ("close 1016", bytes(&[Frame::close(1016, "")])),
        ("close 2999", bytes(&[Frame::close(2999, "")])),
        ("close 5000", bytes(&[Frame::close(5000, "")])),
        ("16 bits for 5", [&[0x81, 0xfe, 0, 5, 0, 0, 0, 0][..], b"abcde"].concat()),
        ("64 bits for 5", [&[0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0][..], b"abcde"].concat()),
        ("highest bit of a length", vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0]),
    ];
    for (name, attack) in attacks {
        assert_eq!(code_for(transport, server, attack), Some(1002), "{name}");
    }
    lives(transport, server, server.pid());
}

fn messages_before_a_fault_are_answered_before_the_close(transport: Transport) {
    let server = transport.shared();
    let faults: &[(&str, Vec<u8>, u16)] = &[
        ("a reserved bit", bytes(&[Frame::text("c").with_bits(0x20)]), 1002),
        ("a reserved opcode", bytes(&[Frame::new(5, "")]), 1002),
        ("a reserved control opcode", bytes(&[Frame::new(12, "c"), Frame::ping("")]), 1002),
        ("a continuation of nothing", bytes(&[Frame::continuation("c")]), 1002),
        ("a text in a text", bytes(&[Frame::text("c").unfinished(), Frame::text("d")]), 1002),
        ("a text that is not UTF-8", bytes(&[Frame::new(1, [0xff])]), 1007),
    ];
    let large = "b".repeat(20_000);
    for (name, fault, code) in faults {
        let good = bytes(&[Frame::text("a"), Frame::text(&large), Frame::ping("p")]);
        let mut socket = transport.connect(server, "/echo");
        socket.send_bytes([&good[..], fault].concat());
        let mut texts = Vec::new();
        let close = loop {
            let frame = socket.frame();
            match frame.opcode {
                1 => texts.push(String::from_utf8(frame.payload).expect("an echo of UTF-8")),
                8 => break frame,
                // The server sends the pong itself, so it may come first.
                other => assert_eq!(other, 10, "{name}"),
            }
        };
        assert_eq!(texts, ["a", &large], "{name}");
        assert_eq!(close.payload[..2], code.to_be_bytes(), "{name}");
    }
}

fn a_fault_ends_a_websocket_whose_application_reads_nothing(transport: Transport) {
    let mut socket = transport.connect(transport.shared(), &format!("/wait-then-watch/{}", token()));
    socket.send_bytes(bytes(&[Frame::text("a"), Frame::new(5, "")]));
    assert_eq!(socket.code_at_the_end(), Some(1002));
}

fn invalid_utf8_is_1007_as_soon_as_it_is_detectable(transport: Transport) {
    let server = transport.shared();
    for (name, attack) in [
        ("a lone continuation byte", bytes(&[Frame::new(1, [0x80])])),
        ("a surrogate", bytes(&[Frame::new(1, [0xed, 0xa0, 0x80])])),
        ("overlong", bytes(&[Frame::new(1, [0xc0, 0xaf])])),
        ("cut short", bytes(&[Frame::new(1, [0xe2, 0x82])])),
        ("beyond Unicode", bytes(&[Frame::new(1, [0xf4, 0x90, 0x80, 0x80])])),
        ("a reason", bytes(&[Frame::new(8, [3, 232, 0xff])])),
        // None of these is complete.
        ("a fragment", bytes(&[Frame::new(1, [b'a', 0xff]).unfinished()])),
        (
            "over fragments",
            bytes(&[Frame::new(1, [0xe2]).unfinished(), Frame::continuation([0x28]).unfinished()]),
        ),
        (
            "in a frame that goes on",
            Frame::new(1, [&[0xff][..], &[b'a'; 1000]].concat()).masked()[..20].to_vec(),
        ),
    ] {
        assert_eq!(code_for(transport, server, &attack), Some(1007), "{name}");
    }
    lives(transport, server, server.pid());
}

fn own(transport: Transport, more: &[(&str, &str)]) -> Server {
    let options = Options::app("websocket:app").flag("--no-access-log");
    let server = transport.start(more.iter().fold(options, |all, (name, value)| all.with(name, value)));
    transport.hear(&server, "/hello");
    server
}

fn a_million_fragments_are_1009(transport: Transport) {
    let server = own(transport, &[]);
    let pid = server.pid();
    let fragments = bytes(&vec![Frame::continuation("x").unfinished(); 10_000]);
    let attack = || {
        let mut socket = transport.connect(&server, "/echo");
        socket.send(Frame::text("x").unfinished());
        for _ in 0..100 {
            if !socket.try_send(&fragments) {
                break;
            }
        }
        // A reset may have taken the close frame along.
        let code = socket.code_at_the_end();
        assert!(matches!(code, Some(1009) | None), "{code:?}");
    };
    attack();
    let growth = growth_kib(&server, attack);
    assert!(growth < 4 * 1024, "grew by {growth} KiB");
    lives(transport, &server, pid);
}

/// `length` zeros, compressed as one message without its tail: repeated independent blocks.
fn zeros(count: usize) -> Vec<u8> {
    let mut compress = Compress::new(Compression::best(), false);
    let mut packed = Vec::with_capacity(4096);
    compress.compress_vec(&vec![0; MIB], &mut packed, FlushCompress::Full).expect("it compresses");
    assert_eq!(compress.total_in(), MIB as u64);
    let mut all = packed.repeat(count / MIB);
    all.truncate(all.len() - 4);
    all
}

fn deflating(transport: Transport, server: &Server, target: &str) -> WebSocket {
    transport.open(server, &Handshake::to(target).deflate(""))
}

fn a_deflate_bomb_is_1009(transport: Transport) {
    let server = own(transport, &[]);
    let pid = server.pid();
    let bomb = Frame::new(2, zeros(1024 * MIB)).with_bits(0x40).masked();
    assert!(bomb.len() < 2 * MIB);
    let attack = || {
        let mut socket = deflating(transport, &server, "/echo");
        socket.try_send(&bomb);
        let code = socket.code_at_the_end();
        assert!(matches!(code, Some(1009) | None), "{code:?}");
    };
    attack();
    let growth = growth_kib(&server, || (0..3).for_each(|_| attack()));
    assert!(growth < 20 * 1024, "grew by {growth} KiB");
    lives(transport, &server, pid);
}

fn a_ping_flood_whose_pongs_are_never_read_is_held_back(transport: Transport) {
    let server = own(transport, &[]);
    let pid = server.pid();
    let pings = bytes(&vec![Frame::ping([b'p'; 125]); 500]);
    let mut socket = None;
    let growth = growth_kib(&server, || {
        let mut flooding = transport.connect_with_receive_buffer(&server, "/echo", 4096);
        let sent = flooding.pump(&pings, 256 * MIB, Duration::from_secs(2));
        assert!(sent < 256 * MIB, "all was taken though no pong was read");
        socket = Some(flooding);
        lives(transport, &server, pid);
    });
    assert!(growth < 8 * 1024, "grew by {growth} KiB");
    socket.expect("it is open").abort();
    lives(transport, &server, pid);
}

fn garbage_right_after_the_upgrade_is_1002(transport: Transport) {
    let server = transport.shared();
    for garbage in [
        &b"GET /hello HTTP/1.1\r\nHost: test\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x00\x10client hello",
        &[0xff; 1000],
        &[0; 1000],
    ] {
        assert_eq!(code_for(transport, server, garbage), Some(1002), "{}", garbage.escape_ascii());
    }
    lives(transport, server, server.pid());
}

fn endless_data_after_a_close_is_not_kept(transport: Transport) {
    let server = own(transport, &[]);
    let pid = server.pid();
    let token = token();
    let block = bytes(&vec![Frame::binary([0; 10_000]); 50]);
    let growth = growth_kib(&server, || {
        let mut socket = transport.connect(&server, &format!("/watch/{token}"));
        socket.send_close(1000, "");
        socket.pump(&block, 256 * MIB, Duration::from_secs(2));
    });
    assert!(growth < 4 * 1024, "grew by {growth} KiB");
    assert_eq!(transport.notes(&server, &token), ["accepted", "disconnect 1000 ''"]);
    lives(transport, &server, pid);
}

fn announced_lengths_take_no_memory(transport: Transport) {
    let server = own(transport, &[]);
    let pid = server.pid();
    let head = &Frame::binary(vec![0; 16 * MIB]).masked()[..20];
    let mut sockets = Vec::new();
    let growth = growth_kib(&server, || {
        for _ in 0..100 {
            let mut socket = transport.connect(&server, "/echo");
            socket.send_bytes(head);
            sockets.push(socket);
        }
        lives(transport, &server, pid);
    });
    let each = if transport.is_http2() || transport.is_tls() { 200 } else { 50 };
    assert!(growth < 100 * each, "grew by {growth} KiB");
}

fn bombs_in_a_queue_wait_compressed(transport: Transport) {
    let server = own(transport, &[("--ws-max-queue", "1000")]);
    let pid = server.pid();
    let token = token();
    let message = Frame::new(2, zeros(8 * MIB)).with_bits(0x40).masked();
    let mut socket = deflating(transport, &server, &format!("/wait-then-watch/{token}"));
    transport.wait_note(&server, &token, "accepted");
    let growth = growth_kib(&server, || {
        socket.send_bytes(message.repeat(20));
        lives(transport, &server, pid);
        // By now the server has read all that it will.
        std::thread::sleep(Duration::from_millis(500));
    });
    assert!(growth < 4 * 1024, "grew by {growth} KiB");
    transport.hear(&server, &format!("/open/{token}"));
    socket.close(1000, "");
    transport.wait_note(&server, &token, &format!("received 20 {}", 20 * 8 * MIB));
}

fn two_bombs_on_each_of_many_websockets_cost_what_was_sent(transport: Transport) {
    let server = own(transport, &[]);
    let pid = server.pid();
    let message = Frame::new(2, zeros(16 * MIB)).with_bits(0x40).masked();
    let half = Frame::new(2, zeros(16 * MIB)).with_bits(0x40).unfinished().masked();
    let mut sockets = Vec::new();
    let growth = growth_kib(&server, || {
        for number in 0..8 {
            // The message that the application waits for is never complete.
            let path = if number % 2 == 0 { "wait-then-watch" } else { "count" };
            let token = token();
            let mut socket = deflating(transport, &server, &format!("/{path}/{token}"));
            if number % 2 == 0 {
                transport.wait_note(&server, &token, "accepted");
                socket.send_bytes(message.repeat(2));
                // All of it was read.
                socket.send(Frame::ping("p")).expect(Frame::pong("p"));
            } else {
                socket.send_bytes(&half).send(Frame::ping("p")).expect(Frame::pong("p"));
            }
            sockets.push((socket, token));
        }
        lives(transport, &server, pid);
    });
    assert!(growth < 8 * 1024, "grew by {growth} KiB");
    for (socket, token) in sockets.into_iter().step_by(2) {
        transport.hear(&server, &format!("/open/{token}"));
        socket.close(1000, "");
        transport.wait_note(&server, &token, &format!("received 2 {}", 2 * 16 * MIB));
    }
}

fn websockets_opened_and_left_leave_nothing_behind(transport: Transport) {
    let server = own(transport, &[]);
    let open_and_leave = |count: usize| {
        for number in 0..count {
            let mut socket = deflating(transport, &server, "/echo");
            socket.send_text("x".repeat(500));
            assert!(matches!(socket.frame().opcode, 1));
            match number % 3 {
                0 => socket.close(1000, ""),
                1 => socket.abort(),
                _ => {
                    socket.send(Frame::text("half").unfinished());
                }
            }
        }
    };
    open_and_leave(300);
    std::thread::sleep(Duration::from_secs(1));
    let descriptors = server.fd_count();
    let growth = growth_kib(&server, || open_and_leave(1_000));
    assert!(growth < 4 * 1024, "grew by {growth} KiB over 1 000 WebSockets");
    server.wait_fd_count(descriptors);
}

fn idle_websockets_are_held_and_given_back(transport: Transport) {
    let server = own(transport, &[]);
    let descriptors = server.fd_count();
    let growth = growth_kib(&server, || {
        let mut idle: Vec<_> = (0..200).map(|_| transport.connect(&server, "/echo")).collect();
        for _ in 0..2 {
            for socket in &mut idle {
                socket.send_text("a").expect_text("a");
            }
        }
        lives(transport, &server, server.pid());
    });
    let each = if transport.is_http2() || transport.is_tls() { 200 } else { 50 };
    assert!(growth < 200 * each, "grew by {growth} KiB for 200 WebSockets");
    server.wait_fd_count(descriptors);
}
