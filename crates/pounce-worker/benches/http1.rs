//! The sans-IO machines: a request in, a response out. `cargo bench -p pounce-worker`.

use std::hint::black_box;
use std::io::IoSlice;

use criterion::{Criterion, criterion_group, criterion_main};
use pounce_asgi::{Fields, Payload, ResponseHead};
use pounce_worker::http1::{
    Output, RequestEvent, RequestLimits, RequestMachine, ResponseContext, ResponseEncoder,
};

const SMALL: &[u8] = b"GET /path?query=1 HTTP/1.1\r\nHost: localhost:8000\r\n\r\n";
const BROWSER: &[u8] = b"GET /some/longer/path HTTP/1.1\r\nHost: www.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nConnection: keep-alive\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\nUpgrade-Insecure-Requests: 1\r\n\
    Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\nPriority: u=0, i\r\n\r\n";

fn requests(criterion: &mut Criterion) {
    let chunk = format!("{:x}\r\n{}\r\n", 1024, "x".repeat(1024));
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(16)
    );
    for (name, input) in [("small head", SMALL), ("browser head", BROWSER), ("16 chunks", chunked.as_bytes())]
    {
        let mut machine = RequestMachine::new(RequestLimits::default());
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut at = 0;
                loop {
                    let step = machine.advance(black_box(&input[at..])).expect("valid");
                    at += step.consumed;
                    if step.event == RequestEvent::End {
                        break;
                    }
                }
            });
        });
    }
}

fn responses(criterion: &mut Criterion) {
    let mut fields = Fields::new();
    fields.push(b"content-type", b"application/json");
    fields.push(b"content-length", b"1024");
    let head = ResponseHead { status: 200, fields, trailers: false };
    let body = vec![b'x'; 1024];
    let context = ResponseContext {
        date: b"date: Fri, 20 Nov 2026 18:26:40 GMT\r\n",
        server: b"server: pounce\r\n",
        extra: b"",
        close: false,
    };
    let mut machine = RequestMachine::new(RequestLimits::default());
    machine.advance(SMALL).expect("valid");
    let facts = *machine.facts();
    let (mut encoder, mut output) = (ResponseEncoder::default(), Output::new());
    criterion.bench_function("response of 1 KiB", |bencher| {
        bencher.iter(|| {
            encoder.begin(facts);
            encoder.start(black_box(&head)).expect("valid");
            encoder.body(Payload::Borrowed(&body), false, context, &mut output).expect("valid");
            let mut slices = [IoSlice::new(&[]); 4];
            let filled = output.slices(&mut slices);
            let written = slices[..filled].iter().map(|slice| slice.len()).sum();
            output.advance(written);
            if let Some(buffer) = output.take_buffer() {
                *encoder.held_buffer() = buffer;
            }
        });
    });
}

criterion_group!(benches, requests, responses);
criterion_main!(benches);
