//! Frames as a client writes and reads them, and the events that a [`Receiver`] gives for them.

use pounce_asgi::MessageKind;
use pounce_worker::websocket::{Codecs, FrameEvent, FrameFault, MessageLimits, Receiver};

pub(crate) const FIN: u8 = 0x80;
pub(crate) const RSV1: u8 = 0x40;
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

pub(crate) const LIMITS: MessageLimits = MessageLimits { message: 1 << 20, fragments: 1000 };

/// A client's frame; `first` is its first byte.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    masked(first, payload, [0x37, 0xfa, 0x21, 0x3d])
}

pub(crate) fn masked(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The server's frames in `bytes`: the first byte of each, and its payload.
pub(crate) fn read(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        assert!(second & 0x80 == 0, "a server's frame is not masked");
        let (length, size) = match second {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), 2),
            127 => (u64::from_be_bytes(rest[..8].try_into().expect("eight bytes")) as usize, 8),
            short => (usize::from(*short), 0),
        };
        let shortest = [0, 2, 8][usize::from(length > 125) + usize::from(length > 0xffff)];
        assert_eq!(size, shortest, "the shortest form of {length}");
        frames.push((*first, rest[size..size + length].to_vec()));
        bytes = &rest[size + length..];
    }
    assert!(bytes.is_empty(), "half a frame is left");
    frames
}

/// An event in a stream of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Message(MessageKind, Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>, String),
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Story {
    pub(crate) told: Vec<Told>,
    pub(crate) fault: Option<FrameFault>,
}

impl Story {
    pub(crate) fn code(&self) -> Option<u16> {
        self.fault.map(FrameFault::code)
    }
}

/// The event of a text message.
pub(crate) fn text(text: &str) -> Told {
    Told::Message(MessageKind::Text, text.as_bytes().to_vec())
}

pub(crate) fn receiver(limits: MessageLimits, deflate: bool) -> Receiver {
    Receiver::new(limits, deflate)
}

/// Feeds `input` in pieces that end at `cuts`, as a connection does: unconsumed bytes are kept.
pub(crate) fn tell(mut machine: Receiver, input: &[u8], cuts: &[usize]) -> Story {
    let mut story = Story::default();
    let mut kept = Vec::new();
    let mut start = 0;
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    ends.push(input.len());
    ends.sort_unstable();
    for end in ends {
        kept.extend_from_slice(&input[start..end]);
        start = end;
        loop {
            let step = match machine.advance(&mut kept) {
                Ok(step) => step,
                Err(fault) => {
                    // The machine stays broken, whatever follows.
                    assert_eq!(machine.advance(&mut frame(FIN | TEXT, b"more")), Err(fault));
                    story.fault = Some(fault);
                    return story;
                }
            };
            assert!(step.consumed <= kept.len());
            match &step.event {
                FrameEvent::NeedMore | FrameEvent::Fragment => {}
                FrameEvent::Message(kind, range) => {
                    story.told.push(Told::Message(*kind, kept[range.clone()].to_vec()))
                }
                FrameEvent::Assembled(kind) => story.told.push(Told::Message(*kind, machine.take_message())),
                FrameEvent::Compressed(kind) => {
                    match Codecs::new().inflate(*kind, &machine.take_message(), machine.limits().message) {
                        Ok(message) => story.told.push(Told::Message(*kind, message)),
                        Err(fault) => {
                            story.fault = Some(fault);
                            return story;
                        }
                    }
                }
                FrameEvent::Ping(range) => story.told.push(Told::Ping(kept[range.clone()].to_vec())),
                FrameEvent::Pong => story.told.push(Told::Pong),
                FrameEvent::Close(code, reason) => story.told.push(Told::Close(*code, reason.clone())),
            }
            kept.drain(..step.consumed);
            if step.event == FrameEvent::NeedMore {
                break;
            }
        }
    }
    story
}

/// Feeds `input` at once, without compression.
pub(crate) fn tell_whole(input: &[u8]) -> Story {
    tell(receiver(LIMITS, false), input, &[])
}
