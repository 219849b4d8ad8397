//! Round trips: the sender's output through the tests' reader, and clients' messages through the receiver.

use crate::deflate::{deflate, inflate, written};
use crate::frames::*;
use pounce_asgi::{MessageKind, Payload};
use pounce_worker::http1::Output;
use pounce_worker::websocket::{Codecs, MAX_CLOSE_REASON, Sender, WindowBits};
use proptest::prelude::*;
use std::rc::Rc;

/// A message as a client sends it: its content, the ends of its fragments, whether it is compressed.
type Sent = (Vec<u8>, Vec<prop::sample::Index>, bool, [u8; 4]);

fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        ("[a-c]{1,8}", 0..500usize).prop_map(|(text, times)| text.repeat(times).into_bytes()),
        "\\PC{0,80}".prop_map(String::into_bytes),
    ]
}

fn messages() -> impl Strategy<Value = Vec<Sent>> {
    let cuts = prop::collection::vec(any::<prop::sample::Index>(), 0..5);
    prop::collection::vec((content(), cuts, any::<bool>(), any::<[u8; 4]>()), 1..6)
}

/// Text if `content` is UTF-8.
fn kind_of(content: &[u8]) -> MessageKind {
    if std::str::from_utf8(content).is_ok() { MessageKind::Text } else { MessageKind::Binary }
}

fn fragments((content, cuts, compress, mask): &Sent) -> Vec<Vec<u8>> {
    let payload = if *compress { deflate(content, 15) } else { content.clone() };
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
    ends.push(payload.len());
    ends.sort_unstable();
    let (mut start, last) = (0, ends.len() - 1);
    let opcode = if kind_of(content) == MessageKind::Text { TEXT } else { BINARY };
    let frames = ends.into_iter().enumerate().map(|(at, end)| {
        let first = match (at, compress) {
            (0, true) => RSV1 | opcode,
            (0, false) => opcode,
            _ => CONTINUATION,
        };
        let piece = &payload[start..end];
        start = end;
        masked(if at == last { FIN } else { 0 } | first, piece, *mask)
    });
    frames.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn messages_come_out_as_they_went_in(
        messages in messages(),
        ping in prop::collection::vec(any::<u8>(), 0..126),
        cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        // A ping after every frame, whether or not it ends its message.
        let mut input = Vec::new();
        let mut pings = 0;
        for frame_bytes in messages.iter().flat_map(fragments) {
            input.extend(frame_bytes);
            input.extend(frame(FIN | PING, &ping));
            pings += 1;
        }
        let story = tell(receiver(LIMITS, true), &input, &cuts);
        prop_assert_eq!(story.fault, None);
        let told: Vec<_> = story.told.iter().filter(|told| !matches!(told, Told::Ping(_))).collect();
        let wanted: Vec<_> =
            messages.iter().map(|(content, ..)| Told::Message(kind_of(content), content.clone())).collect();
        prop_assert_eq!(told, wanted.iter().collect::<Vec<_>>());
        let answered = story.told.iter().filter(|told| **told == Told::Ping(ping.clone())).count();
        prop_assert_eq!(answered, pings);
    }

    #[test]
    fn the_senders_frames_are_read_back(
        messages in prop::collection::vec(content(), 1..6),
        window in prop::option::of(9..=15u8),
    ) {
        let codecs = window.map(|bits| (Rc::new(Codecs::new()), WindowBits::new(bits).expect("from 9 to 15")));
        let sender = Sender::new(codecs);
        let mut output = Output::new();
        for (at, content) in messages.iter().enumerate() {
            let payload = match at % 2 {
                0 => Payload::Borrowed(content),
                _ => Payload::Shared(content.clone().into()),
            };
            sender.message(kind_of(content), payload, &mut output);
        }
        let frames = read(&written(&mut output));
        prop_assert_eq!(frames.len(), messages.len());
        for ((first, payload), content) in frames.into_iter().zip(messages) {
            let opcode = if kind_of(&content) == MessageKind::Text { TEXT } else { BINARY };
            prop_assert_eq!(first & !RSV1, FIN | opcode);
            let plain = match window {
                Some(bits) if first & RSV1 != 0 => inflate(&payload, bits),
                _ => {
                    prop_assert_eq!(first & RSV1, 0);
                    payload
                }
            };
            prop_assert_eq!(plain, content);
        }
    }

    #[test]
    fn a_reason_is_cut_at_a_character_where_it_does_not_fit(reason in "\\PC{0,200}", code in 3000..5000u16) {
        let mut output = Output::new();
        Sender::new(None).close(Some(code), &reason, &mut output);
        let frames = read(&written(&mut output));
        let [(first, payload)] = &frames[..] else { panic!("{} frames", frames.len()) };
        prop_assert_eq!(*first, FIN | CLOSE);
        prop_assert_eq!(&payload[..2], &code.to_be_bytes());
        let sent = std::str::from_utf8(&payload[2..]).expect("UTF-8");
        prop_assert!(reason.starts_with(sent));
        prop_assert!(sent.len() == reason.len() || (MAX_CLOSE_REASON - 3..=MAX_CLOSE_REASON).contains(&sent.len()));
    }
}

#[test]
fn control_frames_are_written_whole() {
    let sender = Sender::new(Some((Rc::new(Codecs::new()), WindowBits::MAX)));
    let mut output = Output::new();
    sender.ping(b"ping", &mut output);
    sender.pong(&[7; 125], &mut output);
    sender.close(None, "nothing without a code", &mut output);
    let wanted = [(FIN | PING, b"ping".to_vec()), (FIN | PONG, vec![7; 125]), (FIN | CLOSE, Vec::new())];
    assert_eq!(read(&written(&mut output)), wanted);
}

#[test]
fn large_and_small_messages_stay_in_order() {
    let sender = Sender::new(None);
    let mut output = Output::new();
    let sizes = [0, 125, 126, 65535, 65536, 1, 300_000, 5];
    for size in sizes {
        let content = vec![size as u8; size];
        sender.message(MessageKind::Binary, Payload::Shared(content.into()), &mut output);
    }
    let frames = read(&written(&mut output));
    let found: Vec<usize> = frames.iter().map(|(_, payload)| payload.len()).collect();
    assert_eq!(found, sizes);
}
