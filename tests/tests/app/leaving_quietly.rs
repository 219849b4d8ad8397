//! Clients that leave in the middle of a response or of a WebSocket: the application's reaction is no error, the
//! access log has one 499, and nothing is left behind. Skipped if a framework is missing.

use pounce_tests::notes::token;
use pounce_tests::python::has;
use pounce_tests::{Ask, Client, Exchange, Options, Server, Transport, eventually};

/// How a client leaves.
#[derive(Debug, Clone, Copy)]
enum Leaving {
    /// FIN, over HTTP/1.1.
    Fin,
    /// RST, over HTTP/1.1.
    Reset,
    /// RST_STREAM, over an HTTP/2 connection that stays open.
    StreamReset,
    /// The HTTP/2 connection is lost.
    ConnectionLost,
}

const EVERY_WAY: [Leaving; 4] = [Leaving::Fin, Leaving::Reset, Leaving::StreamReset, Leaving::ConnectionLost];

impl Leaving {
    /// Requests `path`, waits for the first data of the stream, and leaves.
    fn in_the_middle_of(self, server: &Server, path: &str) {
        match self {
            Self::Fin => {
                let mut client = server.connect();
                client.get(path).head().expect(200);
                assert!(client.has_more(), "{path} has no body");
                client.finish_sending();
            }
            Self::Reset => begun(Transport::ClearHttp1, server, path).vanish(),
            Self::ConnectionLost => begun(Transport::ClearHttp2, server, path).vanish(),
            Self::StreamReset => begun(Transport::ClearHttp2, server, path).leave(),
        }
    }
}

fn begun(transport: Transport, server: &Server, path: &str) -> Exchange {
    let mut exchange = transport.ask(server, &Ask::get(path));
    assert_eq!(exchange.head().status, 200);
    assert!(exchange.piece().is_some(), "{path} has no body");
    exchange
}

fn start(app: &str) -> Server {
    Server::start(Options::app(app).with("--access-log-format", "%(U)s?%(q)s %(s)s"))
}

/// Leaves streams at `paths` in every way.
fn leaves(server: &Server, paths: &[&str]) {
    leaves_with(server, paths, |_| &["499"]);
}

/// The same if the access log may have one of several statuses.
fn leaves_with(server: &Server, paths: &[&str], statuses: fn(Leaving) -> &'static [&'static str]) {
    let before = server.stderr();
    let mut faults = Vec::new();
    for path in paths {
        for leaving in EVERY_WAY {
            let target = format!("{path}?{leaving:?}");
            leaving.in_the_middle_of(server, &target);
            server.wait_stdout_line(&target);
            nothing_is_live(server, &target);
            // All other log lines about it have come by now.
            let stdout = String::from_utf8(server.stdout()).expect("UTF-8");
            let lines: Vec<_> = stdout.lines().filter(|line| line.starts_with(&target)).collect();
            let right = lines.len() == 1 && statuses(leaving).iter().any(|status| lines[0].ends_with(status));
            if !right {
                faults.push(lines.join(" and "));
            }
        }
    }
    let said = server.stderr();
    assert!(faults.is_empty(), "logged as {faults:#?}");
    assert_eq!(said, before, "something was said of clients that left");
}

/// Every stream of the application has ended.
fn nothing_is_live(server: &Server, what: &str) {
    eventually(&format!("the application is done with {what}"), || {
        (server.get("/live").expect(200).json()["live"] == 0).then_some(())
    });
}

fn leaves_framework(app: &str, modules: &[&str]) {
    if modules.iter().all(|module| has(module)) {
        leaves(&start(app), &["/endless", "/idle"]);
    }
}

#[test]
fn streams_of_starlette_end_quietly() {
    leaves_framework("leaving.with_starlette:app", &["starlette"]);
}

#[test]
fn streams_of_fastapi_end_quietly() {
    leaves_framework("leaving.with_fastapi:app", &["fastapi"]);
}

#[test]
fn streams_of_sse_starlette_end_quietly() {
    leaves_framework("leaving.with_sse_starlette:app", &["sse_starlette"]);
}

#[test]
fn streams_of_django_end_quietly() {
    leaves_framework("leaving.with_django:app", &["django"]);
}

#[test]
fn streams_of_litestar_end_quietly() {
    leaves_framework("leaving.with_litestar:app", &["litestar"]);
}

#[test]
fn streams_of_quart_end_quietly() {
    leaves_framework("leaving.with_quart:app", &["quart"]);
}

#[test]
fn an_application_may_raise_what_send_raised() {
    leaves(&start("leaving.raw:app"), &["/raises/endless", "/raises/idle"]);
}

#[test]
fn an_application_may_raise_what_send_raised_in_a_group() {
    let paths = ["/grouped/endless", "/grouped/idle", "/nested/endless", "/nested/idle"];
    leaves(&start("leaving.raw:app"), &paths);
}

#[test]
fn an_application_may_return_early() {
    let paths =
        ["/returns/endless", "/returns/idle", "/returns-when-told/endless", "/returns-when-told/idle"];
    leaves(&start("leaving.raw:app"), &paths);
}

#[test]
fn an_application_may_complete_a_response_after_its_client_has_left() {
    // For a client that has only closed its sending side, the response may well be complete.
    leaves_with(&start("leaving.raw:app"), &["/completes/idle"], |leaving| match leaving {
        Leaving::Fin => &["200", "499"],
        Leaving::Reset | Leaving::StreamReset | Leaving::ConnectionLost => &["499"],
    });
}

/// Over a transport, a client leaves before the response has begun.
fn leaves_before(transport: Transport, server: &Server, path: &str, began: impl FnOnce()) {
    let exchange = transport.ask(server, &Ask::get(path));
    began();
    exchange.leave();
}

#[test]
fn only_a_piece_that_more_is_to_follow_raises() {
    let server = start("leaving.raw:app");
    let before = server.stderr();
    for transport in [Transport::ClearHttp1, Transport::ClearHttp2] {
        let token = token();
        leaves_before(transport, &server, &format!("/each-message/{token}"), || {
            server.wait_note(&token, "began");
        });
        server.wait_note(&token, "over");
        let notes = server.notes(&token);
        assert_eq!(notes[1], "start was taken", "{transport:?}: {notes:?}");
        assert!(notes[2].starts_with("piece raised "), "{transport:?}: {notes:?}");
        assert_eq!(notes[3], "end was taken", "{transport:?}: {notes:?}");
    }
    assert_eq!(server.stderr(), before);
}

#[test]
fn background_tasks_run_after_a_response_whose_client_has_left() {
    for (module, app) in
        [("starlette", "leaving.with_starlette:app"), ("fastapi", "leaving.with_fastapi:app")]
    {
        if !has(module) {
            continue;
        }
        let server = start(app);
        let before = server.stderr();
        for transport in [Transport::ClearHttp1, Transport::ClearHttp2] {
            let token = token();
            let wait = |wanted: &str| {
                let wanted = format!("\"{token} {wanted}\"");
                eventually(&format!("{module} says {wanted}"), || {
                    server.get("/done").text().contains(&wanted).then_some(())
                });
            };
            leaves_before(transport, &server, &format!("/background/{token}"), || wait("began"));
            wait("done");
        }
        assert_eq!(server.stderr(), before);
    }
}

#[test]
fn errors_unrelated_to_the_client_are_logged() {
    let server = start("leaving.raw:app");
    for leaving in EVERY_WAY {
        for way in ["unrelated", "unrelated-os-error", "among-others"] {
            let token = token();
            leaving.in_the_middle_of(&server, &format!("/{way}/{token}"));
            server.wait_stderr(&format!("Error: {token} "));
        }
    }
}

/// Leaves WebSockets at `paths`, over HTTP/1.1 and HTTP/2, by an end without a close frame and by a reset.
fn leaves_sockets(server: &Server, paths: &[&str]) {
    let before = server.stderr();
    for path in paths {
        for transport in [Transport::ClearHttp1, Transport::ClearHttp2] {
            for aborts in [false, true] {
                let mut socket = transport.connect(server, path);
                if path.ends_with("listening") {
                    socket.send_text("answered").expect_text("answered");
                } else {
                    socket.text();
                }
                if aborts {
                    socket.abort();
                } else {
                    socket.finish_sending();
                    drop(socket);
                }
                nothing_is_live(server, &format!("{path} over {transport:?}, aborted: {aborts}"));
            }
        }
    }
    server.get("/live").expect(200);
    assert_eq!(server.stderr(), before, "something was said of clients that left");
}

#[test]
fn websockets_of_raw_applications_end_quietly() {
    let paths = [
        "/raises/endless",
        "/raises/idle",
        "/grouped/endless",
        "/nested/idle",
        "/returns/endless",
        "/returns-when-told/idle",
    ];
    leaves_sockets(&start("leaving.raw:app"), &paths);
}

#[test]
fn websockets_of_starlette_end_quietly() {
    if has("starlette") {
        leaves_sockets(&start("leaving.with_starlette:app"), &["/endless", "/listening"]);
    }
}

/// Requests of clients that then close their sending side, while the applications wait for `/open/TOKEN`: the response
/// has not begun, has begun, or the application has not read the body.
fn half_closed(server: &Server, token: &str) -> Vec<Client> {
    let requests = [
        format!("GET /wait/{token} HTTP/1.1\r\nHost: test\r\n\r\n"),
        format!("GET /begin-then-wait/{token} HTTP/1.1\r\nHost: test\r\n\r\n"),
        format!("POST /wait-then-count/{token} HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello"),
        format!("POST /wait-then-count/{token} HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhell"),
    ];
    let clients = requests.iter().map(|request| {
        let mut client = server.connect();
        client.send(request).finish_sending();
        client
    });
    clients.collect()
}

fn over_http_1_1(test: impl Fn(Options)) {
    test(Options::app("raw:app"));
    test(Options::app("raw:app").tls());
}

#[test]
fn a_client_that_sends_nothing_more_keeps_no_descriptor_for_longer_than_it_may_leave_a_response_unread() {
    over_http_1_1(|options| {
        let server = Server::start(options.with("--timeout-write", "1"));
        let before = server.stderr();
        server.get("/hello").expect(200);
        let descriptors = server.fd_count();
        let token = token();
        let clients: Vec<_> = (0..10).flat_map(|_| half_closed(&server, &token)).collect();
        eventually("all of them wait", || (server.notes(&token).len() == 40).then_some(()));
        server.wait_fd_count(descriptors);
        // Their applications still run, and sending is then no error.
        server.get(&format!("/open/{token}")).expect(200);
        server.get("/hello").expect(200);
        assert_eq!(server.stderr(), before);
        drop(clients);
    });
}

#[test]
fn a_client_that_sends_nothing_more_is_answered() {
    over_http_1_1(|options| {
        let server = Server::start(options);
        let token = token();
        let mut clients = half_closed(&server, &token);
        eventually("all of them wait", || (server.notes(&token).len() == 4).then_some(()));
        server.get(&format!("/open/{token}")).expect(200);
        for (client, answer) in clients.iter_mut().zip(["opened", "begun and done", "5"]) {
            assert_eq!(client.response().expect(200).text(), answer);
            client.expect_closed();
        }
    });
}

#[test]
fn a_stream_goes_on_for_a_client_that_sends_nothing_more_but_reads() {
    over_http_1_1(|options| {
        let server = Server::start(options.with("--timeout-write", "1"));
        let mut client = server.connect();
        client.get("/paced/12/0.2").finish_sending();
        assert_eq!(client.response().expect(200).text(), "x".repeat(12));
        client.expect_closed();
    });
}
