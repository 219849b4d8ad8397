//! What the fuzz targets check of the HTTP/1.1 machine. Included by the targets and by the test that runs
//! their seed corpora.

use pounce_worker::http1::{Event, Limits, RequestMachine};

/// Any bytes as a request head: no panic, and what is understood has a method and a target.
pub(crate) fn head(data: &[u8]) {
    let mut machine = RequestMachine::new(Limits::default());
    if let Ok(step) = machine.advance(data) {
        assert!(step.consumed <= data.len());
        if step.event == Event::Head {
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
    let mut machine = RequestMachine::new(Limits { body: Some(1 << 20), ..Limits::default() });
    machine.advance(HEAD).expect("the head is valid");
    let mut body = Vec::new();
    let (mut at, mut end) = (0, 0);
    while end < data.len() {
        end = data.len().min(end + step_size);
        loop {
            match machine.advance(&data[at..end]) {
                Err(_) => return (None, true),
                Ok(step) => {
                    if let Event::Body(range) = &step.event {
                        body.extend_from_slice(&data[at + range.start..at + range.end]);
                    }
                    at += step.consumed;
                    match step.event {
                        Event::NeedMore => break,
                        Event::End => return (Some(body), false),
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

const LIMITS: Limits = Limits { request_line: 64, fields: 8, header_size: 256, body: Some(128) };

/// How many requests came to their end, and whether there was a fault.
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
                        Event::NeedMore => break,
                        Event::End => ended += 1,
                        _ => {}
                    }
                }
            }
        }
    }
    (ended, false)
}
