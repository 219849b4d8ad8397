//! Request lines and header sections: malformed ones are refused before they reach the application;
//! merely unusual ones are accepted.

use pounce_tests::{Options, Server};
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

fn refuse_each<const N: usize>(requests: [&[u8]; N], statuses: &[u16]) {
    for request in requests {
        server().refuses(request, statuses);
    }
}

#[test]
fn a_missing_or_repeated_host_is_refused() {
    refuse_each(
        [
            b"GET /hello HTTP/1.1\r\n\r\n",
            b"GET /hello HTTP/1.1\r\nX-Host: test\r\n\r\n",
            b"GET /hello HTTP/1.1\r\nHost: test\r\nHost: test\r\n\r\n",
            b"GET /hello HTTP/1.1\r\nHost: test\r\nhost: other\r\n\r\n",
        ],
        &[400],
    );
}

#[test]
fn a_host_that_is_no_host_is_refused() {
    for host in
        ["", " ", "a, b", "user@test", "user:pass@test", "test/path", "a b", "test:80:80", "test?", "[::1"]
    {
        server().refuses(format!("GET /hello HTTP/1.1\r\nHost: {host}\r\n\r\n"), &[400]);
    }
}

#[test]
fn hosts_of_every_good_shape_are_taken() {
    for host in
        ["test", "test:8000", "127.0.0.1", "[::1]", "[::1]:8000", "a-b.example", "under_score", "TEST."]
    {
        let request = format!("GET /scope HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let response = server().accepts(request, 200);
        assert!(response.text().contains(&format!("[\"host\", \"{host}\"]")), "{}", response.text());
    }
}

#[test]
fn http_1_0_needs_no_host() {
    server().accepts("GET /hello HTTP/1.0\r\n\r\n", 200);
}

#[test]
fn a_folded_header_is_refused() {
    refuse_each(
        [
            b"GET /hello HTTP/1.1\r\nHost: test\r\nX-A: one\r\n two\r\n\r\n",
            b"GET /hello HTTP/1.1\r\nHost: test\r\nX-A: one\r\n\ttwo\r\n\r\n",
            b"GET /hello HTTP/1.1\r\n Host: test\r\n\r\n",
            b"GET /hello HTTP/1.1\r\nHost: test\r\n \r\n\r\n",
        ],
        &[400],
    );
}

#[test]
fn a_field_name_that_is_no_token_is_refused() {
    for name in
        ["Host ", "X-A\t", "X A", "", "X(A)", "X@A", "\"X\"", "X/A", "X\u{e9}", "X\x7f", "X\x01", "{x}"]
    {
        server().refuses(format!("GET /hello HTTP/1.1\r\nHost: test\r\n{name}: value\r\n\r\n"), &[400]);
    }
    refuse_each([b"GET /hello HTTP/1.1\r\nHost: test\r\nno colon here\r\n\r\n"], &[400]);
}

#[test]
fn a_bare_line_feed_or_carriage_return_is_refused() {
    refuse_each(
        [
            b"GET /hello HTTP/1.1\nHost: test\r\n\r\n",
            b"GET /hello HTTP/1.1\r\nHost: test\n\r\n",
            b"GET /hello HTTP/1.1\r\nHost: test\r\n\n",
            b"GET /hello HTTP/1.1\nHost: test\n\n",
            b"GET /hello HTTP/1.1\rHost: test\r\r",
            b"GET /hello HTTP/1.1\r\nHost: test\r\nX-A: a\rb\r\n\r\n",
            b"GET /hello HTTP/1.1\r\nHost: test\r\nX-A: a\nb: c\r\n\r\n",
            b"GET /hello HTTP/1.1\r\nHost: test\r\n\rX\r\n\r\n",
            b"GET /hello HTTP/1.1\r\nHost: test\r\nX-A: a\r\r\n\r\n",
        ],
        &[400],
    );
}

#[test]
fn control_characters_in_a_header_value_are_refused() {
    for byte in (0..=8).chain(11..=12).chain(14..=31).chain([127]) {
        let mut request = b"GET /hello HTTP/1.1\r\nHost: test\r\nX-A: a".to_vec();
        request.push(byte);
        request.extend(b"b\r\n\r\n");
        server().refuses(request, &[400]);
    }
}

#[test]
fn control_characters_and_spaces_in_the_target_are_refused() {
    for byte in (0..=32).chain([127]) {
        let mut request = b"GET /hel".to_vec();
        request.push(byte);
        request.extend(b"lo HTTP/1.1\r\nHost: test\r\n\r\n");
        server().refuses(request, &[400]);
    }
}

#[test]
fn a_malformed_request_line_is_refused() {
    refuse_each(
        [
            b"GET\r\nHost: test\r\n\r\n",
            b"GET /hello\r\nHost: test\r\n\r\n",
            b" GET /hello HTTP/1.1\r\nHost: test\r\n\r\n",
            b"GET  /hello HTTP/1.1\r\nHost: test\r\n\r\n",
            b"GET /hello  HTTP/1.1\r\nHost: test\r\n\r\n",
            b"GET /hello HTTP/1.1 \r\nHost: test\r\n\r\n",
            b"GET\t/hello\tHTTP/1.1\r\nHost: test\r\n\r\n",
            b"G@T /hello HTTP/1.1\r\nHost: test\r\n\r\n",
            b"GET hello HTTP/1.1\r\nHost: test\r\n\r\n",
            b"GET * HTTP/1.1\r\nHost: test\r\n\r\n",
            b"GET /hello HTTP/1.1X\r\nHost: test\r\n\r\n",
            b"GET /hello http/1.1\r\nHost: test\r\n\r\n",
            b"GET /hello HTTP/1,1\r\nHost: test\r\n\r\n",
            b"GET /hello HTTP/11.1\r\nHost: test\r\n\r\n",
            b"GET /hello#fragment HTTP/1.1\r\nHost: test\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        ],
        &[400],
    );
}

#[test]
fn another_major_version_is_named_as_such() {
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/3.0", "HTTP/9.9"] {
        server().refuses(format!("GET /hello {version}\r\nHost: test\r\n\r\n"), &[505]);
    }
}

#[test]
fn connect_is_not_implemented() {
    server().refuses("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", &[501]);
}

#[test]
fn an_absolute_target_that_disagrees_with_host_is_refused() {
    refuse_each(
        [
            b"GET http://other/hello HTTP/1.1\r\nHost: test\r\n\r\n",
            b"GET http://test:81/hello HTTP/1.1\r\nHost: test:82\r\n\r\n",
            b"GET http://user@test/hello HTTP/1.1\r\nHost: test\r\n\r\n",
            b"GET http:///hello HTTP/1.1\r\nHost: test\r\n\r\n",
        ],
        &[400],
    );
}

#[test]
fn an_empty_line_before_a_request_is_skipped() {
    let mut client = server().connect();
    client.send("\r\nGET /hello HTTP/1.1\r\nHost: test\r\n\r\n\r\nGET /hello HTTP/1.1\r\nHost: test\r\n\r\n");
    client.response().expect(200);
    client.response().expect(200);
}

#[test]
fn every_byte_from_0x80_in_a_header_value_is_kept_as_latin_1() {
    for name in
        ["X-A", "Cookie", "User-Agent", "Referer", "Accept", "Sec-WebSocket-Protocol", "Authorization"]
    {
        for byte in 0x80..=0xffu8 {
            let mut request = format!("GET /scope HTTP/1.1\r\nHost: test\r\n{name}: <").into_bytes();
            request.push(byte);
            request.extend(b">\r\nConnection: close\r\n\r\n");
            let answer = server().request(request).expect(200).json();
            let headers = answer["scope"]["headers"].as_array().expect("a list").clone();
            let wanted = serde_json::json!([name.to_ascii_lowercase(), format!("<{}>", char::from(byte))]);
            assert!(headers.contains(&wanted), "{name} {byte:#x}: {headers:?}");
        }
    }
}

#[test]
fn bytes_from_0x80_in_framing_headers_never_crash_the_server() {
    for name in ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Expect"] {
        for byte in [0x80, 0xa0, 0xc3, 0xff] {
            let mut request = format!("GET /hello HTTP/1.1\r\nX-Host: test\r\n{name}: a").into_bytes();
            request.push(byte);
            request.extend(if name == "Host" { &b"\r\n"[..] } else { b"\r\nHost: test\r\n" });
            request.extend(b"Connection: close\r\n\r\n");
            let status = server().request(request).status;
            assert!(matches!(status, 200 | 400 | 417 | 501), "{name} {byte:#x}: {status}");
        }
    }
}

#[test]
fn bytes_from_0x80_in_the_target_are_refused() {
    for byte in 0x80..=0xffu8 {
        for start in ["/scope/", "/scope?", "http://test/"] {
            let request = [b"GET ", start.as_bytes(), &[byte], b" HTTP/1.1\r\nHost: test\r\n\r\n"].concat();
            server().refuses(request, &[400]);
        }
    }
}

#[test]
fn a_later_minor_version_is_served_as_1_1() {
    for minor in 2..=9 {
        let mut client = server().connect();
        for _ in 0..2 {
            client.send(format!("GET /scope HTTP/1.{minor}\r\nHost: test\r\n\r\n"));
            assert_eq!(client.response().expect(200).json()["scope"]["http_version"], "1.1");
        }
    }
    server().refuses("GET /hello HTTP/1.2\r\n\r\n", &[400]);
}

#[test]
fn an_overlong_method_is_refused() {
    server().refuses(format!("{} /hello HTTP/1.1\r\nHost: test\r\n\r\n", "A".repeat(65)), &[400]);
    server().refuses("A".repeat(9000), &[400]);
}

#[test]
fn an_absolute_target_agrees_with_host_by_its_schemes_default_port() {
    for (target, host) in [
        ("https://test/hello", "test:443"),
        ("https://test:443/hello", "test"),
        ("http://test/hello", "test:80"),
        ("http://test:80/hello", "TEST"),
    ] {
        server().accepts(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"), 200);
    }
    for (target, host) in [("https://test/hello", "test:80"), ("http://test/hello", "test:443")] {
        server().refuses(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"), &[400]);
    }
}

#[test]
fn a_head_split_at_any_byte_is_the_same_head() {
    let request = b"GET /echo HTTP/1.1\r\nHost: test\r\nX-A: b\r\nContent-Length: 5\r\n\r\nhello";
    let mut client = server().connect();
    for at in 1..request.len() {
        client.send_split([&request[..at], &request[at..]]);
        assert_eq!(client.response().expect(200).text(), "hello", "split at {at}");
    }
}
