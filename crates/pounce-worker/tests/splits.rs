//! The request machine gives the same events for every split of every input.

use pounce_asgi::RequestHead;
use pounce_worker::http1::{Fault, RequestEvent, RequestLimits, RequestMachine};
use proptest::prelude::*;

/// The requests and the fault in a stream of bytes, with pieces of bodies joined.
#[derive(Debug, Default, PartialEq, Eq)]
struct Story {
    requests: Vec<(RequestHead, Vec<u8>, bool)>,
    fault: Option<Fault>,
}

/// Feeds `input` in pieces that end at `cuts`, as a connection does: unconsumed bytes are kept.
fn tell(input: &[u8], cuts: &[usize], limits: RequestLimits) -> Story {
    let mut machine = RequestMachine::new(limits);
    let mut story = Story::default();
    let mut kept: Vec<u8> = Vec::new();
    let mut start = 0;
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    ends.push(input.len());
    ends.sort_unstable();
    for end in ends {
        kept.extend_from_slice(&input[start..end]);
        start = end;
        loop {
            let step = match machine.advance(&kept) {
                Ok(step) => step,
                Err(fault) => {
                    story.fault = Some(fault);
                    return story;
                }
            };
            match &step.event {
                RequestEvent::NeedMore => {}
                RequestEvent::Head => story.requests.push((machine.head().clone(), Vec::new(), false)),
                RequestEvent::Body(range) => {
                    let (_, body, _) = story.requests.last_mut().expect("a body follows a head");
                    body.extend_from_slice(&kept[range.clone()]);
                }
                RequestEvent::End => story.requests.last_mut().expect("an end follows a head").2 = true,
            }
            kept.drain(..step.consumed);
            if step.event == RequestEvent::NeedMore {
                break;
            }
        }
    }
    story
}

/// Extensions of a chunk, by the grammar.
fn extension() -> impl Strategy<Value = String> {
    "([ \t]?;[ \t]?[a-z]{1,4}([ \t]?=[ \t]?([a-z]{1,4}|\"([a-z; ]|\\\\[a-z\"])*\"))?){0,2}"
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![
        Just(String::new()),
        "[a-z]{1,40}".prop_map(|body| format!("Content-Length: {}\r\n\r\n{body}", body.len())),
        prop::collection::vec(("[a-z\r\n]{1,20}", extension()), 0..4).prop_map(|chunks| {
            let coded: String =
                chunks.iter().map(|(chunk, ext)| format!("{:x}{ext}\r\n{chunk}\r\n", chunk.len())).collect();
            format!("Transfer-Encoding: chunked\r\n\r\n{coded}0\r\nX-Trailer: t\r\n\r\n")
        }),
    ];
    ("(GET|POST|PUT)", "/[a-z%?=&]{0,20}", prop::collection::vec("X-[A-Za-z]{1,8}: [ -~]{0,12}", 0..4), body)
        .prop_map(|(method, target, fields, body)| {
            let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
            let end = if body.is_empty() { "\r\n".to_owned() } else { body };
            format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{fields}{end}").into_bytes()
        })
}

/// Requests, some of them damaged: a byte replaced, removed or doubled.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let damage = prop::option::of((any::<prop::sample::Index>(), 0..3u8, any::<u8>()));
    (prop::collection::vec(request(), 1..4), damage).prop_map(|(requests, damage)| {
        let mut bytes = requests.concat();
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_split_of_every_input_gives_the_same_requests(
        input in stream(),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let whole = tell(&input, &[], RequestLimits::default());
        let split = tell(&input, &cuts, RequestLimits::default());
        prop_assert_eq!(&whole.requests.len(), &split.requests.len());
        prop_assert_eq!(whole.fault.is_some(), split.fault.is_some());
        // In a damaged body, the amount before the fault depends on the split.
        if whole.fault.is_none() {
            prop_assert_eq!(whole, split);
        }
    }

    #[test]
    fn byte_by_byte_gives_the_same_status(input in stream()) {
        let cuts: Vec<usize> = (0..input.len()).collect();
        let whole = tell(&input, &[], RequestLimits::default());
        let bytes = tell(&input, &cuts, RequestLimits::default());
        prop_assert_eq!(whole.fault.map(Fault::status), bytes.fault.map(Fault::status));
    }

    #[test]
    fn no_input_makes_it_panic(input in prop::collection::vec(any::<u8>(), 0..300), cuts in prop::collection::vec(any::<usize>(), 0..6)) {
        let limits = RequestLimits { request_line: 40, fields: 3, header_size: 60, body: Some(20) };
        let story = tell(&input, &cuts, limits);
        for (_, body, _) in story.requests {
            prop_assert!(body.len() <= 20);
        }
    }
}

#[test]
fn a_generated_stream_is_understood() {
    let input = b"POST /a?b HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\nGET /next HTTP/1.1\r\nHost: test\r\n\r\n";
    let story = tell(input, &[], RequestLimits::default());
    assert_eq!(story.fault, None);
    let bodies: Vec<_> =
        story.requests.iter().map(|(head, body, ended)| (head.raw_path(), &body[..], *ended)).collect();
    assert_eq!(bodies, [(&b"/a"[..], &b"abcde"[..], true), (b"/next", b"", true)]);
}
