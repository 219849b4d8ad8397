//! The receiver gives the same events for every split of every input.

use crate::frames::*;
use pounce_worker::websocket::{FrameEvent, MessageLimits};
use proptest::prelude::*;

/// A message or a control frame, as a well-formed sequence of frames.
fn turn() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let mask = any::<[u8; 4]>();
    let control = prop_oneof![Just(PING), Just(PONG)];
    let control = (control, prop::collection::vec(any::<u8>(), 0..126), mask)
        .prop_map(|(opcode, payload, mask)| vec![masked(FIN | opcode, &payload, mask)]);
    let text = (prop::collection::vec("\\PC{0,30}", 1..5), mask).prop_map(|(parts, mask)| {
        let last = parts.len() - 1;
        let frames = parts.iter().enumerate().map(|(at, part)| {
            let opcode = if at == 0 { TEXT } else { CONTINUATION };
            masked(if at == last { FIN } else { 0 } | opcode, part.as_bytes(), mask)
        });
        frames.collect()
    });
    let binary = (prop::collection::vec(any::<u8>(), 0..400), mask)
        .prop_map(|(payload, mask)| vec![masked(FIN | BINARY, &payload, mask)]);
    let compressed = (prop::collection::vec(any::<u8>(), 0..60), any::<bool>(), mask).prop_map(
        |(payload, known, mask)| {
            // Sometimes a payload that inflates, sometimes one that hardly does.
            let payload = if known { crate::deflate::deflate(&payload, 15) } else { payload };
            let (first, second) = payload.split_at(payload.len() / 2);
            vec![masked(RSV1 | BINARY, first, mask), masked(FIN | CONTINUATION, second, mask)]
        },
    );
    let close = (1000u16..1004, "\\PC{0,20}", mask).prop_map(|(code, reason, mask)| {
        vec![masked(FIN | CLOSE, &[&code.to_be_bytes(), reason.as_bytes()].concat(), mask)]
    });
    prop_oneof![3 => control, 4 => text, 3 => binary, 2 => compressed, 1 => close]
}

/// Turns, some of them damaged: a byte replaced, removed or doubled.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let damage = prop::option::of((any::<prop::sample::Index>(), 0..3u8, any::<u8>()));
    (prop::collection::vec(turn(), 1..6), damage).prop_map(|(turns, damage)| {
        let mut bytes = turns.concat().concat();
        if let Some((index, kind, byte)) = damage {
            let at = index.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, byte),
            }
        }
        bytes
    })
}

/// Compares stories; of two faults in one piece, the cut may decide which is seen first.
fn agree(whole: &Story, split: &Story) -> Result<(), TestCaseError> {
    prop_assert_eq!(&whole.told, &split.told);
    prop_assert_eq!(whole.fault.is_some(), split.fault.is_some(), "{:?} {:?}", whole.fault, split.fault);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn every_split_of_every_input_gives_the_same_events(
        input in stream(),
        deflate in any::<bool>(),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let whole = tell(receiver(LIMITS, deflate), &input, &[]);
        agree(&whole, &tell(receiver(LIMITS, deflate), &input, &cuts))?;
    }

    #[test]
    fn byte_by_byte_gives_the_same_events_and_close_code(input in stream()) {
        let cuts: Vec<usize> = (0..input.len()).collect();
        let whole = tell(receiver(LIMITS, false), &input, &[]);
        let bytes = tell(receiver(LIMITS, false), &input, &cuts);
        agree(&whole, &bytes)?;
        prop_assert_eq!(whole.code(), bytes.code());
    }

    #[test]
    fn no_input_makes_it_panic_or_give_more_than_its_limit(
        input in prop::collection::vec(any::<u8>(), 0..300),
        deflate in any::<bool>(),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        let limits = MessageLimits { message: 40, fragments: 3 };
        for told in tell(receiver(limits, deflate), &input, &cuts).told {
            if let Told::Message(_, bytes) = told {
                prop_assert!(bytes.len() <= 40);
            }
        }
    }

    #[test]
    fn need_more_comes_only_after_every_complete_event(input in stream(), deflate in any::<bool>()) {
        let mut machine = receiver(LIMITS, deflate);
        let mut kept = input;
        while let Ok(step) = machine.advance(&mut kept) {
            kept.drain(..step.consumed);
            if step.event == FrameEvent::NeedMore {
                let rest = machine.advance(&mut kept).map(|step| (step.consumed, step.event));
                prop_assert_eq!(rest, Ok((0, FrameEvent::NeedMore)), "{} bytes are left", kept.len());
                break;
            }
        }
    }
}

#[test]
fn a_stream_is_understood() {
    let input = [
        frame(TEXT, b"Hel"),
        frame(FIN | PING, b"?"),
        frame(FIN | CONTINUATION, b"lo"),
        frame(FIN | BINARY, &[0; 70_000]),
        frame(FIN | PONG, b""),
        frame(FIN | CLOSE, b"\x03\xe8bye"),
        frame(FIN | TEXT, b"too late"),
    ]
    .concat();
    let told = tell_whole(&input).told;
    let wanted = [
        Told::Ping(b"?".to_vec()),
        text("Hello"),
        Told::Message(pounce_asgi::MessageKind::Binary, vec![0; 70_000]),
        Told::Pong,
        Told::Close(Some(1000), "bye".into()),
    ];
    assert!(told == wanted, "{}", told.len());
}
