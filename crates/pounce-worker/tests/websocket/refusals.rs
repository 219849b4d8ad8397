//! Refused input, row by row, and its close codes (RFC 6455 section 7.4.1).

use crate::deflate::deflate;
use crate::frames::*;
use pounce_worker::websocket::{FrameFault, MessageLimits};

#[track_caller]
fn refuses(code: u16, frames: &[Vec<u8>]) {
    let input = frames.concat();
    let story = tell_whole(&input);
    assert_eq!(story.code(), Some(code), "{:?}", story);
    let cuts: Vec<usize> = (0..input.len()).collect();
    assert_eq!(tell(receiver(LIMITS, false), &input, &cuts).code(), Some(code), "byte by byte");
    assert!(story.fault.is_some_and(|fault| !fault.reason().is_empty() && fault.reason().len() <= 123));
}

#[track_caller]
fn accepts(frames: &[Vec<u8>], told: &[Told]) {
    let story = tell_whole(&frames.concat());
    assert_eq!((story.fault, &story.told[..]), (None, told));
}

#[test]
fn reserved_bits() {
    for bits in [0x40, 0x20, 0x10, 0x70] {
        for opcode in [TEXT, BINARY, PING, PONG, CLOSE] {
            refuses(1002, &[frame(FIN | bits | opcode, b"")]);
        }
    }
}

#[test]
fn reserved_bits_with_compression() {
    let packed = deflate(b"packed", 15);
    for frames in [
        vec![frame(FIN | RSV1 | PING, b"")],
        vec![frame(FIN | RSV1 | CLOSE, b"")],
        vec![frame(TEXT, b"a"), frame(FIN | RSV1 | CONTINUATION, b"b")],
        vec![frame(RSV1 | TEXT, &packed), frame(FIN | RSV1 | CONTINUATION, b"")],
        vec![frame(FIN | RSV1 | 0x20 | TEXT, &packed)],
        vec![frame(FIN | 0x10 | TEXT, b"")],
    ] {
        assert_eq!(tell(receiver(LIMITS, true), &frames.concat(), &[]).code(), Some(1002));
    }
}

#[test]
fn unknown_opcodes() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        refuses(1002, &[frame(FIN | opcode, b"")]);
        refuses(1002, &[frame(opcode, b"")]);
    }
}

#[test]
fn frames_that_are_not_masked() {
    for head in [[FIN | TEXT, 1], [FIN | BINARY, 126], [FIN | PING, 0], [FIN | CLOSE, 2], [TEXT, 127]] {
        refuses(1002, &[head.to_vec()]);
    }
}

#[test]
fn control_frames_that_are_fragmented_or_too_long() {
    for opcode in [PING, PONG, CLOSE] {
        refuses(1002, &[frame(opcode, b"")]);
        // The second byte is enough.
        refuses(1002, &[vec![FIN | opcode, 0x80 | 126]]);
        refuses(1002, &[vec![FIN | opcode, 0x80 | 127]]);
    }
    accepts(&[frame(FIN | PING, &[7; 125])], &[Told::Ping(vec![7; 125])]);
}

#[test]
fn lengths_that_are_not_in_their_shortest_form() {
    for length in [0u16, 1, 125] {
        refuses(1002, &[vec![FIN | BINARY, 0xfe], length.to_be_bytes().to_vec(), vec![0; 4]]);
    }
    for length in [0u64, 125, 126, 0xffff, 1 << 63, u64::MAX] {
        refuses(1002, &[vec![FIN | BINARY, 0xff], length.to_be_bytes().to_vec(), vec![0; 4]]);
    }
}

#[test]
fn continuations_out_of_order() {
    refuses(1002, &[frame(FIN | CONTINUATION, b"a")]);
    refuses(1002, &[frame(CONTINUATION, b"a")]);
    refuses(1002, &[frame(FIN | TEXT, b"a"), frame(FIN | CONTINUATION, b"b")]);
    refuses(1002, &[frame(TEXT, b"a"), frame(FIN | TEXT, b"b")]);
    refuses(1002, &[frame(TEXT, b"a"), frame(CONTINUATION, b"b"), frame(BINARY, b"c")]);
    accepts(&[frame(TEXT, b""), frame(CONTINUATION, b""), frame(FIN | CONTINUATION, b"")], &[text("")]);
}

#[test]
fn close_payloads() {
    refuses(1002, &[frame(FIN | CLOSE, b"\x03")]);
    for code in [0u16, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 0xffff] {
        refuses(1002, &[frame(FIN | CLOSE, &code.to_be_bytes())]);
    }
    refuses(1007, &[frame(FIN | CLOSE, b"\x03\xe8\xff")]);
    refuses(1007, &[frame(FIN | CLOSE, b"\x03\xe8\xe2\x82")]);
    accepts(&[frame(FIN | CLOSE, b"")], &[Told::Close(None, String::new())]);
    for code in [1000u16, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999] {
        let told = Told::Close(Some(code), "\u{20ac}".into());
        accepts(&[frame(FIN | CLOSE, &[&code.to_be_bytes(), "\u{20ac}".as_bytes()].concat())], &[told]);
    }
}

const NOT_UTF8: [&[u8]; 9] = [
    b"\x80",
    b"a\xff",
    b"\xc0\xaf",
    b"\xc1",
    b"\xed\xa0\x80",
    b"\xe2\x28",
    b"\xf4\x90",
    b"\xf5",
    b"\xf0\x80",
];

#[test]
fn invalid_utf8_is_reported_at_the_first_wrong_byte() {
    for wrong in NOT_UTF8 {
        refuses(1007, &[frame(FIN | TEXT, wrong)]);
        // In a frame that goes on, and in a message that goes on.
        let long = frame(FIN | TEXT, &[wrong, &[b'a'; 200]].concat());
        refuses(1007, &[long[..8 + wrong.len()].to_vec()]);
        refuses(1007, &[frame(TEXT, wrong)]);
        for cut in 0..wrong.len() {
            refuses(1007, &[frame(TEXT, &wrong[..cut]), frame(CONTINUATION, &wrong[cut..])]);
        }
        // Binary messages need not be UTF-8.
        let bytes = Told::Message(pounce_asgi::MessageKind::Binary, wrong.to_vec());
        accepts(&[frame(FIN | BINARY, wrong)], &[bytes]);
    }
}

#[test]
fn a_character_may_be_split_and_must_be_finished() {
    let whole = "\u{e9}\u{20ac}\u{1f600}".as_bytes();
    for cut in 0..=whole.len() {
        accepts(
            &[frame(TEXT, &whole[..cut]), frame(FIN | CONTINUATION, &whole[cut..])],
            &[text("\u{e9}\u{20ac}\u{1f600}")],
        );
    }
    for end in [1, 3, 4, 6, 7, 8] {
        refuses(1007, &[frame(FIN | TEXT, &whole[..end])]);
        refuses(1007, &[frame(TEXT, &whole[..end]), frame(FIN | CONTINUATION, b"")]);
    }
}

#[test]
fn text_is_checked_after_inflating() {
    for wrong in NOT_UTF8 {
        let input = frame(FIN | RSV1 | TEXT, &deflate(wrong, 15));
        assert_eq!(tell(receiver(LIMITS, true), &input, &[]).code(), Some(1007), "{wrong:?}");
    }
}

fn limited(message: usize, deflate: bool, frames: &[Vec<u8>]) -> Story {
    tell(receiver(MessageLimits { message, fragments: 5 }, deflate), &frames.concat(), &[])
}

#[test]
fn messages_over_the_limit_are_refused_before_they_have_come() {
    let head = &frame(FIN | BINARY, &[0; 101])[..6];
    assert_eq!(limited(100, false, &[head.to_vec()]).code(), Some(1009));
    let head = &frame(FIN | CONTINUATION, &[0; 41])[..6];
    assert_eq!(limited(100, false, &[frame(BINARY, &[0; 60]), head.to_vec()]).code(), Some(1009));
    let largest = vec![FIN | BINARY, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    assert_eq!(limited(usize::MAX, false, &[frame(BINARY, b"a"), frame(FIN | PING, b"")]).fault, None);
    assert_eq!(limited(100, false, &[largest]).code(), Some(1009));
    // Exactly at the limit is allowed.
    assert_eq!(limited(100, false, &[frame(FIN | BINARY, &[0; 100])]).told.len(), 1);
    let two = [frame(BINARY, &[0; 60]), frame(FIN | CONTINUATION, &[0; 40]), frame(FIN | BINARY, &[0; 100])];
    assert_eq!(limited(100, false, &two).told.len(), 2);
}

#[test]
fn the_limit_counts_inflated_bytes() {
    let of = |count: usize| frame(FIN | RSV1 | BINARY, &deflate(&vec![0; count], 15));
    assert_eq!(limited(100_000, true, &[of(100_000), of(100_000)]).told.len(), 2);
    assert_eq!(limited(100_000, true, &[of(100_001)]).code(), Some(1009));
    assert_eq!(limited(100_000, true, &[of(100_000_000)]).code(), Some(1009));
    let packed = deflate(&[0; 60_000], 15);
    let first = [&packed[..], &[0, 0, 255, 255]].concat();
    let code =
        limited(100_000, true, &[frame(RSV1 | BINARY, &first), frame(FIN | CONTINUATION, &packed)]).code();
    assert_eq!(code, Some(1009), "of two fragments together");
}

#[test]
fn fragments_over_their_limit_are_refused() {
    let more = || frame(CONTINUATION, b"b");
    assert_eq!(limited(100, false, &[frame(TEXT, b"a"), more(), more(), more(), more()]).fault, None);
    let six = [frame(TEXT, b"a"), more(), more(), more(), more(), more()];
    assert_eq!(limited(100, false, &six).code(), Some(1009));
    let empty = [frame(TEXT, b""), [CONTINUATION, 0x80, 0, 0, 0, 0].repeat(5)];
    assert_eq!(limited(100, false, &empty).code(), Some(1009));
    // Each message by itself.
    let messages = [frame(TEXT, b"a"), more(), frame(FIN | CONTINUATION, b"c")].concat().repeat(10);
    assert_eq!(limited(100, false, &[messages]).told.len(), 10);
}

#[test]
fn payloads_that_do_not_inflate() {
    for garbage in
        [&[0xff; 20][..], &[0x06, 1, 2, 3], &[0, 5, 0, 0, 0, 1, 2, 3, 4, 5], &[0x12, 0x03, 0xff, 0xff]]
    {
        let input = frame(FIN | RSV1 | BINARY, garbage);
        let code = tell(receiver(LIMITS, true), &input, &[]).code();
        assert!(matches!(code, Some(1002 | 1007)), "{garbage:?}: {code:?}");
    }
}

#[test]
fn faults_have_the_codes_of_the_rfc() {
    assert_eq!(FrameFault::Protocol("").code(), 1002);
    assert_eq!(FrameFault::Data("").code(), 1007);
    assert_eq!(FrameFault::TooBig("").code(), 1009);
}
