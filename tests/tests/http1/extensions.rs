//! The extensions of ASGI's HTTP scope: trailers, early hints, debug, and the two that send files.

use pounce_tests::{Client, Options, Response, Server};
use std::path::PathBuf;
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("extensions:app")))
}

/// A server that offers the extensions that send files, and a file to send.
fn sending_server() -> (&'static Server, PathBuf) {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let options = Options::app("extensions:app").with("--asgi-extensions", "pathsend,zerocopysend");
        let server = Server::start(options);
        std::fs::write(server.directory().join("file"), content()).expect("the directory is writable");
        server
    });
    (server, server.directory().join("file"))
}

fn content() -> Vec<u8> {
    (0..300_000u32).map(|number| ((number * 7) >> 2) as u8).collect()
}

fn with_trailers(target: &str) -> Response {
    let mut client = server().connect();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\nTE: trailers\r\nConnection: TE\r\n\r\n"));
    let response = client.response().expect(200);
    client.get("/offered").response().expect(200);
    response
}

#[test]
fn trailers_follow_the_last_chunk() {
    let response = with_trailers("/trailers");
    assert_eq!(response.text(), "content");
    let wanted =
        [("x-checksum", "abc"), ("x-second", "def")].map(|(name, value)| (name.into(), value.into()));
    assert_eq!(response.trailers, wanted);
}

#[test]
fn a_client_that_did_not_ask_for_trailers_gets_a_good_response() {
    let mut client = server().connect();
    client.get("/trailers").get("/offered");
    assert_eq!(client.response().expect(200).text(), "content");
    client.response().expect(200);
}

#[test]
fn http_1_0_gets_no_trailers() {
    let response = server().request("GET /trailers HTTP/1.0\r\nTE: trailers\r\n\r\n").expect(200);
    assert_eq!(response.text(), "content");
}

#[test]
fn a_trailer_that_would_split_the_response_raises() {
    for which in ["lf", "crlf", "name", "nul"] {
        let response = with_trailers(&format!("/bad-trailers/{which}"));
        assert_eq!(response.text(), "content|");
        let [(name, report)] = &response.trailers[..] else { panic!("{which}: {:?}", response.trailers) };
        assert!(name == "x-report" && !report.contains("no exception"), "{which}: {report}");
    }
}

#[test]
fn early_hints_come_before_the_response() {
    let mut client = server().connect();
    client.get("/early-hint");
    let first = client.response().expect(103);
    assert_eq!(first.header("link"), Some("</a.css>; rel=preload; as=style"));
    let second = client.response().expect(103);
    let links = second.header_values("link").join(", ");
    assert_eq!(links, "</b.js>; rel=preload, </c.js>; rel=preload");
    assert_eq!(second.header("content-length"), None);
    assert_eq!(client.response().expect(200).text(), "hinted");
}

#[test]
fn http_1_0_gets_no_early_hints() {
    let response = server().request("GET /early-hint HTTP/1.0\r\n\r\n").expect(200);
    assert_eq!(response.text(), "hinted");
}

#[test]
fn a_hint_that_would_split_the_response_raises() {
    for which in ["lf", "crlf", "nul", "str", "int"] {
        let response = server().get(&format!("/bad-early-hint/{which}")).expect(200);
        assert_ne!(response.text(), "no exception", "{which}");
        assert!(response.text().contains("link"), "{which}: {}", response.text());
    }
}

#[test]
fn debug_information_is_taken_and_goes_nowhere() {
    let response = server().get("/debug").expect(200);
    assert_eq!(response.text(), "debugged");
    assert!(!format!("{response:?}").contains("secret.html"));
}

#[test]
fn sending_files_is_offered_only_when_asked_for() {
    let offered = server().get("/offered").expect(200).text();
    assert!(!offered.contains("pathsend") && !offered.contains("zerocopysend"), "{offered}");
    let offered = sending_server().0.get("/offered").expect(200).text();
    for name in ["http.response.pathsend", "http.response.zerocopysend"] {
        assert!(offered.contains(name), "{offered}");
    }
}

#[test]
fn a_path_is_sent_as_the_body() {
    let (server, file) = sending_server();
    for target in ["path-send", "path-send-unannounced"] {
        let mut client = server.connect();
        client.get(&format!("/{target}?path={}", file.display())).get("/offered");
        assert_eq!(client.response().expect(200).body, content(), "{target}");
        client.response().expect(200);
    }
}

#[test]
fn head_of_a_path_has_its_length_and_no_body() {
    let (server, file) = sending_server();
    let mut client = server.connect();
    client.send(format!("HEAD /path-send?path={} HTTP/1.1\r\nHost: test\r\n\r\n", file.display()));
    assert_eq!(client.response_to_head().expect(200).header("content-length"), Some("300000"));
    client.get("/offered").response().expect(200);
}

#[test]
fn a_path_that_is_not_there_raises_or_fails_and_is_never_a_whole_response() {
    let (server, _) = sending_server();
    let mut client = server.connect();
    client.send("GET /path-send-missing HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    let rest = String::from_utf8_lossy(&client.rest()).into_owned();
    let raised = rest.contains("FileNotFoundError") || rest.starts_with("HTTP/1.1 500 ");
    assert!(raised || !rest.ends_with("0\r\n\r\n"), "{rest:?}");
}

#[test]
fn a_file_descriptor_is_sent_between_parts_of_a_body() {
    let (server, file) = sending_server();
    for (range, wanted) in [("", content()), ("/1000/5000", content()[1000..6000].to_vec())] {
        let mut client = server.connect();
        client.get(&format!("/zero-copy-send{range}?path={}", file.display())).get("/offered");
        let body = client.response().expect(200).body;
        assert_eq!(body, [b"[", wanted.as_slice(), b"]"].concat(), "{range:?}");
        client.response().expect(200);
    }
}

#[test]
fn a_slow_reader_gets_the_whole_file() {
    let (server, file) = sending_server();
    let mut client = Client::tcp_with_receive_buffer(server.address(), 8192);
    client.get(&format!("/path-send?path={}", file.display()));
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(client.response().expect(200).body, content());
}
