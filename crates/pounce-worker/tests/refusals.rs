//! Inputs that the request machine refuses, row by row: framing, chunks, heads, volume. Bytes after a fault are never
//! read as a request.

use pounce_worker::http1::{Fault, RequestEvent, RequestLimits, RequestMachine};

/// The first fault in `input`, or its number of requests.
fn fault_in(input: &[u8], limits: RequestLimits) -> Result<usize, Fault> {
    let mut machine = RequestMachine::new(limits);
    let (mut at, mut ended) = (0, 0);
    loop {
        let step = machine.advance(&input[at..]);
        let step = match step {
            Ok(step) => step,
            Err(fault) => {
                // The machine stays broken, whatever follows.
                assert_eq!(machine.advance(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"), Err(fault));
                return Err(fault);
            }
        };
        at += step.consumed;
        match step.event {
            RequestEvent::NeedMore => return Ok(ended),
            RequestEvent::End => ended += 1,
            _ => {}
        }
    }
}

fn status(input: impl AsRef<[u8]>) -> u16 {
    fault_in(input.as_ref(), RequestLimits::default()).map_or_else(Fault::status, |_| 200)
}

const NEXT: &str = "GET /next HTTP/1.1\r\nHost: test\r\n\r\n";

#[track_caller]
fn refuses(wanted: u16, fields_and_body: &str) {
    let input = format!("POST / HTTP/1.1\r\nHost: test\r\n{fields_and_body}{NEXT}");
    assert_eq!(status(&input), wanted, "{fields_and_body:?}");
}

#[test]
fn ambiguous_lengths() {
    for length in [
        "5\r\nContent-Length: 5",
        "5\r\nContent-Length: 6",
        "5, 5",
        "+5",
        "-5",
        "0x5",
        "5 5",
        "",
        "12345678901234567890",
        "5\x0b",
    ] {
        refuses(400, &format!("Content-Length: {length}\r\n\r\nhello"));
    }
}

#[test]
fn ambiguous_transfer_codings() {
    for coding in [
        "chunked, gzip",
        "xchunked",
        "chunked\x0b",
        "chunked, chunked",
        "chunked\r\nTransfer-Encoding: chunked",
        "gzip, chunked, chunked",
        "gzip\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip",
        "gzip",
        ",",
        ", chunked",
        "chunked,",
        "chunked, ",
        "gzip,, chunked",
        "chunked\r\nTransfer-Encoding: ",
        "gzip, chunked\r\nContent-Length: 5",
        "",
        "identity",
        "chunked\r\nContent-Length: 5",
    ] {
        refuses(400, &format!("Transfer-Encoding: {coding}\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
    }
    for coding in [
        "gzip, chunked",
        "gzip\r\nTransfer-Encoding: chunked",
        "a,b\r\nX: 1\r\ntransfer-encoding:\tc , CHUNKED",
    ] {
        refuses(501, &format!("Transfer-Encoding: {coding}\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
    }
    assert_eq!(status("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400);
}

#[test]
fn malformed_chunks() {
    for body in [
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "00000000000000005\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\r\n0\r\nHost: evil\r\n\r\n",
        "5\r\nhello\r\n0\r\nContent-Length: 1\r\n\r\n",
        "5\r\nhello\r\n0\r\nbad trailer\r\n\r\n",
        "\r\n",
    ] {
        refuses(400, &format!("Transfer-Encoding: chunked\r\n\r\n{body}"));
    }
    let endless = format!("5;{}", "x".repeat(5000));
    refuses(400, &format!("Transfer-Encoding: chunked\r\n\r\n{endless}"));
    refuses(413, "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhello");
}

#[test]
fn malformed_chunk_extensions() {
    for extension in [
        ";",
        " ",
        "\t",
        " ;",
        "; ",
        ";;a",
        ";a;",
        ";a ",
        ";a=",
        ";a= ",
        ";=b",
        ";a==b",
        ";a b",
        ";a=b c",
        " a",
        "g",
        ";bad[=x",
        ";a=b]",
        ";a=\"",
        ";a=\"b",
        ";a=\"b\\",
        ";a=\"b\"c",
        ";a=\"b\" ",
        ";a\"b\"",
        ";a=b\"c\"",
        ";\u{e9}",
        ";a=\u{e9}",
        ";a=\"\u{1}\"",
        ";a=\"\u{7f}\"",
        ";a\0",
        ",a",
    ] {
        let body = format!("5{extension}\r\nhello\r\n0\r\n\r\n");
        refuses(400, &format!("Transfer-Encoding: chunked\r\n\r\n{body}"));
        refuses(400, &format!("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0{extension}\r\n\r\n"));
    }
}

#[test]
fn chunk_extensions_of_every_good_shape_pass() {
    for extension in [
        ";a",
        ";a=b",
        ";a=1;b;c=d",
        " ; a = b",
        "\t;\ta\t=\tb",
        ";a ;b",
        ";a=\"\"",
        ";a=\"b; c\"",
        ";a=\"\\\"\"",
        ";a=\"\\\\\"",
        ";a=\"b\" ;c",
        ";a=\"\u{e9}\\\u{e9}\"",
        ";!#$%&'*+-.^_`|~=!#$%&'*+-.^_`|~",
        ";a=\"\t \"",
    ] {
        let body = format!("5{extension}\r\nhello\r\n0{extension}\r\n\r\n");
        let input = format!("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        assert_eq!(fault_in(input.as_bytes(), RequestLimits::default()), Ok(1), "{extension:?}");
    }
}

#[test]
fn malformed_heads() {
    for head in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: \r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/p\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\rX\r\n\r\n",
        "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /caf\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /?\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET https://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a:443\r\n\r\n",
        "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET relative HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert_eq!(status(head), 400, "{head:?}");
    }
}

#[test]
fn unsupported_features() {
    assert_eq!(status("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
    assert_eq!(status("GET / HTTP/0.9\r\nHost: a\r\n\r\n"), 505);
    assert_eq!(status("GET / HTTP/3.1\r\nHost: a\r\n\r\n"), 505);
    assert_eq!(status("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"), 501);
    refuses(417, "Expect: a miracle\r\n\r\n");
}

#[test]
fn volume_is_refused_at_its_limit_before_the_end_is_there() {
    let limits = RequestLimits { request_line: 100, fields: 5, header_size: 200, body: Some(10) };
    let of = |input: String| fault_in(input.as_bytes(), limits).map_err(Fault::status);
    assert_eq!(of(format!("GET /{}", "x".repeat(200))), Err(414));
    assert_eq!(of("G".repeat(65)), Err(400));
    assert_eq!(of(format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "G".repeat(65))), Err(400));
    assert_eq!(of(format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "G".repeat(64))), Ok(1));
    assert_eq!(of(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(300))), Err(431));
    assert_eq!(of(format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: 1\r\n".repeat(5))), Err(431));
    assert_eq!(of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n".into()), Err(413));
    let chunks = "5\r\nhello\r\n".repeat(3);
    assert_eq!(
        of(format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")),
        Err(413)
    );
    let trailers = "x".repeat(300);
    assert_eq!(
        of(format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: {trailers}")),
        Err(431)
    );
    // Exactly at the limit is allowed.
    let target = "x".repeat(100 - "GET / HTTP/1.1".len());
    assert_eq!(of(format!("GET /{target} HTTP/1.1\r\nHost: a\r\n\r\n")), Ok(1));
}

#[test]
fn valid_requests_pass() {
    for head in [
        "\r\nGET / HTTP/1.1\r\nHost: a:80\r\n\r\n",
        "GET http://A/ HTTP/1.1\r\nHost: a:80\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.9\r\nHost: a\r\n\r\n",
        "GET https://a/ HTTP/1.1\r\nHost: a:443\r\n\r\n",
        "GET https://a:443/ HTTP/1.1\r\nHost: A\r\n\r\n",
        "GET HTTPS://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /caf%E9 HTTP/1.1\r\nHost: [::1]:8000\r\nX-Latin: \u{e9}\r\n\r\n",
    ] {
        assert_eq!(status(head), 200, "{head:?}");
    }
}
