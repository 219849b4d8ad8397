//! Options of uvicorn, granian, gunicorn and hypercorn that mean nothing here.
//!
//! They are accepted with a note, so that a command line that worked there starts here. An option whose
//! loss would change what a client sees or what is safe does not belong in this list.

/// An option that is accepted, does nothing, and says so.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct IgnoredOption {
    /// The name in the spelling of the server it comes from, without leading dashes.
    pub name: &'static str,
    /// The short form there.
    pub short: Option<char>,
    /// How many values follow it: 0 (a flag, which has a `no-` form too) or 1.
    pub values: u8,
    /// Why it does nothing, or what to use in its place.
    pub note: &'static str,
}

const fn flag(name: &'static str, note: &'static str) -> IgnoredOption {
    IgnoredOption { name, short: None, values: 0, note }
}

const fn valued(name: &'static str, note: &'static str) -> IgnoredOption {
    IgnoredOption { name, short: None, values: 1, note }
}

const ONE_THREAD: &str = "a worker is one thread, which runs the network and the application";
const STRONG_ONLY: &str =
    "only suites with forward secrecy and authenticated encryption are spoken, whatever is named here";
const BUFFERS: &str =
    "buffers grow as needed; limit-header-size and limit-request-line bound a request's head";

/// Every option that is accepted and does nothing.
pub static IGNORED: &[IgnoredOption] = &[
    // uvicorn
    valued("h11-max-incomplete-event-size", BUFFERS),
    flag("reset-contextvars", "every request runs in its own copy of the context"),
    valued("ssl-version", "TLS 1.2 and 1.3 are spoken; ssl-min-version leaves out 1.2"),
    valued("ssl-ciphers", STRONG_ONLY),
    // granian
    valued("http2-keep-alive-interval", "TCP and timeout-keep-alive find out about clients that are gone"),
    valued("http2-keep-alive-timeout", "TCP and timeout-keep-alive find out about clients that are gone"),
    flag("http2-adaptive-window", "windows are as http2-initial-stream-window-size says"),
    valued("http2-max-send-buffer-size", "responses are buffered up to 64 KiB a request"),
    flag("ssl-client-verify", "use ssl-cert-reqs required"),
    valued("runtime-mode", ONE_THREAD),
    valued("runtime-threads", ONE_THREAD),
    valued("runtime-blocking-threads", ONE_THREAD),
    valued("blocking-threads", ONE_THREAD),
    valued("blocking-threads-idle-timeout", ONE_THREAD),
    valued("task-impl", "there is one way to run the application"),
    valued("backpressure", "use limit-concurrency to bound the requests that run at a time"),
    valued("http1-buffer-size", BUFFERS),
    valued("http1-header-read-timeout", "it counts milliseconds; use timeout-header, in seconds"),
    flag("http1-keep-alive", "use timeout-keep-alive; 0 closes a connection after each response"),
    flag("respawn-failed-workers", "failed workers are respawned; respawn-limit says how often"),
    valued("respawn-interval", "failed workers are respawned after 0.5 seconds, and then later each time"),
    valued("rss-sample-interval", "memory is looked at while a worker is busy"),
    valued("rss-samples", "memory is looked at while a worker is busy"),
    flag("http1-pipeline-flush", "responses to pipelined requests are always gathered"),
    flag("log", "use log-level to make the log quieter"),
    // gunicorn and hypercorn
    IgnoredOption {
        name: "worker-class",
        short: Some('k'),
        values: 1,
        note: "there is one kind of worker, and it speaks ASGI",
    },
    valued("threads", ONE_THREAD),
    valued("ciphers", STRONG_ONLY),
    valued("worker-connections", "use limit-connections to bound the connections of a worker"),
    valued("worker-tmp-dir", "workers are watched without files"),
    flag("preload", "a worker imports the application itself"),
    valued("reload-engine", "there is one way to watch files"),
    valued("limit-request-field_size", "limit-header-size bounds all header fields of a request together"),
    flag("disable-redirect-access-to-syslog", "the access log never goes to syslog"),
];
