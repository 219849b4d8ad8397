//! Metrics: what the server counts is what a client counts.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pounce_tests::metrics::Metrics;
use pounce_tests::modes::Mode;
use pounce_tests::options::apps;
use pounce_tests::transport::Transport;
use pounce_tests::wait::eventually;
use pounce_tests::{Client, Options, Server, in_every_mode};

fn options(app: &str) -> Options {
    Options::app(app).with("--metrics-bind", "127.0.0.1:0")
}

/// Requests that are over, of this method and class of status.
fn requests(metrics: &Metrics, method: &str, status: &str) -> f64 {
    metrics.value("pounce_requests_total", &[("method", method), ("status", status)])
}

fn restarts(metrics: &Metrics, reason: &str) -> f64 {
    metrics.value("pounce_worker_restarts_total", &[("reason", reason)])
}

in_every_mode! {
    the_numbers_are_those_of_the_client_whatever_becomes_of_workers,
    a_blocked_loop_is_seen_while_it_is_blocked,
}

fn the_numbers_are_those_of_the_client_whatever_becomes_of_workers(mode: Mode) {
    let server = Server::start(options("workers:app").workers(mode, 2));
    let mut asked = 0.0;
    let ask = |asked: &mut f64| {
        for _ in 0..10 {
            server.get("/version").expect(200);
            server.get("/nothing").expect(404);
            *asked += 1.0;
        }
        // The response comes before the count.
        eventually("what is over is counted", || {
            let metrics = server.metrics();
            let counted = (requests(&metrics, "GET", "2xx"), requests(&metrics, "GET", "4xx"));
            assert!(counted.0 <= *asked && counted.1 <= *asked, "{asked} asked: {}", metrics.text());
            (counted == (*asked, *asked)).then_some(())
        });
    };
    ask(&mut asked);
    if mode == Mode::Process {
        let children = server.wait_children(2);
        kill(Pid::from_raw(children[0].cast_signed()), Signal::SIGKILL).expect("it runs");
        eventually("another worker serves", || {
            let metrics = server.metrics();
            (restarts(&metrics, "ended") == 1.0 && metrics.value("pounce_workers", &[]) == 2.0).then_some(())
        });
        ask(&mut asked);
    }
    for number in 1..=2 {
        server.signal(Signal::SIGHUP);
        server.wait_stderr_times("Reloaded", number);
        ask(&mut asked);
    }
    let metrics = server.metrics();
    assert_eq!(restarts(&metrics, "reload"), 4.0, "{}", metrics.text());
    assert_eq!(metrics.value("pounce_request_duration_seconds", &[]), 2.0 * asked);
    assert_eq!(metrics.value("pounce_connections_total", &[]), 2.0 * asked);
    eventually("nothing is open", || {
        let metrics = server.metrics();
        let open = metrics.value("pounce_open_connections", &[("protocol", "http/1.1")]);
        (open == 0.0 && metrics.value("pounce_requests_in_flight", &[]) == 0.0).then_some(())
    });
    assert!(metrics.value("pounce_resident_memory_bytes", &[]) > 1e6);
}

fn a_blocked_loop_is_seen_while_it_is_blocked(mode: Mode) {
    for workers in [1, 2] {
        let options = options("workers:app").with("--timeout-worker-healthcheck", "0");
        let server = Server::start(if workers == 1 { options } else { options.workers(mode, workers) });
        let mut client = server.connect();
        client.get("/block/2/file");
        eventually("it is stuck now", || {
            let metrics = server.metrics();
            (metrics.value("pounce_event_loop_stuck_seconds", &[]) > 0.3).then_some(())
        });
        client.response().expect(200);
        eventually("it was blocked", || {
            let metrics = server.metrics();
            let is_over = metrics.value("pounce_event_loop_stuck_seconds", &[]) == 0.0;
            (is_over && metrics.value("pounce_event_loop_blocked_seconds_total", &[]) > 1.0).then_some(())
        });
        assert!(server.metrics().value("pounce_event_loop_lag_seconds", &[]) >= 1.0);
    }
}

#[test]
fn a_worker_that_is_spent_or_stuck_is_counted_as_that() {
    let server =
        Server::start(options("workers:app").workers(Mode::Process, 2).with("--limit-max-requests", "20"));
    for _ in 0..60 {
        server.get("/version").expect(200);
    }
    eventually("a worker is spent", || (restarts(&server.metrics(), "spent") >= 1.0).then_some(()));
    assert_eq!(restarts(&server.metrics(), "ended"), 0.0);

    let stuck = options("workers:app").workers(Mode::Process, 2).with("--timeout-worker-healthcheck", "1");
    let server = Server::start(stuck);
    server.connect().get("/block/60/file");
    eventually("a worker is stuck", || (restarts(&server.metrics(), "stuck") == 1.0).then_some(()));
    assert_eq!(restarts(&server.metrics(), "ended"), 0.0);
}

#[test]
fn requests_in_flight_and_clients_that_leave_are_counted() {
    let server = Server::start(options("workers:app"));
    let mut client = server.connect();
    client.get("/sleep/60/file");
    eventually("it is in flight", || {
        let metrics = server.metrics();
        let open = metrics.value("pounce_open_connections", &[("protocol", "http/1.1")]);
        (metrics.value("pounce_requests_in_flight", &[]) == 1.0 && open == 1.0).then_some(())
    });
    client.abort();
    eventually("its client has left", || (requests(&server.metrics(), "GET", "499") == 1.0).then_some(()));
    assert_eq!(server.metrics().value("pounce_requests_in_flight", &[]), 0.0);
}

#[test]
fn websockets_and_their_messages_are_counted() {
    for transport in [Transport::TlsHttp1, Transport::ClearHttp2] {
        let server = Server::start(options("websocket:app").over(transport));
        let mut socket = transport.connect(&server, "/echo");
        for text in ["one", "two", "three"] {
            socket.send_text(text).expect_text(text);
        }
        let metrics = server.metrics();
        let number = |name: &str, labels: &[(&str, &str)]| metrics.value(name, labels);
        assert_eq!(number("pounce_websockets_total", &[]), 1.0);
        assert_eq!(number("pounce_open_websockets", &[]), 1.0);
        let protocol = if transport.is_http2() { "http/2" } else { "websocket" };
        assert_eq!(number("pounce_open_connections", &[("protocol", protocol)]), 1.0, "{}", metrics.text());
        for direction in ["received", "sent"] {
            assert_eq!(number("pounce_websocket_messages_total", &[("direction", direction)]), 3.0);
        }
        let complete = if transport.is_tls() { 1.0 } else { 0.0 };
        assert_eq!(number("pounce_tls_handshakes_total", &[("result", "complete")]), complete);
        // A WebSocket lasts as long as its users like.
        socket.close(1000, "");
        let (method, status) = if transport.is_http2() { ("CONNECT", "2xx") } else { ("GET", "1xx") };
        eventually("it is over", || {
            let metrics = server.metrics();
            let is_over = requests(&metrics, method, status) == 1.0;
            (is_over && metrics.value("pounce_open_websockets", &[]) == 0.0).then_some(())
        });
        assert_eq!(server.metrics().value("pounce_request_duration_seconds", &[]), 0.0);
    }
}

#[test]
fn what_the_server_refuses_is_counted_by_reason() {
    let options = options("raw:app").with("--limit-request-body", "10").with("--limit-connections", "2");
    let server = Server::start(options.with("--timeout-header", "0.3"));
    let malformed = "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    server.request(malformed).expect(400);
    server.post("/echo", &[b'x'; 11]).expect(413);
    let mut slow = server.connect();
    slow.send("GET / HT");
    slow.response().expect(408);
    drop(slow);
    eventually("no connection is open", || {
        let open = server.metrics().value("pounce_open_connections", &[("protocol", "http/1.1")]);
        (open == 0.0).then_some(())
    });
    let mut held: Vec<Client> = (0..2).map(|_| server.connect()).collect();
    for client in &mut held {
        client.get("/hello").response().expect(200);
    }
    server.get("/hello").expect(503);
    let reasons = ["malformed", "too_large", "timeout", "connections"];
    let metrics = server.metrics();
    for reason in reasons {
        let refused = metrics.value("pounce_refused_total", &[("reason", reason)]);
        assert_eq!(refused, 1.0, "{reason}: {}", metrics.text());
    }
}

#[test]
fn a_worker_answers_at_a_path_for_all() {
    let options =
        Options::app("workers:app").workers(Mode::Process, 2).with("--metrics-path", "/internal/metrics");
    let server = Server::start(options);
    for _ in 0..20 {
        server.get("/version").expect(200);
    }
    eventually("each worker knows of all requests", || {
        let metrics = Metrics::parse(&server.get("/internal/metrics").expect(200).text());
        // The scrapes are requests, too.
        (requests(&metrics, "GET", "2xx") >= 20.0).then_some(())
    });
    assert_eq!(server.get("/metrics").status, 404);
    assert!(!server.stderr().contains("Metrics at"), "{}", server.stderr());
}

#[test]
fn scrapers_choose_the_format_and_other_paths_are_explained() {
    let server = Server::start(options("raw:app"));
    let plain = server.scrape("text/plain;version=0.0.4");
    assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let open = server.scrape("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5");
    assert_eq!(
        open.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(open.text().ends_with("# EOF\n"));
    let mut client = Client::tcp(server.metrics_address());
    assert_eq!(client.get("/").response().expect(404).text(), "The metrics are at /metrics\n");
}

#[test]
fn the_address_of_metrics_may_be_a_unix_socket_and_is_checked() {
    let mut server = Server::start(Options::app("raw:app").with("--metrics-bind", "unix:metrics.sock"));
    let path = server.directory().join("metrics.sock");
    let mut client = Client::unix(&path);
    assert!(client.get("/metrics").response().expect(200).text().contains("pounce_workers 1"));
    server.sigterm();
    assert_eq!(server.wait_exit().code, Some(0));
    assert!(!path.exists(), "the file of the socket is left");

    let exit = Server::run(Options::app("raw:app").with("--metrics-bind", "nonsense"));
    assert_eq!(exit.code, Some(2), "{}", exit.stderr);
    assert!(exit.stderr.contains("metrics-bind: expected HOST:PORT"), "{}", exit.stderr);
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = held.local_addr().expect("bound").to_string();
    let exit = Server::run(Options::app("raw:app").with("--metrics-bind", &address));
    assert_eq!(exit.code, Some(4), "{}", exit.stderr);
    assert!(exit.stderr.contains(&address), "{}", exit.stderr);
}

#[test]
fn every_metric_of_the_dashboard_exists() {
    let folder = apps().join("../../docs/deploy/grafana-dashboard.json");
    let text = std::fs::read_to_string(&folder).expect("the dashboard is there");
    let dashboard: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let server = Server::start(options("raw:app"));
    server.get("/hello").expect(200);
    eventually("the request is counted", || (requests(&server.metrics(), "GET", "2xx") == 1.0).then_some(()));
    let metrics = server.metrics();
    let mut expressions = Vec::new();
    collect(&dashboard, &mut expressions);
    assert!(expressions.len() >= 10, "{expressions:?}");
    for expression in expressions {
        let names = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for name in names.filter(|name| name.starts_with("pounce_") || name.starts_with("process_")) {
            assert!(metrics.has(name), "the dashboard names {name}: {}", metrics.text());
        }
    }
}

/// The expressions of all panels.
fn collect(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            found.extend(map.get("expr").and_then(|expr| expr.as_str()).map(str::to_owned));
            map.values().for_each(|value| collect(value, found));
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}
