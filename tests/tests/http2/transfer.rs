//! Bodies over HTTP/2, byte-exact through small windows, many streams and slow readers; and the limits.

use pounce_tests::h2::exchange::Ending;
use pounce_tests::h2::{Client, Code, Event, Frame, Request, setting};
use pounce_tests::{Options, Response, Server};
use std::collections::BTreeMap;
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

/// Octets that show whether any of them is lost, doubled or out of place.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 16).to_le_bytes()[0]).collect()
}

#[test]
fn two_mebibytes_go_up_and_down_through_a_small_window() {
    let content = pattern(2 << 20);
    for path in ["/echo", "/echo-stream"] {
        let mut client = server().h2_with(&[(setting::INITIAL_WINDOW_SIZE, 8192)]);
        let response = client.ask_with(1, &Request::post(path), &content).expect(200);
        assert!(response.body == content, "{path}: {} octets came back, or others", response.body.len());
    }
}

#[test]
fn a_body_goes_down_octet_by_octet() {
    let mut client = server().h2_with(&[(setting::INITIAL_WINDOW_SIZE, 1)]);
    client.gives_back = false;
    client.send(Frame::window_update(0, 1 << 30)).get(1, "/big/3000");
    client.head(1);
    let mut body = Vec::new();
    for _ in 0..3000 {
        let event = client
            .wait_for("DATA", |event| matches!(event, Event::Data { content, .. } if !content.is_empty()));
        let Event::Data { content, .. } = event else { unreachable!("it was waited for") };
        assert_eq!(content.len(), 1);
        body.extend(content);
        client.send(Frame::window_update(1, 1));
    }
    assert_eq!(body, [b'x'; 3000]);
    client.gives_back = true;
    client.lives();
}

#[test]
fn a_body_in_many_small_frames_is_whole() {
    let content = pattern(20_000);
    let mut client = server().h2();
    client.post(1, "/echo");
    for piece in content.chunks(64) {
        client.send(Frame::data(1, piece));
    }
    client.send(Frame::data(1, []).end());
    assert!(client.response(1).expect(200).body == content);
}

/// Reads streams and refills their windows in turn, a little at a time.
fn read_slowly(client: &mut Client, streams: &[u32], step: u32) -> BTreeMap<u32, Vec<u8>> {
    let mut bodies: BTreeMap<u32, Vec<u8>> = streams.iter().map(|stream| (*stream, Vec::new())).collect();
    let mut open: Vec<u32> = streams.to_vec();
    while !open.is_empty() {
        let event = client.wait_for("DATA", |event| match event {
            Event::Reset { .. } | Event::GoAway { .. } => panic!("{event:?}"),
            _ => matches!(event, Event::Data { .. }),
        });
        let Event::Data { stream, content, end } = event else { unreachable!("it was waited for") };
        let size = u32::try_from(content.len()).expect("a frame");
        bodies.get_mut(&stream).expect("a stream of these").extend(content);
        if end {
            open.retain(|other| *other != stream);
        }
        if size > 0 {
            client.send(Frame::window_update(0, size));
        }
        // Only occasionally, so that every stream is held back repeatedly.
        let received = bodies[&stream].len();
        if !end && received.is_multiple_of(step as usize) {
            client.send(Frame::window_update(stream, step));
        }
    }
    bodies
}

#[test]
fn a_hundred_streams_with_slow_readers_are_whole() {
    let mut client = server().h2_with(&[(setting::INITIAL_WINDOW_SIZE, 1000)]);
    client.gives_back = false;
    let most = client.server_setting(setting::MAX_CONCURRENT_STREAMS, 100).min(100);
    let streams: Vec<u32> = (0..most).map(|number| 1 + 2 * number).collect();
    let mut expected = BTreeMap::new();
    for stream in &streams {
        let content = pattern(20_000 + *stream as usize * 10);
        client.send(Request::post("/echo").open(*stream));
        client.upload(*stream, &content);
        expected.insert(*stream, content);
    }
    let bodies = read_slowly(&mut client, &streams, 1000);
    for (stream, content) in expected {
        assert!(
            bodies[&stream] == content,
            "stream {stream} has {} octets, or others",
            bodies[&stream].len()
        );
    }
    client.gives_back = true;
    client.lives();
}

#[test]
fn one_slow_reader_does_not_hold_up_the_other_streams() {
    let mut client = server().h2_with(&[(setting::INITIAL_WINDOW_SIZE, 10)]);
    client.gives_back = false;
    client.get(1, "/stream/100/10000");
    client.head(1);
    for number in 1..50 {
        let stream = 1 + 2 * number;
        assert_eq!(client.ask(stream, &Request::get("/hello")).expect(200).text(), "hello");
    }
}

#[test]
fn a_response_that_the_client_gives_up_frees_what_it_held() {
    let mut client = server().h2();
    client.gives_back = false;
    for number in 0..20 {
        let stream = 1 + 2 * number;
        client.get(stream, "/stream/1000/10000");
        client.head(stream);
        client.send(Frame::reset(stream, Code::CANCEL));
        // Data received before counts for the connection.
        client.send(Frame::window_update(0, 65_535));
    }
    client.gives_back = true;
    client.lives();
}

fn small() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let options = Options::app("raw:app").with("--limit-request-body", "1000");
        let options = options.with("--limit-header-size", "2000").with("--limit-request-fields", "20");
        Server::start(options.with("--limit-request-line", "200"))
    })
}

/// The whole answer, perhaps followed by a reset that stops the rest of the request.
fn refused(client: &mut Client, stream: u32, statuses: &[u16]) -> Response {
    match client.ending(stream) {
        Ending::Whole(response) => {
            assert!(statuses.contains(&response.status), "{statuses:?} wanted: {response:?}");
            response
        }
        Ending::Reset(code, response) => panic!("{code:?} instead of {statuses:?} after {response:?}"),
    }
}

#[test]
fn a_body_whose_length_is_over_the_limit_is_refused_before_it_is_sent() {
    let mut client = small().h2();
    client.send(Request::post("/count").field("content-length", "1001").open(1));
    refused(&mut client, 1, &[413]);
    client.lives();
    client.send(Request::post("/count").field("content-length", "1000").open(101));
    client.upload(101, &[b'x'; 1000]);
    assert_eq!(client.response(101).expect(200).text(), "1000");
}

#[test]
fn a_body_without_a_length_that_goes_over_the_limit_is_refused_in_mid_stream() {
    let mut client = small().h2();
    client.post(1, "/count").send(Frame::data(1, vec![b'x'; 600])).send(Frame::data(1, vec![b'x'; 600]));
    refused(&mut client, 1, &[413]);
    client.lives();
}

#[test]
fn a_header_section_over_the_limit_is_refused() {
    let mut client = small().h2();
    client.send(Request::get("/hello").field("x-large", "v".repeat(3000)).whole(1));
    refused(&mut client, 1, &[431]);
    client.lives();
    client.send(Request::get("/hello").field("x-large", "v".repeat(1000)).whole(101));
    client.response(101).expect(200);
}

#[test]
fn more_fields_than_the_limit_are_refused() {
    let mut client = small().h2();
    let request =
        (0..30).fold(Request::get("/hello"), |request, number| request.field(format!("x-{number}"), "v"));
    client.send(request.whole(1));
    refused(&mut client, 1, &[431]);
    client.lives();
}

#[test]
fn a_path_over_the_limit_is_refused() {
    let mut client = small().h2();
    client.get(1, &format!("/{}", "a".repeat(500)));
    refused(&mut client, 1, &[414, 431]);
    client.lives();
}

#[test]
fn the_header_list_is_limited_by_what_is_announced() {
    let client = server().h2();
    let limit = client.server_setting(setting::MAX_HEADER_LIST_SIZE, u32::MAX);
    assert!(limit <= 1 << 20, "the server announces no limit of a header list, or one of {limit}");
}

#[test]
fn requests_over_the_limit_of_concurrency_get_503_and_retry_after() {
    let server = Server::start(Options::app("raw:app").with("--limit-concurrency", "1"));
    let mut client = server.h2();
    let token = pounce_tests::notes::token();
    client.get(1, &format!("/wait/{token}"));
    client.answers_ping();
    let response = client.ask(3, &Request::get("/hello")).expect(503);
    assert!(response.header("retry-after").is_some(), "{response:?}");
}
