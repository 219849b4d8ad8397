//! Options of timeouts, limits, health checks and responses.

use std::time::Duration;

use super::{DEADLINE, FROM_ZERO, MIB, YEAR};
use crate::options::build::option;
use crate::options::{Kind, OptionSpec, Section};

pub(super) const OPTIONS: &[OptionSpec] = &[
    option("timeout-keep-alive", FROM_ZERO, Section::Timeouts)
        .value("SECONDS")
        .aliases(&["keep-alive"])
        .default("75")
        .help("How long a connection waits for its next request; 0 closes it after each response"),
    option("timeout-header", DEADLINE, Section::Timeouts)
        .value("SECONDS")
        .default("10")
        .help("How long a client may take to send a request's line and headers"),
    option("timeout-body", DEADLINE, Section::Timeouts)
        .value("SECONDS")
        .default("30")
        .help("How long a request's body may stall"),
    option("timeout-write", DEADLINE, Section::Timeouts)
        .value("SECONDS")
        .default("30")
        .help("How long a client may leave a response unread"),
    option("timeout-request", FROM_ZERO, Section::Timeouts)
        .value("SECONDS")
        .default("0")
        .help("How long a request may take until its response is complete, whether or not its client still waits, WebSockets aside, else 503; 0 is no limit"),
    option("timeout-graceful-shutdown", FROM_ZERO, Section::Timeouts)
        .value("SECONDS")
        .aliases(&["graceful-timeout", "workers-kill-timeout"])
        .default("10")
        .help("How long running requests may go on after a stop was requested; 0 stops at once"),
    option("timeout-startup", DEADLINE, Section::Timeouts)
        .value("SECONDS")
        .aliases(&["startup-timeout"])
        .default("30")
        .help("How long the application's start-up may take"),
    option("timeout-worker-healthcheck", FROM_ZERO, Section::Timeouts)
        .value("SECONDS")
        .aliases(&["timeout"])
        .short('t')
        .default("30")
        .help("How long a worker may be stuck before it is reported and, if a process, replaced; 0 never"),
    option("limit-connections", Kind::Count, Section::Limits)
        .value("N")
        .help("Open connections, beyond which the answer is 503"),
    option("limit-concurrency", Kind::Count, Section::Limits)
        .value("N")
        .help("Requests running at a time, beyond which the answer is 503"),
    option("limit-request-line", Kind::Size { min: 64, max: 16 * MIB }, Section::Limits)
        .value("SIZE")
        .default("8KiB")
        .help("Longest request line, beyond which the answer is 414"),
    option("limit-request-fields", Kind::Integer { min: 1, max: 32768 }, Section::Limits)
        .value("N")
        .default("100")
        .help("Most header fields in a request, beyond which the answer is 431"),
    option("limit-header-size", Kind::Size { min: 256, max: 64 * MIB }, Section::Limits)
        .value("SIZE")
        .aliases(&["http2-max-headers-size", "http2-max-header-list-size", "h2-max-header-list-size"])
        .default("64KiB")
        .help("Largest size of all header fields together, beyond which the answer is 431"),
    option("limit-request-body", Kind::SizeLimit, Section::Limits)
        .value("SIZE")
        .default("1GiB")
        .help("Largest request body, beyond which the answer is 413; 0 is no limit"),
    option("limit-min-read-rate", Kind::SizeLimit, Section::Limits)
        .value("SIZE")
        .default("100")
        .help("Bytes per second a client must read of a waiting response, over 30 seconds; 0 is no limit"),
    option("limit-min-body-rate", Kind::SizeLimit, Section::Limits)
        .value("SIZE")
        .default("0")
        .help("Bytes per second a client must send of an awaited body, over 30 seconds, else 408; 0 is no limit"),
    option("health-path", Kind::UrlPath, Section::Health)
        .value("PATH")
        .help("Path at which a worker itself answers 200 while it is ready, and 503 once it is to stop"),
    option("live-path", Kind::UrlPath, Section::Health)
        .value("PATH")
        .help("Path at which a worker itself answers 200 while its event loop turns"),
    option("drain-delay", FROM_ZERO, Section::Health)
        .value("SECONDS")
        .default("0")
        .help("How long a server that is to stop goes on serving, not ready, before it drains"),
    option("metrics-bind", Kind::Text, Section::Metrics)
        .value("ENDPOINT")
        .help("Serve Prometheus metrics at /metrics on HOST:PORT, [V6]:PORT or unix:PATH, apart from the application"),
    option("metrics-path", Kind::UrlPath, Section::Metrics)
        .value("PATH")
        .help("Path at which a worker itself answers with the metrics; anyone who reaches the application can read them"),
    option("otel-endpoint", Kind::HttpUrl, Section::Metrics)
        .value("URL")
        .help("OpenTelemetry collector (OTLP over HTTP), such as http://localhost:4318, that gets a span of each request"),
    option("otel-sample", Kind::Integer { min: 1, max: 1_000_000 }, Section::Metrics)
        .value("N")
        .default("1")
        .help("Record one of so many new traces, chosen at random; of a trace that a client has begun, its traceparent decides"),
    option("control", Kind::Path, Section::Metrics)
        .value("PATH")
        .help("Unix socket by which `pounce ctl` and `pounce top` look at the server and control it, for its own user"),
    option("header", Kind::Headers, Section::Responses)
        .value("NAME:VALUE")
        .help("Header added to every response; repeatable"),
    option("hsts", Kind::Seconds { min: Duration::ZERO, max: YEAR.saturating_mul(2) }, Section::Responses)
        .value("SECONDS")
        .help("With TLS: tell browsers for how long to use only HTTPS (Strict-Transport-Security), such as 31536000"),
    option("request-id", Kind::FieldName, Section::Responses)
        .value("HEADER")
        .help("Give each request an id in this header, such as x-request-id: the trusted proxy's, else a new one"),
    option("server-timing", Kind::Flag, Section::Responses)
        .default("off")
        .help("Send Server-Timing: app;dur=MILLISECONDS, from a request's arrival to the response's start"),
    option("server-header", Kind::Flag, Section::Responses).default("on").help("Send the Server header"),
    option("date-header", Kind::Flag, Section::Responses).default("on").help("Send the Date header"),
];
