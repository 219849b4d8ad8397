//! RFC 9113 §5.2 and §6.9: windows, in both directions.

use pounce_tests::h2::client::Next;
use pounce_tests::h2::{Client, Code, Event, Frame, Request, kind, setting};
use pounce_tests::notes::token;
use pounce_tests::{Options, PATIENCE, Server};
use std::sync::OnceLock;
use std::time::Duration;

/// How long a server must stay silent.
const SILENCE: Duration = Duration::from_millis(200);

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

/// The next DATA on `stream`, or none if none comes for a while.
fn next_data(client: &mut Client, stream: u32) -> Option<Vec<u8>> {
    client.listen(SILENCE);
    loop {
        match client.next(Duration::ZERO) {
            Next::Event(Event::Data { stream: other, content, .. }) if other == stream => {
                return Some(content);
            }
            Next::Event(Event::Headers { .. } | Event::WindowUpdate { .. } | Event::PingAck(_)) => {}
            Next::Nothing => return None,
            other => panic!("{other:?} instead of DATA"),
        }
    }
}

/// All the DATA on `stream` that comes until there is silence.
fn all_data(client: &mut Client, stream: u32) -> Vec<u8> {
    std::iter::from_fn(|| next_data(client, stream)).flatten().collect()
}

/// A connection whose stream 1 has a body that the application does not read yet, and the token to open it.
fn unread() -> (Client, String) {
    let token = token();
    let mut client = server().h2();
    client.post(1, &format!("/wait-then-count/{token}"));
    server().wait_note(&token, "waiting");
    // Windows that the server widens at the beginning.
    client.listen(SILENCE);
    (client, token)
}

/// `count` octets of DATA in frames that are not too large.
fn data(stream: u32, mut count: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    while count > 0 {
        let size = count.min(16_384);
        frames.push(Frame::data(stream, vec![b'x'; size]));
        count -= size;
    }
    frames
}

// §6.9
#[test]
fn a_window_update_of_zero_is_a_stream_error() {
    let (mut client, _) = unread();
    client.send(Frame::window_update(1, 0)).stream_error(1, &[Code::PROTOCOL_ERROR]);
}

// §6.9
#[test]
fn a_window_update_of_zero_for_the_connection_is_a_connection_error() {
    server().h2().send(Frame::window_update(0, 0)).connection_error(&[Code::PROTOCOL_ERROR]);
}

// §6.9
#[test]
fn a_window_update_of_a_wrong_size_is_a_connection_error() {
    for size in [0, 3, 5, 8] {
        let frame = Frame::new(kind::WINDOW_UPDATE, 0, 0, vec![1; size]);
        server().h2().send(frame).connection_error(&[Code::FRAME_SIZE_ERROR]);
        let (mut client, _) = unread();
        client.send(Frame::new(kind::WINDOW_UPDATE, 0, 1, vec![1; size]));
        client.connection_error(&[Code::FRAME_SIZE_ERROR]);
    }
}

// §6.9
#[test]
fn the_reserved_bit_of_an_increment_is_ignored() {
    let mut client = server().h2_with(&[(setting::INITIAL_WINDOW_SIZE, 0)]);
    client.gives_back = false;
    client.get(1, "/hello").send(Frame::window_update(1, 0x8000_0005));
    assert_eq!(client.response(1).expect(200).text(), "hello");
}

// §6.9.1
#[test]
fn a_stream_window_that_overflows_is_a_stream_error() {
    let (mut client, _) = unread();
    client.send(Frame::window_update(1, 0x7fff_ffff)).stream_error(1, &[Code::FLOW_CONTROL_ERROR]);
}

// §6.9.1
#[test]
fn a_connection_window_that_overflows_is_a_connection_error() {
    let mut client = server().h2();
    client.send(Frame::window_update(0, 0x7fff_ffff)).connection_error(&[Code::FLOW_CONTROL_ERROR]);
    let mut client = server().h2();
    client.send(Frame::window_update(0, 0x7fff_ffff - 65_535)).lives();
    client.send(Frame::window_update(0, 0x7fff_ffff)).connection_error(&[Code::FLOW_CONTROL_ERROR]);
}

// §6.9.1
#[test]
fn windows_are_kept_to_the_octet() {
    for window in [0, 1, 3] {
        let mut client = server().h2_with(&[(setting::INITIAL_WINDOW_SIZE, window)]);
        client.gives_back = false;
        client.get(1, "/hello");
        // The head is not held back (§5.2.1).
        client.head(1);
        let mut body = all_data(&mut client, 1);
        assert_eq!(body.len(), window as usize);
        client.send(Frame::window_update(1, 1));
        body.extend(all_data(&mut client, 1));
        assert_eq!(body.len(), window as usize + 1);
        client.send(Frame::window_update(1, 100));
        body.extend(all_data(&mut client, 1));
        assert_eq!(body, b"hello");
    }
}

// §6.9.1
#[test]
fn the_window_of_the_connection_is_kept_by_all_streams_together() {
    let mut client = server().h2();
    client.gives_back = false;
    let streams = [1, 3, 5, 7];
    for stream in streams {
        client.get(stream, "/big/30000");
    }
    client.listen(SILENCE);
    let held = |client: &Client| -> usize {
        client
            .waiting()
            .map(|event| if let Event::Data { content, .. } = event { content.len() } else { 0 })
            .sum()
    };
    assert_eq!(held(&client), 65_535, "all of the connection's window, and no more");
    client.send(Frame::window_update(0, 60_000));
    for (stream, ending) in client.endings(&streams) {
        let pounce_tests::h2::exchange::Ending::Whole(response) = ending else {
            panic!("{stream}: {ending:?}")
        };
        assert_eq!(response.body.len(), 30_000);
    }
}

// §6.9.1
#[test]
fn an_empty_body_needs_no_window() {
    let mut client = server().h2_with(&[(setting::INITIAL_WINDOW_SIZE, 0)]);
    client.gives_back = false;
    assert_eq!(client.ask(1, &Request::get("/big/0")).expect(200).body, b"");
    assert_eq!(client.ask(3, &Request::of("HEAD", "/big/1000")).expect(200).body, b"");
    client.ask(5, &Request::get("/status/204")).expect(204);
}

// §6.9.2
#[test]
fn a_new_initial_window_holds_for_open_streams_too() {
    let mut client = server().h2_with(&[(setting::INITIAL_WINDOW_SIZE, 0)]);
    client.gives_back = false;
    client.get(1, "/hello");
    client.head(1);
    assert_eq!(all_data(&mut client, 1), b"");
    client.announce(&[(setting::INITIAL_WINDOW_SIZE, 2)]);
    assert_eq!(all_data(&mut client, 1), b"he");
    client.announce(&[(setting::INITIAL_WINDOW_SIZE, 100)]);
    assert_eq!(all_data(&mut client, 1), b"llo");
}

// §6.9.2
#[test]
fn a_window_may_become_negative() {
    let mut client = server().h2_with(&[(setting::INITIAL_WINDOW_SIZE, 10)]);
    client.gives_back = false;
    client.get(1, "/big/30");
    client.head(1);
    assert_eq!(all_data(&mut client, 1).len(), 10);
    client.announce(&[(setting::INITIAL_WINDOW_SIZE, 4)]); // the window is −6
    client.send(Frame::window_update(1, 6));
    assert_eq!(all_data(&mut client, 1).len(), 0, "the window is zero");
    client.send(Frame::window_update(1, 1));
    assert_eq!(all_data(&mut client, 1).len(), 1);
    client.send(Frame::window_update(1, 100));
    assert_eq!(all_data(&mut client, 1).len(), 19);
}

// §6.9.2
#[test]
fn an_initial_window_that_makes_another_overflow_is_a_connection_error() {
    let (mut client, _) = unread();
    client.send(Frame::window_update(1, 0x7fff_ffff - 65_535));
    client.send(Frame::settings(&[(setting::INITIAL_WINDOW_SIZE, 65_536)]));
    client.connection_error(&[Code::FLOW_CONTROL_ERROR]);
}

// §6.9.2
#[test]
fn the_initial_window_is_not_the_connections() {
    let mut client = server().h2_with(&[(setting::INITIAL_WINDOW_SIZE, 200_000)]);
    client.gives_back = false;
    client.get(1, "/big/100000");
    client.head(1);
    assert_eq!(all_data(&mut client, 1).len(), 65_535);
}

// §5.2.1
#[test]
fn more_than_the_window_of_a_stream_is_an_error() {
    let (mut client, _) = unread();
    let room = usize::try_from(client.room(1)).expect("a window");
    client.send_all(data(1, room)).send(Frame::data(1, *b"x"));
    client.stream_or_connection_error(1, &[Code::FLOW_CONTROL_ERROR]);
}

// §5.2.1
#[test]
fn more_than_the_window_of_the_connection_is_an_error() {
    let (mut client, _) = unread();
    let mut streams = vec![1];
    // As many unread streams as needed to use up the connection's window.
    loop {
        let stream = streams[streams.len() - 1];
        let room = usize::try_from(client.room(stream)).expect("a window");
        client.send_all(data(stream, room));
        client.listen(SILENCE);
        if client.room(0) <= 0 {
            break;
        }
        assert!(streams.len() < 60, "the connection has {} left after 60 streams", client.room(0));
        let token = token();
        client.post(stream + 2, &format!("/wait-then-count/{token}"));
        server().wait_note(&token, "waiting");
        streams.push(stream + 2);
    }
    let last = streams[streams.len() - 1] + 2;
    client.post(last, "/count").send(Frame::data(last, *b"x"));
    client.stream_or_connection_error(last, &[Code::FLOW_CONTROL_ERROR]);
}

// §6.1
#[test]
fn padding_is_counted_and_given_back() {
    let mut client = server().h2();
    client.post(1, "/count");
    // Padding of four times the usual window: it is refilled as it is read.
    for _ in 0..1000 {
        while client.room(1) < 400 {
            let update = client.wait_for("a window", |event| matches!(event, Event::WindowUpdate { .. }));
            assert!([0, 1].contains(&update.stream()));
        }
        client.send(Frame::data(1, [b'x'; 100]).padded(255));
    }
    client.send(Frame::data(1, []).end());
    assert_eq!(client.response(1).expect(200).text(), "100000");
}

/// Fills twenty streams to their windows, each of which ends before its data is read: far more than the window
/// of the connection, and few enough resets for any limit of them.
fn the_connections_window_comes_back(before: impl Fn(u32) -> Frame, behind: impl Fn(u32) -> Option<Frame>) {
    let mut client = server().h2();
    for number in 0..20 {
        let stream = 1 + 2 * number;
        client.send(before(stream));
        let size = client.server_setting(setting::INITIAL_WINDOW_SIZE, 65_535).min(250_000);
        while client.room(0) < i64::from(size) {
            let what = "the connection's window";
            client.wait_for(what, |event| matches!(event, Event::WindowUpdate { stream: 0, .. }));
        }
        client.send_all(data(stream, size as usize).into_iter().chain(behind(stream)));
    }
    client.lives();
}

// §6.9
#[test]
fn discarded_data_refills_the_connections_window() {
    let reset = |stream| Some(Frame::reset(stream, Code::CANCEL));
    the_connections_window_comes_back(|stream| Request::post("/ignore-body").open(stream), reset);
    let token = token();
    let unread = format!("/wait-then-count/{token}");
    the_connections_window_comes_back(|stream| Request::post(&unread).open(stream), reset);
}

// §6.9
#[test]
fn data_on_streams_that_the_server_reset_gives_the_connections_window_back() {
    let malformed = |stream| Request::post("/count").field("connection", "close").open(stream);
    the_connections_window_comes_back(malformed, |_| None);
}

// §6.9
#[test]
fn data_of_a_request_that_is_answered_gives_the_connections_window_back_while_the_application_goes_on() {
    let token = token();
    let path = format!("/answer-and-go-on/{token}");
    the_connections_window_comes_back(|stream| Request::post(&path).open(stream), |_| None);
    server().get(&format!("/open/{token}")).expect(200);
}

// §6.9.2
#[test]
fn a_client_that_takes_back_its_windows_from_what_was_to_be_sent_is_given_up() {
    let server = Server::start(Options::app("raw:app").with("--timeout-write", "1"));
    let mut client = Client::silent_with_receive_buffer(server.address(), 4096).introduced(&[]);
    client.gives_back = false;
    client.send(Frame::window_update(0, 0x7fff_ffff - 65_535));
    // More than the sockets hold; each response is small enough for its application to finish.
    let most = client.server_setting(setting::MAX_CONCURRENT_STREAMS, 100);
    client.send_all((0..most).map(|number| Request::get("/big/60000").whole(1 + 2 * number)));
    std::thread::sleep(SILENCE);
    client.send(Frame::settings(&[(setting::INITIAL_WINDOW_SIZE, 0)]));
    loop {
        match client.next(PATIENCE) {
            Next::Event(_) => {}
            Next::End => break,
            Next::Nothing => panic!("the connection is kept without end"),
        }
    }
}
