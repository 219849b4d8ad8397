//! The checks of the sans-IO machines that the fuzz targets run. Included by the targets and by the test that runs
//! their seed corpora.

use pounce_worker::http1::{RequestEvent, RequestLimits, RequestMachine};
use pounce_worker::http2::{Beginning, Guard, read_request};
use pounce_worker::tls::{TicketSecret, Tickets};
use pounce_worker::websocket::{self, Codecs, Receiver};
use rustls::server::ProducesTickets as _;
use std::time::Instant;

/// Any bytes as a request head: no panic, and an accepted head has a method and a target.
pub(crate) fn head(data: &[u8]) {
    let mut machine = RequestMachine::new(RequestLimits::default());
    if let Ok(step) = machine.advance(data) {
        assert!(step.consumed <= data.len());
        if step.event == RequestEvent::Head {
            assert!(!machine.head().method().is_empty() && !machine.head().target().is_empty());
        }
    }
}

/// Any bytes as a chunked body: whole and byte by byte, the same data comes out.
pub(crate) fn chunked(data: &[u8]) {
    assert_eq!(decode(data, usize::MAX / 2), decode(data, 1));
}

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The body if it is complete, and the fault if there is one.
fn decode(data: &[u8], step_size: usize) -> (Option<Vec<u8>>, bool) {
    let mut machine = RequestMachine::new(RequestLimits { body: Some(1 << 20), ..RequestLimits::default() });
    machine.advance(HEAD).expect("the head is valid");
    let mut body = Vec::new();
    let (mut at, mut end) = (0, 0);
    while end < data.len() {
        end = data.len().min(end + step_size);
        loop {
            match machine.advance(&data[at..end]) {
                Err(_) => return (None, true),
                Ok(step) => {
                    if let RequestEvent::Body(range) = &step.event {
                        body.extend_from_slice(&data[at + range.start..at + range.end]);
                    }
                    at += step.consumed;
                    match step.event {
                        RequestEvent::NeedMore => break,
                        RequestEvent::End => return (Some(body), false),
                        _ => {}
                    }
                }
            }
        }
    }
    (None, false)
}

/// Any bytes as a connection, cut anywhere: the same requests and the same verdict.
pub(crate) fn machine(data: &[u8]) {
    let Some((&cut, data)) = data.split_first() else { return };
    assert_eq!(run(data, usize::from(cut) % (data.len() + 1)), run(data, data.len()));
}

const LIMITS: RequestLimits =
    RequestLimits { request_line: 64, fields: 8, header_size: 256, body: Some(128) };

/// How many requests completed, and whether there was a fault.
fn run(data: &[u8], cut: usize) -> (usize, bool) {
    let mut machine = RequestMachine::new(LIMITS);
    let (mut at, mut ended) = (0, 0);
    for end in [cut, data.len()] {
        loop {
            match machine.advance(&data[at..end]) {
                Err(_) => return (ended, true),
                Ok(step) => {
                    at += step.consumed;
                    match step.event {
                        RequestEvent::NeedMore => break,
                        RequestEvent::End => ended += 1,
                        _ => {}
                    }
                }
            }
        }
    }
    (ended, false)
}

/// Any bytes as frames, cut anywhere and byte by byte: the same events and the same verdict. The first byte says
/// whether they may be compressed, the second where they are cut.
pub(crate) fn websocket(data: &[u8]) {
    let [options, cut, data @ ..] = data else { return };
    let deflate = options & 1 != 0;
    let whole = frames(data, deflate, data.len().max(1));
    assert_eq!(frames(data, deflate, usize::from(*cut).max(1)), whole);
    assert_eq!(frames(data, deflate, 1), whole);
}

const FRAMES: websocket::MessageLimits = websocket::MessageLimits { message: 512, fragments: 4 };

/// The events of frames that arrive `step_size` bytes at a time, and whether there was a fault.
fn frames(data: &[u8], deflate: bool, step_size: usize) -> (Vec<(String, Vec<u8>)>, bool) {
    let mut machine = Receiver::new(FRAMES, deflate);
    let mut told = Vec::new();
    let mut kept = Vec::new();
    for piece in data.chunks(step_size) {
        kept.extend_from_slice(piece);
        loop {
            let Ok(step) = machine.advance(&mut kept) else { return (told, true) };
            assert!(step.consumed <= kept.len());
            match step.event.clone() {
                websocket::FrameEvent::NeedMore | websocket::FrameEvent::Fragment => {}
                websocket::FrameEvent::Message(kind, range) => {
                    told.push((format!("{kind:?}"), kept[range].to_vec()))
                }
                websocket::FrameEvent::Assembled(kind) => {
                    told.push((format!("{kind:?}"), machine.take_message()))
                }
                websocket::FrameEvent::Compressed(kind) => {
                    let packed = machine.take_message();
                    match Codecs::new().inflate(kind, &packed, FRAMES.message) {
                        Ok(message) => told.push((format!("{kind:?}"), message)),
                        Err(_) => return (told, true),
                    }
                }
                websocket::FrameEvent::Ping(range) => told.push(("ping".into(), kept[range].to_vec())),
                other => told.push((format!("{other:?}"), Vec::new())),
            }
            if let Some((kind, bytes)) = told.last() {
                assert!(bytes.len() <= FRAMES.message);
                assert!(kind != "Text" || std::str::from_utf8(bytes).is_ok());
            }
            kept.drain(..step.consumed);
            if step.event == websocket::FrameEvent::NeedMore {
                break;
            }
        }
    }
    (told, false)
}

/// Any bytes as the beginning of a connection: a decision about the protocol is final, and the guard of HTTP/2 trips at
/// the same byte however they are cut. The first byte sets the guard's budget.
pub(crate) fn beginning(data: &[u8]) {
    let Some((&allowed, data)) = data.split_first() else { return };
    let mut decided = None;
    for end in 0..=data.len() {
        let now = Beginning::of(&data[..end]);
        assert!(decided.is_none_or(|before| before == now), "{decided:?} became {now:?}");
        decided = (now != Beginning::Undecided).then_some(now);
    }
    let now = Instant::now();
    let trips = |step_size: usize| {
        let mut guard = Guard::new(u32::from(allowed), now);
        data.chunks(step_size).any(|piece| guard.read(piece, now).is_err())
    };
    let whole = trips(data.len().max(1));
    assert_eq!(trips(1), whole);
    assert_eq!(trips(7), whole);
}

/// Any bytes as a request of HTTP/2: a method, a URI, and lines `name: value`. A request that is accepted has a method, a
/// path, and one authority.
pub(crate) fn request(data: &[u8]) {
    let mut lines = data.split(|&byte| byte == b'\n');
    let (Some(method), Some(uri)) = (lines.next(), lines.next()) else { return };
    let mut request = http::Request::builder().method(method).uri(uri).version(http::Version::HTTP_2);
    for line in lines {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { return };
        request = request.header(&line[..colon], &line[colon + 1..]);
    }
    let Ok(request) = request.body(()) else { return };
    let Ok(read) = read_request(&request.into_parts().0, &LIMITS) else { return };
    let head = read.head;
    assert!(!head.method().is_empty());
    assert!(head.raw_path().starts_with(b"/") || head.raw_path() == b"*");
    assert!(head.fields().len() <= LIMITS.fields + 1);
    assert_eq!(head.fields().get_all(b"host").count(), 1);
}

/// Any bytes as a session ticket are none; as a session they come back from theirs, and not from a changed one. The first
/// byte says where it is changed.
pub(crate) fn tickets(data: &[u8]) {
    let Some((&changed, session)) = data.split_first() else { return };
    let tickets = Tickets::new(TicketSecret::from_parts(0, [7; 32]), b"context");
    assert_eq!(tickets.decrypt(session), None);
    let mut ticket = tickets.encrypt(session).expect("there is a key");
    assert_eq!(tickets.decrypt(&ticket).as_deref(), Some(session));
    let changed = usize::from(changed) % ticket.len();
    ticket[changed] ^= 1;
    assert_eq!(tickets.decrypt(&ticket), None);
}
