//! `--otel-endpoint`: a span of each request, for an OpenTelemetry collector.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use pounce_tests::modes::Mode;
use pounce_tests::transport::{Ask, Transport};
use pounce_tests::{Options, Server, eventually, in_every_mode, over_every_transport};
use prost::Message as _;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A collector that keeps what it gets.
struct Collector {
    address: SocketAddr,
    got: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
}

impl Collector {
    fn start(status: &'static str, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let got = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&got);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || while serve(&stream, status, delay, &kept).is_some() {});
            }
        });
        Self { address, got }
    }

    fn spans(&self) -> Vec<Span> {
        let got = self.got.lock().expect("no panic");
        let resources = got.iter().flat_map(|request| &request.resource_spans);
        resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| scope.spans.clone()).collect()
    }

    fn wait_spans(&self, count: usize) -> Vec<Span> {
        eventually(&format!("{count} spans"), || Some(self.spans()).filter(|spans| spans.len() >= count))
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Answers one request of a connection.
fn serve(
    mut stream: &TcpStream,
    status: &str,
    delay: Duration,
    kept: &Mutex<Vec<ExportTraceServiceRequest>>,
) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        if line == "\r\n" {
            break;
        }
        head.push(line.trim().to_lowercase());
    }
    assert_eq!(head[0], "post /v1/traces http/1.1");
    assert!(head.contains(&"content-type: application/x-protobuf".to_owned()), "{head:?}");
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.expect("a length")];
    reader.read_exact(&mut body).ok()?;
    std::thread::sleep(delay);
    kept.lock().ok()?.push(ExportTraceServiceRequest::decode(&body[..]).expect("it is OTLP"));
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").ok()
}

/// Whether the program has traces; if not, prints that the test is skipped.
fn has_traces() -> bool {
    let exit = Server::run(Options::app("raw:nothing").with("--otel-endpoint", "http://127.0.0.1:9"));
    let has = !exit.stderr.contains("built without OpenTelemetry");
    if !has {
        assert_eq!(exit.code, Some(2), "{}", exit.stderr);
        eprintln!("skipped: built without OpenTelemetry");
    }
    has
}

fn attributes(of: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let value = |pair: &KeyValue| pair.value.as_ref().and_then(|value| value.value.as_ref()).map(text);
    of.iter().filter_map(|pair| Some((pair.key.clone(), value(pair)?))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

over_every_transport! {
    a_request_has_a_span_in_the_trace_of_its_client,
    a_method_that_a_client_makes_up_names_no_span,
}

fn a_method_that_a_client_makes_up_names_no_span(transport: Transport) {
    if !has_traces() {
        return;
    }
    let collector = Collector::start("200 OK", Duration::ZERO);
    let options = Options::app("transport:app").with("--otel-endpoint", collector.endpoint());
    let server = Server::start(options.over(transport));
    transport.ask(&server, &Ask::new("MADEUP", "/scope")).answer().expect(200);
    let span = collector.wait_spans(1).remove(0);
    let told = attributes(&span.attributes);
    assert_eq!(span.name, "HTTP");
    assert_eq!(told["http.request.method"], "_OTHER");
    assert_eq!(told["http.request.method_original"], "MADEUP");
}

fn a_request_has_a_span_in_the_trace_of_its_client(transport: Transport) {
    if !has_traces() {
        return;
    }
    let collector = Collector::start("200 OK", Duration::ZERO);
    let options = Options::app("transport:app").with("--otel-endpoint", collector.endpoint());
    let server = Server::start(options.env("OTEL_SERVICE_NAME", "shop").over(transport));
    let ask = Ask::get("/scope?secret=1").header("traceparent", PARENT).header("tracestate", "a=b");
    let answer = transport.ask(&server, &ask).answer().expect(200);
    let span = collector.wait_spans(1).remove(0);
    assert_eq!((span.name.as_str(), span.kind), ("GET", 2));
    assert_eq!(hex(&span.trace_id), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(hex(&span.parent_span_id), "b7ad6b7169203331");
    assert!(
        span.end_time_unix_nano >= span.start_time_unix_nano
            && span.start_time_unix_nano > 1_700_000_000_000_000_000
    );
    let told = attributes(&span.attributes);
    let version = if transport.is_http2() { "2" } else { "1.1" };
    for (name, value) in [
        ("http.request.method", "GET"),
        ("url.path", "/scope"),
        ("url.scheme", transport.scheme()),
        ("http.response.status_code", "200"),
        ("network.protocol.version", version),
    ] {
        assert_eq!(told.get(name).map(String::as_str), Some(value), "{name}: {told:?}");
    }
    assert!(told["client.address"].starts_with("127.0.0.1"), "{told:?}");
    // The application's own spans are children of the server's.
    let handed_on = format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", hex(&span.span_id));
    assert!(answer.text().contains(&handed_on), "{handed_on} is not in {}", answer.text());
    assert!(answer.text().contains("a=b"), "{}", answer.text());
    let got = collector.got.lock().expect("no panic");
    let resource = got[0].resource_spans[0].resource.clone().expect("a resource");
    assert_eq!(attributes(&resource.attributes)["service.name"], "shop");
}

in_every_mode! {
    every_worker_sends_its_spans_to_the_last_one,
}

fn every_worker_sends_its_spans_to_the_last_one(mode: Mode) {
    if !has_traces() {
        return;
    }
    let collector = Collector::start("200 OK", Duration::ZERO);
    let options = Options::app("workers:app").workers(mode, 2).with("--otel-endpoint", collector.endpoint());
    let mut server = Server::start(options);
    for _ in 0..50 {
        server.get("/version").expect(200);
    }
    server.get("/nothing").expect(404);
    server.sigterm();
    assert_eq!(server.wait_exit().code, Some(0));
    let spans = collector.wait_spans(51);
    assert_eq!(spans.len(), 51);
    let traces: std::collections::BTreeSet<_> = spans.iter().map(|span| span.trace_id.clone()).collect();
    assert_eq!(traces.len(), 51, "each request without a trace begins one");
    let got = collector.got.lock().expect("no panic");
    let resource = got[0].resource_spans[0].resource.clone().expect("a resource");
    assert_eq!(
        attributes(&resource.attributes)["service.name"],
        "workers",
        "the module without another name"
    );
}

#[test]
fn failures_are_errors_and_what_nobody_records_is_not_sent() {
    if !has_traces() {
        return;
    }
    let collector = Collector::start("200 OK", Duration::ZERO);
    let server = Server::start(Options::app("faulty:app").with("--otel-endpoint", collector.endpoint()));
    let unrecorded = PARENT.replace("-01", "-00");
    server.request(format!(
        "GET /a HTTP/1.1\r\nHost: a\r\nTraceparent: {unrecorded}\r\nConnection: close\r\n\r\n"
    ));
    server.get("/raise-before/x").expect(500);
    let spans = collector.wait_spans(1);
    assert_eq!(spans.len(), 1);
    let status = spans[0].status.clone().expect("a status");
    assert_eq!((status.code, attributes(&spans[0].attributes)["error.type"].as_str()), (2, "500"));
}

#[test]
fn of_new_traces_a_share_is_recorded() {
    if !has_traces() {
        return;
    }
    let collector = Collector::start("200 OK", Duration::ZERO);
    let options = Options::app("transport:app").with("--otel-endpoint", collector.endpoint());
    let mut server = Server::start(options.with("--otel-sample", "1000000"));
    // The application is told not to record either. One of them may be recorded, but not all.
    let unrecorded = (0..20).filter(|_| server.get("/scope").expect(200).text().contains("-00\"")).count();
    assert!(unrecorded > 10, "{unrecorded}");
    let known =
        format!("GET /scope HTTP/1.1\r\nHost: a\r\nTraceparent: {PARENT}\r\nConnection: close\r\n\r\n");
    server.request(known);
    server.sigterm();
    assert_eq!(server.wait_exit().code, Some(0));
    let spans = collector.wait_spans(1);
    assert!(spans.iter().any(|span| hex(&span.trace_id) == "0af7651916cd43dd8448eb211c80319c"));
    assert_eq!(spans.len(), 21 - unrecorded);
}

#[test]
fn a_slow_collector_costs_spans_and_no_request() {
    if !has_traces() {
        return;
    }
    let collector = Collector::start("200 OK", Duration::from_secs(3600));
    let options = Options::app("raw:app").with("--otel-endpoint", collector.endpoint());
    let mut server = Server::start(options.with("--metrics-bind", "127.0.0.1:0").flag("--no-access-log"));
    let mut client = server.connect();
    let mut ask = |count: usize| {
        for _ in 0..count {
            client.get("/hello").response().expect(200);
        }
    };
    // At most as many are under way as the queue holds, and as many wait.
    ask(4096 + 4096 + 512);
    let dropped = || server.metrics().value("pounce_spans_total", &[("result", "dropped")]);
    eventually("some are dropped", || {
        ask(10);
        (dropped() > 0.0).then_some(())
    });
    server.sigterm();
    assert_eq!(server.wait_exit().code, Some(0));
}

#[test]
fn a_collector_that_cannot_be_used_is_named_once() {
    if !has_traces() {
        return;
    }
    let refusing = Collector::start("400 Bad Request", Duration::ZERO);
    for endpoint in [refusing.endpoint(), "http://127.0.0.1:9".to_owned()] {
        let options = Options::app("raw:app").with("--otel-endpoint", &endpoint);
        let server = Server::start(options.with("--metrics-bind", "127.0.0.1:0"));
        eventually("spans fail twice", || {
            server.get("/hello").expect(200);
            (server.metrics().value("pounce_spans_total", &[("result", "failed")]) >= 2.0).then_some(())
        });
        let said = format!("cannot send spans to {endpoint}/v1/traces: ");
        assert_eq!(server.stderr().matches(&said).count(), 1, "{}", server.stderr());
    }
    let exit = Server::run(Options::app("raw:app").with("--otel-endpoint", "localhost:4318"));
    assert_eq!(exit.code, Some(2), "{}", exit.stderr);
    assert!(
        exit.stderr.contains("otel-endpoint: expected a URL such as http://localhost:4318"),
        "{}",
        exit.stderr
    );
}
