//! Requests over a limit are refused with the same status over every transport.

use pounce_tests::notes::token;
use pounce_tests::transport::Servers;
use pounce_tests::{Ask, Options, Server, Transport, eventually, over_every_transport};
use std::time::Duration;

static SMALL: Servers = Servers::new(|| {
    let options = Options::app("transport:app").with("--limit-request-body", "1000");
    let options = options.with("--limit-request-line", "100").with("--limit-request-fields", "20");
    options.with("--limit-header-size", "2000")
});

over_every_transport! {
    a_body_whose_length_is_over_the_limit_is_refused,
    a_body_that_grows_over_the_limit_is_refused_and_the_application_disconnected,
    a_body_of_the_limit_is_taken,
    a_target_over_the_limit_is_refused,
    more_fields_than_the_limit_are_refused,
    fields_over_the_size_limit_are_refused,
    requests_over_the_limit_get_503_and_retry_after,
    a_refused_request_never_reaches_the_application,
}

fn server(transport: Transport) -> &'static Server {
    SMALL.over(transport)
}

fn a_body_whose_length_is_over_the_limit_is_refused(transport: Transport) {
    let exchange = transport.ask(server(transport), &Ask::post("/echo").length(1001));
    assert_eq!(exchange.answer().status(), Some(413));
    let ask = Ask::post("/echo").length(1001).header("expect", "100-continue");
    let answer = transport.ask(server(transport), &ask).answer();
    assert_eq!((answer.status(), answer.interim.len()), (Some(413), 0));
}

fn a_body_that_grows_over_the_limit_is_refused_and_the_application_disconnected(transport: Transport) {
    let token = token();
    let ask = Ask::post(&format!("/count/{token}")).streamed();
    let pieces = (0..5).map(|_| {
        std::thread::sleep(Duration::from_millis(20));
        vec![b'x'; 400]
    });
    let answer = transport.ask(server(transport), &ask).stream(pieces);
    assert_eq!(answer.status(), Some(413));
    server(transport).wait_note(&token, "disconnect after ");
}

fn a_body_of_the_limit_is_taken(transport: Transport) {
    let body = [b'x'; 1000];
    assert_eq!(transport.post(server(transport), "/echo", &body).expect(200).body, body);
    let ask = Ask::post("/echo").streamed();
    let answer = transport.ask(server(transport), &ask).stream([[b'y'; 500], [b'z'; 500]]).expect(200);
    assert_eq!(answer.body.len(), 1000);
}

fn a_target_over_the_limit_is_refused(transport: Transport) {
    let get = |length: usize| transport.get(server(transport), &format!("/hello?{}", "a".repeat(length)));
    assert_eq!(get(60).status(), Some(200));
    assert_eq!(get(120).status(), Some(414));
}

/// A request with fields of a given size in addition to the usual ones.
fn with_fields(count: usize, size: usize) -> Ask {
    let value = "v".repeat(size);
    (0..count).fold(Ask::get("/hello"), |ask, number| ask.header(&format!("x-{number}"), &value))
}

fn more_fields_than_the_limit_are_refused(transport: Transport) {
    let status = |count| transport.ask(server(transport), &with_fields(count, 1)).answer().status();
    assert_eq!(status(15), Some(200));
    assert_eq!(status(21), Some(431));
}

fn fields_over_the_size_limit_are_refused(transport: Transport) {
    let status = |ask| transport.ask(server(transport), &ask).answer().status();
    assert_eq!(status(with_fields(4, 200)), Some(200));
    assert_eq!(status(with_fields(4, 600)), Some(431));
    assert_eq!(status(with_fields(1, 2100)), Some(431));
}

fn requests_over_the_limit_get_503_and_retry_after(transport: Transport) {
    let server =
        Server::start(Options::app("transport:app").with("--limit-concurrency", "1").over(transport));
    // Each on a connection of its own: the server may read the second request first, and refuse the first.
    let first = eventually("the first request is running", || {
        let first = transport.ask(&server, &Ask::get(&format!("/watch/{}", token())));
        let second = transport.get(&server, "/hello");
        if second.status() != Some(503) {
            first.leave();
            return None;
        }
        let seconds = second.header("retry-after").expect("a Retry-After header").to_owned();
        assert!(seconds.parse::<u32>().is_ok(), "{seconds}");
        Some(first)
    });
    first.leave();
    eventually("its client has gone, and its place is free", || {
        (transport.get(&server, "/hello").status() == Some(200)).then_some(())
    });
}

fn a_refused_request_never_reaches_the_application(transport: Transport) {
    let token = token();
    let path = format!("/note/{token}/ran");
    let long = format!("{path}?{}", "a".repeat(100));
    for (ask, status) in [
        (Ask::post(&path).length(2000), 413),
        (Ask::get(&long), 414),
        (Ask::get(&path).header("x-large", &"v".repeat(2100)), 431),
        (Ask::get(&path).header("expect", "a-miracle"), 417),
    ] {
        assert_eq!(transport.ask(server(transport), &ask).answer().status(), Some(status));
    }
    assert_eq!(server(transport).notes(&token), [""; 0]);
}
