//! permessage-deflate (RFC 7692): its negotiation, and its effect on messages.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use pounce_tests::notes::token;
use pounce_tests::{Frame, Handshake, Options, Transport, WebSocket, over_every_transport};

over_every_transport! {
    it_is_not_negotiated_unless_it_is_offered,
    offers_that_can_be_taken_are,
    offers_that_cannot_be_taken_are_declined,
    the_first_offer_that_fits_is_taken,
    it_can_be_turned_off,
    compressed_messages_are_inflated_and_answered_compressed,
    compressed_and_plain_messages_mix,
    compressed_fragments_are_put_together,
    a_window_that_the_client_asks_for_is_kept_to,
    rsv1_where_it_must_not_be_is_1002,
    a_message_that_does_not_inflate_is_closed,
    text_is_checked_after_inflating,
    the_limit_counts_inflated_bytes,
}

fn open(transport: Transport, parameters: &str) -> WebSocket {
    transport.open(transport.shared(), &Handshake::to("/echo").deflate(parameters))
}

fn extensions(transport: Transport, offer: &str) -> Option<String> {
    let handshake = Handshake::to("/echo").with("sec-websocket-extensions", offer);
    let socket = transport.open(transport.shared(), &handshake);
    socket.response.header("sec-websocket-extensions").map(str::to_owned)
}

/// Compresses one message by itself, without the tail.
fn deflate(plain: &[u8]) -> Vec<u8> {
    let mut compress = Compress::new(Compression::default(), false);
    let mut packed = Vec::with_capacity(plain.len() + 1024);
    compress.compress_vec(plain, &mut packed, FlushCompress::Sync).expect("it compresses");
    assert_eq!(compress.total_in(), plain.len() as u64);
    assert!(packed.ends_with(&[0, 0, 255, 255]));
    packed.truncate(packed.len() - 4);
    packed
}

fn inflate(packed: &[u8], window: u8) -> Vec<u8> {
    let mut plain = Vec::with_capacity(1 << 22);
    let mut decompress = Decompress::new_with_window_bits(false, window);
    let packed = [packed, &[0, 0, 255, 255]].concat();
    decompress.decompress_vec(&packed, &mut plain, FlushDecompress::Sync).expect("it inflates");
    plain
}

fn compressed(opcode: u8, plain: &[u8]) -> Frame {
    Frame::new(opcode, deflate(plain)).with_bits(0x40)
}

/// The content of a message, compressed or not.
fn content(frame: &Frame, opcode: u8, window: u8) -> Vec<u8> {
    assert_eq!((frame.opcode, frame.bits & !0x40), (opcode, 0x80), "{frame:?}");
    if frame.bits & 0x40 == 0 { frame.payload.clone() } else { inflate(&frame.payload, window) }
}

fn it_is_not_negotiated_unless_it_is_offered(transport: Transport) {
    let mut socket = transport.connect(transport.shared(), "/echo");
    assert_eq!(socket.response.header("sec-websocket-extensions"), None);
    let text = "compressible ".repeat(1000);
    assert_eq!(socket.send_text(&text).text(), text);
}

/// The name and the parameters of the negotiated extension.
fn parameters(answer: &str) -> Vec<&str> {
    answer.split(';').map(str::trim).collect()
}

fn offers_that_can_be_taken_are(transport: Transport) {
    for (offer, wanted) in [
        ("permessage-deflate", ""),
        ("permessage-deflate; client_max_window_bits", ""),
        ("permessage-deflate; client_max_window_bits=10", ""),
        ("permessage-deflate;client_max_window_bits=\"10\"", ""),
        ("permessage-deflate; server_no_context_takeover", "server_no_context_takeover"),
        ("permessage-deflate; client_no_context_takeover", ""),
        ("permessage-deflate; server_max_window_bits=12", "server_max_window_bits=12"),
        ("permessage-deflate; server_max_window_bits=9; client_max_window_bits", "server_max_window_bits=9"),
    ] {
        let answer = extensions(transport, offer).unwrap_or_else(|| panic!("{offer} was not taken"));
        let answered = parameters(&answer);
        assert_eq!(answered[0], "permessage-deflate", "{offer}: {answer}");
        assert!(wanted.is_empty() || answered.contains(&wanted), "{offer}: {answer}");
        // RFC 7692 section 7.1.2.2: only in answer to an offer that includes it.
        let has = answered.iter().any(|parameter| parameter.starts_with("client_max_window_bits"));
        assert!(!has || offer.contains("client_max_window_bits"), "{offer}: {answer}");
    }
}

fn offers_that_cannot_be_taken_are_declined(transport: Transport) {
    for offer in [
        "x-unknown",
        "permessage-deflat",
        "permessage-deflate; unknown",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=08",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=x",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; =",
        ";;;,,,",
    ] {
        assert_eq!(extensions(transport, offer), None, "{offer}");
    }
}

fn the_first_offer_that_fits_is_taken(transport: Transport) {
    let offer = "permessage-deflate; unknown, x-other, permessage-deflate; server_max_window_bits=11, permessage-deflate";
    let answer = extensions(transport, offer).expect("one fits");
    assert!(parameters(&answer).contains(&"server_max_window_bits=11"), "{answer}");
    assert!(!answer.contains(','), "{answer}");
}

fn it_can_be_turned_off(transport: Transport) {
    let options = Options::app("websocket:app").with("--ws-per-message-deflate", "off");
    let server = transport.start(options);
    let mut socket = transport.open(&server, &Handshake::to("/echo").deflate(""));
    assert_eq!(socket.response.header("sec-websocket-extensions"), None);
    socket.send(compressed(1, b"hello"));
    socket.closed_by_server(1002);
}

fn compressed_messages_are_inflated_and_answered_compressed(transport: Transport) {
    let mut socket = open(transport, "; client_max_window_bits");
    let plain = "a line that repeats\n".repeat(5000);
    for _ in 0..3 {
        socket.send(compressed(1, plain.as_bytes()));
        let answer = socket.frame();
        assert_eq!(answer.bits, 0xc0, "worth compressing: {answer:?}");
        assert!(answer.payload.len() < plain.len() / 10);
        assert!(content(&answer, 1, 15) == plain.as_bytes());
    }
    let noise: Vec<u8> = (0..100_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    socket.send(compressed(2, &noise));
    assert!(content(&socket.frame(), 2, 15) == noise);
}

fn compressed_and_plain_messages_mix(transport: Transport) {
    let mut socket = open(transport, "");
    for plain in ["", "a", "short", &"long ".repeat(100)] {
        socket.send(compressed(1, plain.as_bytes()));
        assert_eq!(content(&socket.frame(), 1, 15), plain.as_bytes());
        socket.send_text(plain);
        assert_eq!(content(&socket.frame(), 1, 15), plain.as_bytes());
    }
    // RFC 7692 section 7.2.3.6: an empty message as one empty block.
    socket.send(Frame::new(1, [0]).with_bits(0x40));
    assert_eq!(content(&socket.frame(), 1, 15), b"");
    // Section 7.2.3.5: a final block.
    socket.send(Frame::new(1, [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]).with_bits(0x40));
    assert_eq!(content(&socket.frame(), 1, 15), b"Hello");
    // Section 7.2.3.4: a block that is not compressed.
    socket.send(Frame::new(1, [0, 5, 0, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0]).with_bits(0x40));
    assert_eq!(content(&socket.frame(), 1, 15), b"Hello");
}

fn compressed_fragments_are_put_together(transport: Transport) {
    let mut socket = open(transport, "");
    let plain = "split anywhere ".repeat(50);
    let packed = deflate(plain.as_bytes());
    for cut in [0, 1, packed.len() / 2, packed.len()] {
        let (first, second) = packed.split_at(cut);
        // RFC 7692 section 6.1: RSV1 only on the first fragment.
        socket.send(Frame::new(1, first).unfinished().with_bits(0x40)).send(Frame::ping("p"));
        socket.expect(Frame::pong("p"));
        socket.send(Frame::continuation(second));
        assert_eq!(content(&socket.frame(), 1, 15), plain.as_bytes(), "{cut}");
    }
}

fn a_window_that_the_client_asks_for_is_kept_to(transport: Transport) {
    for window in 9..=15u8 {
        let mut socket = open(transport, &format!("; server_max_window_bits={window}"));
        // The repetition is further away than the window.
        let block: Vec<u8> = (0..1usize << window).map(|at| ((at * at * 31) >> 5) as u8 % 64).collect();
        let plain = [&block[..], &vec![b'x'; 300], &block[..], &block[..]].concat();
        socket.send_binary(plain.clone());
        let answer = socket.frame();
        assert!(content(&answer, 2, window) == plain, "{window}");
    }
}

fn rsv1_where_it_must_not_be_is_1002(transport: Transport) {
    for frames in [
        vec![Frame::ping("").with_bits(0x40)],
        vec![Frame::close(1000, "").with_bits(0x40)],
        vec![Frame::text("a").unfinished(), Frame::continuation("b").with_bits(0x40)],
        vec![compressed(1, b"a").unfinished(), Frame::continuation("b").with_bits(0x40)],
        vec![Frame::text("a").with_bits(0x20)],
        vec![Frame::text("a").with_bits(0x10)],
    ] {
        let mut socket = open(transport, "");
        socket.send_bytes(frames.iter().flat_map(Frame::masked).collect::<Vec<u8>>());
        socket.closed_by_server(1002);
    }
}

fn a_message_that_does_not_inflate_is_closed(transport: Transport) {
    for garbage in [&[0xff; 20][..], &[0x06, 1, 2, 3], &[0, 5, 0, 0, 0, 1, 2, 3, 4, 5]] {
        let mut socket = open(transport, "");
        socket.send(Frame::new(2, garbage).with_bits(0x40));
        let code = socket.code_at_the_end();
        assert!(matches!(code, Some(1002 | 1007)), "{garbage:?}: {code:?}");
    }
}

fn text_is_checked_after_inflating(transport: Transport) {
    let mut socket = open(transport, "");
    socket.send(compressed(1, "\u{20ac}".as_bytes()));
    assert_eq!(content(&socket.frame(), 1, 15), "\u{20ac}".as_bytes());
    socket.send(compressed(1, b"caf\xe9"));
    socket.closed_by_server(1007);
}

fn the_limit_counts_inflated_bytes(transport: Transport) {
    let server = transport.start(Options::app("websocket:app").with("--ws-max-size", "10000"));
    let token = token();
    let handshake = Handshake::to(&format!("/echo/{token}")).deflate("");
    let mut socket = transport.open(&server, &handshake);
    socket.send(compressed(2, &[0; 10_000]));
    assert_eq!(content(&socket.frame(), 2, 15).len(), 10_000);
    socket.send(compressed(2, &[0; 10_001]));
    socket.closed_by_server(1009);
}
