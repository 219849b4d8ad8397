//! RFC 9113 §8.1: requests and responses as sequences of frames, their lengths and trailers.

use pounce_tests::h2::exchange::Ending;
use pounce_tests::h2::request::fields;
use pounce_tests::h2::{Client, Code, Event, Frame, Request};
use pounce_tests::notes::token;
use pounce_tests::{Options, Server};
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

/// A request with a length and a body of another: malformed.
fn wrong_length(length: &str, body: &[&[u8]]) {
    let mut client = server().h2();
    client.send(Request::post("/count").field("content-length", length).open(1));
    let last = body.len() - 1;
    for (number, piece) in body.iter().enumerate() {
        let frame = Frame::data(1, *piece);
        client.send(if number == last { frame.end() } else { frame });
    }
    client.malformed(1);
}

// §8.1
#[test]
fn a_request_is_headers_and_data_and_trailers() {
    let mut client = server().h2();
    client.post(1, "/echo").send(Frame::data(1, *b"one")).send(Frame::data(1, *b"two"));
    client.send(Frame::headers(1, fields(&[("x-checksum", "abc")])).end());
    assert_eq!(client.response(1).expect(200).text(), "onetwo");
}

// §8.1
#[test]
fn trailers_may_follow_no_data() {
    let mut client = server().h2();
    client.post(1, "/echo").send(Frame::headers(1, fields(&[("x-checksum", "abc")])).end());
    assert_eq!(client.response(1).expect(200).text(), "");
}

// §8.1
#[test]
fn a_second_head_that_does_not_end_the_request_is_malformed() {
    let mut client = server().h2();
    client.post(1, "/count").send(Frame::headers(1, fields(&[("x-trailer", "v")])));
    client.malformed(1);
}

// §8.1
#[test]
fn trailers_with_pseudo_header_fields_are_malformed() {
    for name in [":method", ":path", ":status", ":unknown"] {
        let mut client = server().h2();
        client.post(1, "/count").send(Frame::data(1, *b"x"));
        client.send(Frame::headers(1, fields(&[("x-trailer", "v"), (name, "GET")])).end());
        client.malformed(1);
    }
}

// §8.1
#[test]
fn trailers_with_fields_that_are_not_valid_are_malformed() {
    for (name, value) in [("X-Upper", "v"), ("x a", "v"), ("x-a", "v\r\nw"), ("connection", "close")] {
        let mut client = server().h2();
        client.post(1, "/count").send(Frame::data(1, *b"x"));
        client.send(Frame::headers(1, fields(&[(name, value)])).end());
        client.malformed(1);
    }
}

// §8.1
#[test]
fn trailers_are_no_headers() {
    let token = token();
    let mut client = server().h2();
    // Nothing in trailers changes how the request is understood.
    client.post(1, &format!("/count/{token}")).send(Frame::data(1, *b"12345"));
    client.send(Frame::headers(1, fields(&[("content-length", "99999"), ("host", "other")])).end());
    match client.ending(1) {
        Ending::Whole(response) => assert_eq!(response.expect(200).text(), "5"),
        Ending::Reset(code, _) => assert_eq!(code, Code::PROTOCOL_ERROR),
    }
    client.lives();
}

// §8.1
#[test]
fn a_response_may_be_whole_before_its_request() {
    let mut client = server().h2();
    client.post(1, "/ignore-body").send(Frame::data(1, *b"some"));
    assert_eq!(client.response(1).expect(200).text(), "not read");
    // The rest of the request is dropped; the server may have asked the client not to send it.
    client.send_all([Frame::data(1, *b"more"), Frame::data(1, *b"and more").end()]);
    client.lives();
    for event in client.waiting().filter(|event| event.stream() == 1) {
        assert_eq!(*event, Event::Reset { stream: 1, code: Code::NO_ERROR });
    }
}

// §8.1
#[test]
fn the_rest_of_a_body_is_read_after_a_complete_response() {
    for path in ["/ignore-body", "/status/413"] {
        let mut client = server().h2();
        client.post(1, path).send(Frame::data(1, *b"some"));
        client.response(1);
        // More than the windows hold: they are refilled.
        client.upload(1, &vec![b'x'; 3_000_000]);
        client.lives();
        assert!(!client.waiting().any(|event| matches!(event, Event::Reset { .. })));
    }
}

// §8.1
#[test]
fn an_endless_body_after_a_complete_response_is_reset_without_an_error() {
    let mut client = server().h2();
    client.post(1, "/ignore-body");
    assert_eq!(client.response(1).expect(200).text(), "not read");
    let piece = vec![b'x'; 16_384];
    let mut sent = 0;
    let code = loop {
        if client.room(1) >= 16_384 {
            client.send(Frame::data(1, &piece[..]));
            sent += piece.len();
            assert!(sent < 64_000_000, "all of it is taken");
            continue;
        }
        let event = client.wait_for("room or a reset", |event| event.stream() <= 1);
        if let Event::Reset { stream: 1, code } = event {
            break code;
        }
    };
    assert_eq!(code, Code::NO_ERROR);
    client.lives();
}

// §8.1
#[test]
fn the_end_of_a_response_waits_for_a_body_that_the_client_is_about_to_send() {
    // Some clients read nothing more, not even WINDOW_UPDATE, once they have the whole response.
    for (path, text) in [("/ignore-body", "not read"), ("/status/204", "")] {
        let mut client = server().h2();
        client.send(Request::post(path).field("content-length", "2000000").open(1));
        client.answers_ping();
        let ended = |event: &Event| {
            matches!(event, Event::Headers { stream: 1, end: true, .. } | Event::Data { stream: 1, .. })
        };
        assert!(!client.waiting().any(ended));
        client.upload(1, &vec![b'x'; 2_000_000]);
        assert_eq!(client.response(1).text(), text);
        client.lives();
    }
    // A client that waits for `100 Continue` or gives no length gets the response at once.
    let post = Request::post("/ignore-body");
    for request in [post.clone().field("content-length", "5").field("expect", "100-continue"), post] {
        let mut client = server().h2();
        client.send(request.open(1));
        assert_eq!(client.response(1).expect(200).text(), "not read");
    }
}

// §8.1.1
#[test]
fn a_body_longer_than_its_length_is_malformed() {
    wrong_length("5", &[b"123456"]);
    wrong_length("5", &[b"123", b"456"]);
    wrong_length("0", &[b"1"]);
}

// §8.1.1
#[test]
fn a_body_shorter_than_its_length_is_malformed() {
    wrong_length("5", &[b"1234"]);
    wrong_length("5", &[b"12", b"34", b""]);
    wrong_length("1", &[b""]);
}

// §8.1.1
#[test]
fn a_request_that_ends_with_its_head_but_has_a_length_is_malformed() {
    let mut client = server().h2();
    client.send(Request::post("/count").field("content-length", "5").whole(1)).malformed(1);
}

// §8.1.1
#[test]
fn trailers_before_all_of_the_length_came_are_malformed() {
    let mut client = server().h2();
    client.send(Request::post("/count").field("content-length", "5").open(1));
    client.send(Frame::data(1, *b"123")).send(Frame::headers(1, fields(&[("x-trailer", "v")])).end());
    client.malformed(1);
}

// §8.1.1
#[test]
fn lengths_that_fit_are_taken() {
    let mut client = server().h2();
    let with_length = |length: &str| Request::post("/echo").field("content-length", length);
    assert_eq!(client.ask_with(1, &with_length("5"), b"hello").expect(200).text(), "hello");
    assert_eq!(client.ask_with(3, &with_length("0"), b"").expect(200).text(), "");
    client.ask(5, &with_length("0")).expect(200);
    client.send(with_length("3").open(7)).send(Frame::data(7, *b"abc"));
    client.send(Frame::headers(7, fields(&[("x-trailer", "v")])).end());
    assert_eq!(client.response(7).expect(200).text(), "abc");
}

// §8.1.1
#[test]
fn a_length_that_is_no_number_is_malformed() {
    for value in ["", "x", "-5", "+5", "5 5", "5,6", "0x5", "99999999999999999999"] {
        let mut client = server().h2();
        client.send(Request::post("/count").field("content-length", value).open(1));
        client.malformed(1);
    }
}

// §8.1.1
#[test]
fn two_lengths_that_disagree_are_malformed() {
    let mut client = server().h2();
    let request = Request::post("/count").field("content-length", "5").field("content-length", "6");
    client.send(request.open(1)).malformed(1);
}

// §8.1.1
#[test]
fn an_application_never_takes_a_malformed_body_for_a_whole_one() {
    let token = token();
    let mut client = server().h2();
    client.send(Request::post(&format!("/watch/{token}")).field("content-length", "10").open(1));
    client.send(Frame::data(1, *b"12345"));
    server().wait_note(&token, "http.request");
    client.send(Frame::data(1, []).end()).malformed(1);
    server().wait_note(&token, "http.disconnect");
    assert_eq!(server().notes(&token), ["began", "http.request", "http.disconnect"]);
}

/// The parts of a response without a body.
fn without_a_body(client: &mut Client, request: &Request, status: u16) -> Option<String> {
    let response = client.ask(1, request).expect(status);
    assert_eq!(response.body, b"", "{request:?}");
    response.header("content-length").map(str::to_owned)
}

// §8.1.1
#[test]
fn head_has_a_length_and_no_body() {
    let length = without_a_body(&mut server().h2(), &Request::of("HEAD", "/big/1000"), 200);
    assert_eq!(length.as_deref(), Some("1000"));
}

// §8.1.1
#[test]
fn statuses_without_a_body_have_none() {
    for status in [204, 304] {
        let request = Request::get(&format!("/bare-status/{status}"));
        without_a_body(&mut server().h2(), &request, status);
    }
}
