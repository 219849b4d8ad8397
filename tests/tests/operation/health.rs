//! Health checks, which a worker answers itself, and the times of responses.

use nix::sys::signal::Signal;
use pounce_tests::modes::Mode;
use pounce_tests::transport::{Ask, Transport};
use pounce_tests::wait::eventually;
use pounce_tests::{Client, Options, Server, in_every_mode, over_every_transport};

fn options() -> Options {
    Options::app("workers:app").with("--health-path", "/healthz").with("--live-path", "/livez")
}

over_every_transport! {
    a_worker_answers_itself,
    a_response_has_its_time,
}

fn a_worker_answers_itself(transport: Transport) {
    let server = Server::start(options().with("--root-path", "/api").over(transport));
    for (path, said) in [("/healthz", "ready"), ("/healthz?a=b", "ready"), ("/livez", "live")] {
        let answer = transport.get(&server, path).expect(200);
        assert_eq!(String::from_utf8_lossy(&answer.body), format!("{said}\n"));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let ask = Ask::get(path).header("accept", "text/html;q=0.5, Application/JSON;q=0.9");
        let answer = transport.ask(&server, &ask).answer().expect(200);
        assert_eq!(String::from_utf8_lossy(&answer.body), format!("{{\"status\":\"{said}\"}}\n"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    // The application answers everything else.
    for path in ["/healthz/", "/health", "/api/healthz"] {
        assert_eq!(transport.get(&server, path).status(), Some(404), "{path}");
    }
    assert_eq!(transport.post(&server, "/healthz", b"x").status(), Some(404));
    server.wait_stdout_line("GET /healthz");
}

#[test]
fn head_has_the_fields_and_connections_are_kept() {
    let server = Server::start(options());
    let mut client = server.connect();
    client.send("HEAD /healthz HTTP/1.1\r\nHost: test\r\n\r\n");
    let head = client.response_to_head();
    assert_eq!((head.status, head.header("content-length")), (200, Some("6")));
    assert_eq!(client.get("/livez").response().expect(200).text(), "live\n");
    assert!(!client.get("/healthz").response().expect(200).says_close());
}

#[test]
fn no_limit_and_no_busy_application_keeps_them_waiting() {
    let server = Server::start(options().with("--limit-concurrency", "1"));
    let mut busy = server.connect();
    busy.get("/sleep/60/file");
    eventually("the limit is reached", || (server.get("/who").status == 503).then_some(()));
    assert_eq!(server.get("/healthz").expect(200).text(), "ready\n");
}

in_every_mode! {
    a_server_that_is_to_stop_serves_on_and_is_not_ready,
}

fn a_server_that_is_to_stop_serves_on_and_is_not_ready(mode: Mode) {
    for count in [1, 2] {
        // The wait decides nothing: a second signal ends it.
        let options = options().with("--drain-delay", "3600");
        let mut server = Server::start(if count == 1 { options } else { options.workers(mode, count) });
        assert_eq!(server.get("/healthz").status, 200);
        let mut kept = server.connect();
        kept.get("/who").response().expect(200);
        server.sigterm();
        server.wait_stderr("Stopping: not ready, serving for 3600s more");
        eventually("the worker knows", || (server.get("/healthz").status == 503).then_some(()));
        let mut client = server.connect();
        client.send("GET /healthz HTTP/1.1\r\nHost: test\r\nAccept: application/json\r\n\r\n");
        assert_eq!(client.response().text(), "{\"status\":\"draining\"}\n");
        assert_eq!(server.get("/livez").expect(200).text(), "live\n");
        assert!(!kept.get("/who").response().expect(200).says_close());
        for _ in 0..20 {
            server.get("/who").expect(200);
        }
        server.sigterm();
        assert_eq!(server.wait_exit().code, Some(0));
    }
}

#[test]
fn after_the_delay_it_drains() {
    for workers in [1, 2] {
        let options = options().with("--drain-delay", "200ms").with("--bind", "unix:s.sock");
        let mut server = Server::start(
            options.with("--bind", "127.0.0.1:0").without_port().workers(Mode::Process, workers),
        );
        let mut running = Client::unix(&server.directory().join("s.sock"));
        running.get("/sleep/0.5/file");
        eventually("it runs", || server.directory().join("file").exists().then_some(()));
        server.sigterm();
        assert!(running.response().expect(200).says_close());
        let exit = server.wait_exit();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
        assert!(exit.stderr.contains("Stopped"), "{}", exit.stderr);
        assert!(!exit.stderr.contains("lost"), "{}", exit.stderr);
    }
}

#[test]
fn a_reload_stays_ready() {
    let server = Server::start(options().with("--drain-delay", "3600").workers(Mode::Process, 2));
    server.signal(Signal::SIGHUP);
    server.wait_stderr("Reloaded");
    for _ in 0..20 {
        assert_eq!(server.get("/healthz").status, 200);
    }
}

#[test]
fn a_path_must_be_one() {
    for path in ["healthz", "/a?b", "/a b", ""] {
        let exit = Server::run(Options::app("workers:app").with("--health-path", path));
        assert_eq!(exit.code, Some(2), "{path}");
        assert!(exit.stderr.contains("health-path: expected a path of URLs"), "{}", exit.stderr);
    }
}

fn a_response_has_its_time(transport: Transport) {
    let server = Server::start(options().flag("--server-timing").over(transport));
    let told = |path: &str| -> Option<f64> {
        let answer = transport.get(&server, path).expect(200);
        answer.header("server-timing")?.strip_prefix("app;dur=")?.parse().ok()
    };
    // The application sleeps for so many milliseconds.
    assert!(told("/who/200").is_some_and(|millis| millis >= 200.0));
    assert!(told("/who/0").is_some());
    // The worker's own answers have none.
    assert_eq!(told("/healthz"), None);
}
