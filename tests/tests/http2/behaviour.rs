//! HTTP/2 as applications and clients see it: scopes, bodies, disconnects, trailers, hints, failures. The
//! specification's rules for frames are in the other files.

use pounce_tests::h2::client::{Next, PREFACE};
use pounce_tests::h2::exchange::Ending;
use pounce_tests::h2::{Client, Code, Event, Frame, Request, setting};
use pounce_tests::notes::token;
use pounce_tests::secured::NAME;
use pounce_tests::tls::TlsStream;
use pounce_tests::{Options, PATIENCE, Server, eventually};
use serde_json::json;
use std::net::TcpStream;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

fn faulty() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start_silent(Options::app("faulty:app"), "critical"))
}

fn extensions() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("extensions:app")))
}

fn opened(token: &str) {
    server().get(&format!("/open/{token}")).expect(200);
}

#[test]
fn the_scope_is_that_of_an_http_2_request() {
    let mut client = server().h2();
    let request = Request::of("PUT", "/scope/a%20b?c=d%20e&f").field("x-first", "1").field("cookie", "a=b");
    let response = client.ask(1, &request.field("x-last", "2").field("cookie", "c=d")).expect(200);
    let scope = response.json()["scope"].clone();
    for (key, value) in [
        ("type", json!("http")),
        ("http_version", json!("2")),
        ("method", json!("PUT")),
        ("scheme", json!("http")),
        ("path", json!("/scope/a b")),
        ("raw_path", json!("/scope/a%20b")),
        ("query_string", json!("c=d%20e&f")),
        ("root_path", json!("")),
    ] {
        assert_eq!(scope[key], value, "{key}");
    }
    let headers = scope["headers"].as_array().expect("a list");
    assert_eq!(headers[0], json!(["host", "test"]), "the host comes first");
    let names: Vec<&str> = headers.iter().map(|pair| pair[0].as_str().expect("text")).collect();
    assert!(names.iter().all(|name| !name.starts_with(':')), "{names:?}");
    assert!(headers.contains(&json!(["cookie", "a=b; c=d"])), "{headers:?}");
    let place = |name: &str| names.iter().position(|other| *other == name);
    assert!(place("x-first") < place("x-last"), "{names:?}");
    assert_eq!(response.json()["types"]["raw_path"], "bytes");
    assert_eq!(response.json()["header_types"], json!(["bytes"]));
    assert_eq!(scope["client"][0], "127.0.0.1");
}

#[test]
fn the_extensions_of_a_response_are_offered() {
    let offered =
        extensions().h2().ask(1, &Request::get("/offered").field("te", "trailers")).expect(200).json();
    let offered = offered.as_array().expect("a list");
    for name in ["http.response.trailers", "http.response.early_hint"] {
        assert!(offered.contains(&json!(name)), "{offered:?}");
    }
}

#[test]
fn http_1_still_works() {
    server().get("/hello").expect(200);
    server().h2().lives();
    server().get("/hello").expect(200);
}

#[test]
fn requests_of_one_connection_run_side_by_side() {
    let token = token();
    let mut client = server().h2();
    client.get(1, &format!("/wait/{token}")).get(3, &format!("/wait/{token}"));
    client.ask(5, &Request::get("/hello")).expect(200);
    client.ask(7, &Request::get(&format!("/open/{token}"))).expect(200);
    for stream in [3, 1] {
        assert_eq!(client.response(stream).expect(200).text(), "opened");
    }
}

#[test]
fn a_reset_is_a_disconnect_of_its_stream_alone() {
    let (first, second) = (token(), token());
    let mut client = server().h2();
    client.get(1, &format!("/watch/{first}")).get(3, &format!("/watch/{second}"));
    server().wait_note(&first, "http.request");
    server().wait_note(&second, "http.request");
    client.send(Frame::reset(1, Code::CANCEL));
    server().wait_note(&first, "http.disconnect");
    client.lives();
    assert_eq!(server().notes(&second), ["began", "http.request"]);
    drop(client);
    server().wait_note(&second, "http.disconnect");
}

#[test]
fn a_reset_in_the_middle_of_a_body_is_a_disconnect() {
    let token = token();
    let mut client = server().h2();
    client.post(1, &format!("/watch/{token}")).send(Frame::data(1, *b"12345"));
    server().wait_note(&token, "http.request");
    client.send(Frame::reset(1, Code::CANCEL));
    server().wait_note(&token, "http.disconnect");
    assert_eq!(server().notes(&token), ["began", "http.request", "http.disconnect"]);
    client.lives();
}

#[test]
fn a_reset_makes_send_raise() {
    let token = token();
    let mut client = faulty().h2();
    client.get(1, &format!("/send-to-nobody/{token}"));
    faulty().wait_note(&token, "began");
    client.send(Frame::reset(1, Code::CANCEL));
    faulty().wait_note(&token, "again http.disconnect");
    let error = faulty().wait_note(&token, "error");
    assert!(error.contains("OSError"), "{error}");
    client.ask(3, &Request::get("/unknown")).expect(404);
}

#[test]
fn the_end_of_a_connection_is_a_disconnect_of_all_its_streams() {
    let tokens: Vec<String> = (0..5).map(|_| token()).collect();
    let mut client = server().h2();
    for (number, token) in (0..).zip(&tokens) {
        client.get(1 + 2 * number, &format!("/watch/{token}"));
    }
    for token in &tokens {
        server().wait_note(token, "http.request");
    }
    drop(client);
    for token in &tokens {
        server().wait_note(token, "http.disconnect");
    }
}

#[test]
fn trailers_of_the_application_end_the_response() {
    let mut client = extensions().h2();
    let response = client.ask(1, &Request::get("/trailers").field("te", "trailers")).expect(200);
    assert_eq!(response.text(), "content");
    let trailers: Vec<(&str, &str)> =
        response.trailers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(trailers, [("x-checksum", "abc"), ("x-second", "def")]);
}

#[test]
fn a_client_that_did_not_ask_for_trailers_gets_a_good_response() {
    let response = extensions().h2().ask(1, &Request::get("/trailers")).expect(200);
    assert_eq!(response.text(), "content");
}

#[test]
fn a_trailer_that_would_be_malformed_raises() {
    for which in ["lf", "crlf", "name", "nul"] {
        let mut client = extensions().h2();
        let request = Request::get(&format!("/bad-trailers/{which}")).field("te", "trailers");
        let response = client.ask(1, &request).expect(200);
        let report = response.trailers.iter().find(|(name, _)| name == "x-report");
        let (_, report) = report.unwrap_or_else(|| panic!("{which}: {:?}", response.trailers));
        assert!(!report.contains("no exception"), "{which}: {report}");
        assert_eq!(response.trailers.len(), 1, "{which}: {:?}", response.trailers);
    }
}

#[test]
fn early_hints_come_before_the_response() {
    let mut client = extensions().h2();
    client.get(1, "/early-hint");
    let first = client.head(1).expect(103);
    assert_eq!(first.header_values("link"), ["</a.css>; rel=preload; as=style"]);
    let second = client.head(1).expect(103);
    assert_eq!(second.header_values("link").join(", "), "</b.js>; rel=preload, </c.js>; rel=preload");
    assert_eq!(client.response(1).expect(200).text(), "hinted");
}

#[test]
fn a_client_that_expects_100_continue_gets_it_when_the_application_asks_for_the_body() {
    let token = token();
    let mut client = server().h2();
    let path = format!("/receive-then-answer/{token}");
    client.send(Request::post(&path).field("expect", "100-continue").open(1));
    client.head(1).expect(100);
    assert!(server().notes(&token).contains(&"receives".to_owned()));
    client.send(Frame::data(1, *b"as you wish").end());
    assert_eq!(client.response(1).expect(200).text(), "as you wish");
}

#[test]
fn no_100_continue_is_sent_if_the_application_does_not_ask_for_the_body() {
    let mut client = server().h2();
    client.send(Request::post("/ignore-body").field("expect", "100-continue").open(1));
    assert_eq!(client.head(1).status, 200);
}

#[test]
fn an_application_that_fails_before_its_response_is_a_whole_500() {
    for path in ["/raise-before", "/return-before"] {
        let mut client = faulty().h2();
        let response = client.ask(1, &Request::get(path)).expect(500);
        assert!(!response.text().contains("boom"), "{}", response.text());
        client.send(Request::get("/nothing-here").whole(3));
        client.response(3).expect(404);
    }
}

#[test]
fn an_application_that_fails_in_the_middle_resets_its_stream() {
    let mut client = faulty().h2();
    client.get(1, "/raise-middle");
    match client.ending(1) {
        Ending::Reset(code, Some(response)) => {
            assert_eq!((code, response.text().as_str()), (Code::INTERNAL_ERROR, "part"));
        }
        other => panic!("{other:?}"),
    }
    client.send(Request::get("/nothing-here").whole(3));
    client.response(3).expect(404);
}

#[test]
fn an_application_that_fails_after_its_response_leaves_it_whole() {
    let mut client = faulty().h2();
    assert_eq!(client.ask(1, &Request::get("/raise-after")).expect(200).text(), "whole");
}

#[test]
fn a_body_shorter_than_its_length_resets_its_stream() {
    for path in ["/too-short", "/too-short-in-parts"] {
        let mut client = faulty().h2();
        client.get(1, path);
        match client.ending(1) {
            Ending::Reset(code, _) => assert_eq!(code, Code::INTERNAL_ERROR, "{path}"),
            // Nothing had been sent yet: a complete error response is as honest.
            Ending::Whole(response) => assert_eq!(response.status, 500, "{path}: {response:?}"),
        }
        client.send(Request::get("/nothing-here").whole(3));
        client.response(3).expect(404);
    }
}

#[test]
fn a_body_longer_than_its_length_raises_and_is_never_sent() {
    for path in ["too-long", "too-long-by-parts"] {
        let token = token();
        let mut client = faulty().h2();
        client.get(1, &format!("/{path}/{token}"));
        match client.ending(1) {
            Ending::Reset(code, response) => {
                assert_eq!(code, Code::INTERNAL_ERROR, "{path}");
                assert!(response.is_none_or(|response| response.body.len() <= 5), "{path}");
            }
            Ending::Whole(response) => {
                assert!(response.status == 500 || response.body.len() == 5, "{response:?}")
            }
        }
        let notes = faulty().wait_note(&token, "");
        assert!(!notes.contains("no exception"), "{path}: {notes}");
    }
}

#[test]
fn a_message_that_would_split_a_response_raises() {
    for which in ["header-value-crlf", "header-name-lf", "header-value-nul", "status-99", "header-name-empty"]
    {
        let mut client = faulty().h2();
        let response = client.ask(1, &Request::get(&format!("/bad/{which}"))).expect(200);
        assert!(!response.text().contains("no exception"), "{which}: {}", response.text());
    }
}

#[test]
fn sigterm_lets_streams_in_flight_end_and_takes_no_more() {
    let mut server = Server::start(Options::app("raw:app"));
    let token = token();
    let mut client = server.h2();
    client.get(1, &format!("/sleep/1.5/{token}")).post(3, "/count");
    client.answers_ping();
    server.wait_note(&token, "began");
    server.sigterm();
    let event = client.wait_for("GOAWAY", |event| matches!(event, Event::GoAway { .. }));
    let Event::GoAway { last, code } = event else { unreachable!("it was waited for") };
    assert_eq!(code, Code::NO_ERROR);
    assert!(last >= 3, "{last}");
    // A request that comes too late is refused, or ignored, or answered within a first, larger limit.
    client.get(5, "/hello");
    // The streams go on: their bodies too.
    client.send(Frame::data(3, *b"12345").end());
    assert_eq!(client.response(3).expect(200).text(), "5");
    assert_eq!(client.response(1).expect(200).text(), "slept 1.5");
    let deadline = Instant::now() + PATIENCE;
    while !matches!(client.next(Duration::from_secs(1)), Next::End) {
        assert!(Instant::now() < deadline, "the connection is not closed");
    }
    assert_eq!(server.wait_exit().code, Some(0));
}

#[test]
fn sigterm_closes_idle_connections() {
    let mut server = Server::start(Options::app("raw:app"));
    let mut client = server.h2();
    client.ask(1, &Request::get("/hello")).expect(200);
    let mut unused = server.h2();
    server.sigterm();
    for idle in [&mut client, &mut unused] {
        let event = idle.wait_for("GOAWAY", |event| matches!(event, Event::GoAway { .. }));
        assert!(matches!(event, Event::GoAway { code: Code::NO_ERROR, .. }), "{event:?}");
        idle.is_closed();
    }
    assert_eq!(server.wait_exit().code, Some(0));
}

/// Connects, stops the server, and only then sends the preface and a request; returns whether it is answered.
fn is_answered_while_the_server_stops(tls: bool) -> bool {
    let options = Options::app("raw:app");
    let server = Server::start(if tls { options.tls() } else { options.with("--http", "2") });
    let address = server.address();
    let mut client = if tls {
        let config = server.tls().trust().alpn(&["h2"]).config();
        Client::over(Box::new(TlsStream::connect(address, &config, NAME).expect("a handshake")))
    } else {
        Client::silent(address)
    };
    server.sigterm();
    eventually("new connections are refused", || TcpStream::connect(address).err().map(drop));
    client.send_octets(PREFACE).send(Frame::settings(&[])).get(1, "/hello");
    loop {
        match client.next(PATIENCE) {
            Next::Event(Event::Headers { stream: 1, .. }) => return true,
            Next::Event(_) => {}
            Next::End => return false,
            Next::Nothing => panic!("neither an answer nor the end"),
        }
    }
}

#[test]
fn a_connection_whose_preface_comes_while_the_server_stops_is_answered() {
    for tls in [true, false] {
        // The server waits for a moment, which a busy machine may miss.
        let answered = (0..5).any(|_| is_answered_while_the_server_stops(tls));
        assert!(answered, "closed without an answer, five times; over TLS: {tls}");
    }
}

#[test]
fn an_application_that_never_reads_holds_its_client_back_at_the_window() {
    let token = token();
    let mut client = server().h2();
    client.post(1, &format!("/wait-then-count/{token}"));
    server().wait_note(&token, "waiting");
    client.listen(Duration::from_millis(100));
    let mut sent = 0;
    // Use all that the server grants, for as long as it grants something.
    loop {
        let room = usize::try_from(client.room(1)).unwrap_or(0).min(16_384);
        if room == 0 {
            client.listen(Duration::from_millis(300));
            if client.room(1) <= 0 {
                break;
            }
            continue;
        }
        client.send(Frame::data(1, vec![b'x'; room]));
        sent += room;
        assert!(sent < 4 << 20, "the server takes without end what nobody reads");
    }
    let initial = client.server_setting(setting::INITIAL_WINDOW_SIZE, 65_535) as usize;
    assert!(sent <= initial.max(65_535), "{sent} octets into a window of {initial}");
    // Other streams are not held back.
    client.lives();
    opened(&token);
    // Now it reads, which refills the window.
    client.upload(1, &vec![b'y'; 1 << 20]);
    assert_eq!(client.response(1).expect(200).text(), (sent + (1 << 20)).to_string());
}

#[test]
fn a_stalled_upload_does_not_hold_up_another() {
    let mut client = server().h2();
    let tokens: Vec<String> = (0..5).map(|_| token()).collect();
    for (number, token) in (0..).zip(&tokens) {
        let stream = 1 + 2 * number;
        client.post(stream, &format!("/wait-then-count/{token}"));
        let room = usize::try_from(client.room(stream)).unwrap_or(0).min(16_384);
        client.send(Frame::data(stream, vec![b'x'; room]));
    }
    assert_eq!(
        client.ask_with(21, &Request::post("/echo"), &[b'z'; 100_000]).expect(200).body.len(),
        100_000
    );
    tokens.iter().for_each(|token| opened(token));
}

#[test]
fn an_access_log_names_the_version() {
    let server = Server::start(Options::app("raw:app"));
    server.h2().ask(1, &Request::get("/hello")).expect(200);
    server.wait_stdout_line("HTTP/2");
}

#[test]
fn an_unread_body_does_not_end_the_connection() {
    let mut client = server().h2();
    let ask = |client: &mut Client, stream| {
        client
            .send(Request::post("/ignore-body").open(stream))
            .send(Frame::data(stream, vec![b'x'; 10_000]).end());
        assert_eq!(client.response(stream).expect(200).text(), "not read");
    };
    for number in 0..20 {
        ask(&mut client, 1 + 2 * number);
    }
    client.lives();
}
