//! Messages: text, bytes, empty, in fragments, large, too large, many.

use pounce_tests::notes::token;
use pounce_tests::{Frame, Transport, over_every_transport};
use serde_json::json;

over_every_transport! {
    text_and_bytes_come_back,
    a_message_has_text_or_bytes,
    empty_messages_are_messages,
    lengths_around_the_forms_of_a_length_come_back,
    fragments_are_put_together,
    control_frames_may_come_between_fragments,
    a_large_message_comes_back,
    a_message_over_the_limit_is_1009,
    fragments_over_the_limit_are_1009,
    a_burst_keeps_its_order,
    a_burst_of_the_applications_keeps_its_order,
    a_frame_in_single_bytes_is_understood,
    bad_messages_of_the_application_raise,
    keys_with_none_are_as_keys_left_out,
}

const MIB: usize = 1 << 20;

fn text_and_bytes_come_back(transport: Transport) {
    let mut socket = transport.connect(transport.shared(), "/echo");
    socket.send_text("hello \u{20ac} \u{1f600}").expect_text("hello \u{20ac} \u{1f600}");
    socket.send_binary([0, 255, 128]).expect(Frame::binary([0, 255, 128]));
    socket.close(1000, "");
}

fn a_message_has_text_or_bytes(transport: Transport) {
    let mut socket = transport.connect(transport.shared(), "/keys");
    let text = socket.send_text("a").json();
    assert_eq!(
        (&text["text"], text.get("bytes").unwrap_or(&json!("NoneType"))),
        (&json!("str"), &json!("NoneType"))
    );
    let bytes = socket.send_binary("a").json();
    assert_eq!(
        (&bytes["bytes"], bytes.get("text").unwrap_or(&json!("NoneType"))),
        (&json!("bytes"), &json!("NoneType"))
    );
}

fn empty_messages_are_messages(transport: Transport) {
    let mut socket = transport.connect(transport.shared(), "/echo");
    socket.send_text("").expect_text("");
    socket.send_binary([]).expect(Frame::binary([]));
    socket.send(Frame::text("").unfinished()).send(Frame::continuation("")).expect_text("");
}

fn lengths_around_the_forms_of_a_length_come_back(transport: Transport) {
    let mut socket = transport.connect(transport.shared(), "/echo");
    for length in [1, 124, 125, 126, 127, 128, 65535, 65536, 65537] {
        let block: Vec<u8> = (0..length).map(|at: usize| (at * 7) as u8).collect();
        socket.send_binary(block.clone());
        assert!(socket.binary() == block, "{length}");
    }
}

fn fragments_are_put_together(transport: Transport) {
    let mut socket = transport.connect(transport.shared(), "/echo");
    socket.send(Frame::text("one ").unfinished());
    socket.send(Frame::continuation("two ").unfinished());
    socket.send(Frame::continuation("three")).expect_text("one two three");
    // A split character.
    socket
        .send(Frame::new(1, [0xe2, 0x82]).unfinished())
        .send(Frame::continuation([0xac]))
        .expect_text("\u{20ac}");
    for byte in b"abc" {
        socket.send(Frame::new(u8::from(*byte == b'a') * 2, [*byte]).unfinished());
    }
    socket.send(Frame::continuation("")).expect(Frame::binary("abc"));
}

fn control_frames_may_come_between_fragments(transport: Transport) {
    let mut socket = transport.connect(transport.shared(), "/echo");
    socket.send(Frame::text("be").unfinished()).send(Frame::ping("now")).expect(Frame::pong("now"));
    socket.send(Frame::pong("unasked")).send(Frame::continuation("tween")).expect_text("between");
    socket.send(Frame::text("half").unfinished());
    socket.close(1000, "");
}

fn a_large_message_comes_back(transport: Transport) {
    let mut socket = transport.connect(transport.shared(), "/echo");
    let block: Vec<u8> = (0..16 * MIB).map(|at| ((at * 31) >> 3) as u8).collect();
    socket.send_binary(block.clone());
    assert!(socket.binary() == block);
    let text = "\u{e9}".repeat(4 * MIB);
    assert_eq!(socket.send_text(&text).text(), text);
}

fn a_message_over_the_limit_is_1009(transport: Transport) {
    let mut socket = transport.connect(transport.shared(), "/echo");
    // The head is enough.
    let frame = Frame::binary(vec![0; 16 * MIB + 1]).masked();
    socket.send_bytes(&frame[..14]);
    socket.closed_by_server(1009);
}

fn fragments_over_the_limit_are_1009(transport: Transport) {
    let server = transport.start(pounce_tests::Options::app("websocket:app").with("--ws-max-size", "1000"));
    let token = token();
    let mut socket = transport.connect(&server, &format!("/echo/{token}"));
    socket.send_binary(vec![1; 1000]).expect(Frame::binary(vec![1; 1000]));
    socket.send(Frame::binary(vec![1; 600]).unfinished());
    socket.send(Frame::continuation(vec![1; 401]));
    socket.closed_by_server(1009);
    // After a fault of the client the application gets the code that was sent (like uvicorn), or a loss.
    let note = transport.wait_note(&server, &token, "disconnect ");
    assert!(note.starts_with("disconnect 1009") || note.starts_with("disconnect 1006"), "{note}");
}

fn a_burst_keeps_its_order(transport: Transport) {
    let mut socket = transport.connect(transport.shared(), "/echo");
    let messages: Vec<String> = (0..1000).map(|number| format!("message {number}")).collect();
    for block in messages.chunks(100) {
        let bytes: Vec<u8> = block.iter().flat_map(|text| Frame::text(text).masked()).collect();
        socket.send_bytes(bytes);
    }
    for message in &messages {
        socket.expect_text(message);
    }
}

fn a_burst_of_the_applications_keeps_its_order(transport: Transport) {
    let mut socket = transport.connect(transport.shared(), "/burst/3000");
    for number in 0..3000 {
        socket.expect_text(&format!("message {number}"));
    }
    socket.closed_by_server(1000);
}

fn a_frame_in_single_bytes_is_understood(transport: Transport) {
    let mut socket = transport.connect(transport.shared(), "/echo");
    let bytes = [Frame::text("\u{20ac}").unfinished(), Frame::ping("p"), Frame::continuation("x")];
    for byte in bytes.iter().flat_map(Frame::masked) {
        socket.send_bytes([byte]);
    }
    socket.expect(Frame::pong("p")).expect_text("\u{20ac}x");
}

fn bad_messages_of_the_application_raise(transport: Transport) {
    for which in [
        "send-nothing",
        "send-none",
        "send-both",
        "send-text-bytes",
        "send-bytes-str",
        "send-text-surrogate",
        "accept-again",
        "response-start",
        "http-start",
        "unknown",
    ] {
        let mut socket = transport.connect(transport.shared(), &format!("/bad/{which}"));
        let text = socket.text();
        assert!(text.contains(",Exception,"), "{which}: {text}");
        // Nothing was sent, and the WebSocket goes on.
        socket.send_text("still there").expect_text("still there");
    }
}

fn keys_with_none_are_as_keys_left_out(transport: Transport) {
    let mut socket = transport.connect(transport.shared(), "/with-nones");
    socket.expect_text("text").expect(Frame::binary("bytes")).expect_text("");
    socket.closed_by_server(1000);
}
