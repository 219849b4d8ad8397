//! The table of other servers' options, by what they are about.

use super::Arity::{Flag, FlagOrWord, Value};
use super::Verdict::{Ignored, NotYet, Refused};
use super::{Arity, ForeignOption, Verdict};

const UVICORN: &[&str] = &["uvicorn"];
const GRANIAN: &[&str] = &["granian"];
const GUNICORN: &[&str] = &["gunicorn"];
const HYPERCORN: &[&str] = &["hypercorn"];
const DAPHNE: &[&str] = &["daphne"];
const GUNICORN_HYPERCORN: &[&str] = &["gunicorn", "hypercorn"];
const UVICORN_GUNICORN: &[&str] = &["uvicorn", "gunicorn"];
/// Options that only later versions of Pounce have.
const PLANNED: &[&str] = &[];

const fn option(
    owners: &'static [&'static str],
    arity: Arity,
    verdict: Verdict,
    names: &'static [&'static str],
    advice: &'static str,
) -> ForeignOption {
    ForeignOption { names, owners, arity, verdict, harmless: &[], advice }
}

impl ForeignOption {
    const fn harmless(mut self, words: &'static [&'static str]) -> Self {
        self.harmless = words;
        self
    }
}

const ONE_THREAD: &str = "a worker is one thread, which runs the network and the application";
const STRONG_ONLY: &str =
    "only suites with forward secrecy and authenticated encryption are spoken, whatever is named here";
const BUFFERS: &str =
    "buffers grow as needed; limit-header-size and limit-request-line bound a request's head";
const LOOP: &str = "the event loop is asyncio's, driven by Pounce; there is no other to choose";
const GONE_CLIENTS: &str = "TCP and timeout-keep-alive find out about clients that are gone";
const HIGHER_LAYER: &str =
    "start the server as that user: User= and UMask= in a systemd unit, or USER in a Dockerfile";
const PROXIES: &str = "add a middleware to the application meanwhile, such as uvicorn.middleware.proxy_headers.ProxyHeadersMiddleware";
const PROXY_PROTOCOL: &str = "have the proxy send X-Forwarded-For meanwhile, which a middleware can read";
const LOG_FILES: &str =
    "redirect the server's output meanwhile: access lines go to stdout, all others to stderr";
const LOG_CONFIG: &str = "use --log-level, --log-format and --access-log-format; the application may configure its own loggers when it is imported";
const SYSLOG: &str = "run it under systemd, or pipe its output to systemd-cat or logger";
const METRICS: &str = "count in the application meanwhile, such as with prometheus_client or a StatsD client";
const STATIC: &str =
    "serve the files with the application meanwhile (Starlette's StaticFiles, WhiteNoise) or with a proxy";
const STRICT: &str =
    "such requests are answered with 400: servers that read them in two ways let attackers in";
const DIRTY: &str = "run such work in a task queue or in a service of its own";
const WEBSOCKET_TIME: &str = "a WebSocket lives until it does not answer pings: see ws-ping-timeout";
const CHECK: &str = "start the server on port 0 meanwhile: it lists everything that is wrong";
const PASTE: &str = "load it in a module of yours, app = paste.deploy.loadapp(...), and name that as APP";
const ENVIRONMENT: &str = "set the variable before the server starts, or name a file of them with --env-file";
const NO_ENVIRON: &str = "it is about WSGI's environ, which ASGI does not have";

/// Every option of theirs that is neither an option of Pounce nor an alias of one.
pub static FOREIGN: &[ForeignOption] = &[
    // How the application runs
    option(&["uvicorn", "granian"], Value, Refused, &["loop"], LOOP)
        .harmless(&["auto", "asyncio", "uvloop", "rloop", "winloop", "zuvloop"]),
    option(GUNICORN, Value, Refused, &["asgi-loop"], LOOP).harmless(&["auto", "asyncio", "uvloop"]),
    option(UVICORN, Flag, Ignored, &["reset-contextvars"], "every request runs in a copy of the context"),
    option(GRANIAN, Value, Ignored, &["task-impl"], "there is one way to run the application"),
    option(
        GUNICORN_HYPERCORN,
        Value,
        Ignored,
        &["worker-class", "-k"],
        "there is one kind of worker, and it speaks ASGI",
    ),
    option(GRANIAN, Value, Ignored, &["runtime-mode"], ONE_THREAD),
    option(GRANIAN, Value, Ignored, &["runtime-threads"], ONE_THREAD),
    option(GRANIAN, Value, Ignored, &["runtime-blocking-threads"], ONE_THREAD),
    option(GRANIAN, Value, Ignored, &["blocking-threads"], ONE_THREAD),
    option(GRANIAN, Value, Ignored, &["blocking-threads-idle-timeout"], ONE_THREAD),
    option(GUNICORN, Value, Ignored, &["threads"], ONE_THREAD),
    option(GUNICORN, Flag, Ignored, &["preload"], "a worker imports the application itself"),
    option(GUNICORN, Flag, Ignored, &["spew"], "use python -m trace, or sys.settrace in the application"),
    option(GUNICORN, Value, Refused, &["pythonpath"], "use --app-dir, or set PYTHONPATH"),
    option(GUNICORN, Value, Refused, &["env"], ENVIRONMENT),
    option(
        &["gunicorn", "daphne"],
        Value,
        Refused,
        &["-e"],
        "it is a variable for some and an endpoint for others; see --env-file and --bind",
    ),
    option(GUNICORN, Value, Refused, &["paste", "paster"], PASTE),
    option(GUNICORN, Value, Refused, &["paste-global"], PASTE),
    option(
        GUNICORN,
        Value,
        Ignored,
        &["asgi-disconnect-grace-period"],
        "an application whose client left runs until it ends",
    ),
    option(
        DAPHNE,
        Value,
        Ignored,
        &["application-close-timeout"],
        "an application whose client left runs until it ends",
    ),
    option(GUNICORN, Value, Refused, &["dirty-app"], DIRTY),
    option(GUNICORN, Value, Refused, &["dirty-workers"], DIRTY),
    option(GUNICORN, Value, Refused, &["dirty-timeout"], DIRTY),
    option(GUNICORN, Value, Refused, &["dirty-threads"], DIRTY),
    option(GUNICORN, Value, Refused, &["dirty-graceful-timeout"], DIRTY),
    // Listening
    option(DAPHNE, Value, Refused, &["endpoint"], "use --bind, and --ssl-certfile for TLS"),
    option(
        HYPERCORN,
        Value,
        Refused,
        &["quic-bind"],
        "HTTP/3 is not spoken; put a proxy that speaks it in front",
    ),
    option(
        HYPERCORN,
        Value,
        NotYet,
        &["insecure-bind"],
        "start a second server without a certificate meanwhile",
    ),
    option(GUNICORN, Value, Refused, &["protocol"], "have the proxy speak HTTP: proxy_pass in nginx")
        .harmless(&["http"]),
    option(GUNICORN, Value, Refused, &["uwsgi-allow-from"], "have the proxy speak HTTP: proxy_pass in nginx"),
    option(GUNICORN, FlagOrWord(&["off", "v1", "v2", "auto"]), NotYet, &["proxy-protocol"], PROXY_PROTOCOL)
        .harmless(&["off"]),
    option(GUNICORN, Value, NotYet, &["proxy-allow-from"], PROXY_PROTOCOL),
    option(&["uvicorn", "daphne"], Flag, NotYet, &["proxy-headers"], PROXIES),
    option(UVICORN_GUNICORN, Value, NotYet, &["forwarded-allow-ips"], PROXIES),
    option(DAPHNE, Value, NotYet, &["proxy-headers-host"], PROXIES),
    option(DAPHNE, Value, NotYet, &["proxy-headers-port"], PROXIES),
    option(GUNICORN, Value, Ignored, &["forwarder-headers"], NO_ENVIRON),
    option(GUNICORN, Value, Ignored, &["header-map"], NO_ENVIRON),
    option(
        &["hypercorn", "daphne"],
        Value,
        Refused,
        &["server-name"],
        "check the host in the application (Starlette's TrustedHostMiddleware); for the Server header use --no-server-header --header 'server: NAME'",
    ),
    option(
        DAPHNE,
        Value,
        Refused,
        &["-s"],
        "for the Server header use --no-server-header --header 'server: NAME'",
    ),
    option(DAPHNE, Flag, Refused, &["no-server-name"], "write --no-server-header"),
    // HTTP and WebSocket
    option(UVICORN, Value, Ignored, &["h11-max-incomplete-event-size"], BUFFERS),
    option(UVICORN, Flag, Ignored, &["http2"], "HTTP/2 is spoken unless --http 1 turns it off"),
    option(
        GUNICORN,
        Value,
        Ignored,
        &["http-protocols"],
        "HTTP/1.1 and HTTP/2 are spoken; --http 1 or --http 2 leaves one out",
    ),
    option(
        GUNICORN,
        Value,
        Ignored,
        &["http2-cleartext"],
        "HTTP/2 is spoken to clients that begin with it; --http 1 turns it off",
    ),
    option(GUNICORN, Value, Ignored, &["http-parser"], "Pounce has a parser of its own"),
    option(GRANIAN, Value, Ignored, &["http1-buffer-size"], BUFFERS),
    option(
        GRANIAN,
        Value,
        Ignored,
        &["http1-header-read-timeout"],
        "it counts milliseconds; use timeout-header, in seconds",
    ),
    option(
        GRANIAN,
        Flag,
        Ignored,
        &["http1-keep-alive"],
        "use timeout-keep-alive; 0 closes a connection after each response",
    ),
    option(
        GRANIAN,
        Flag,
        Ignored,
        &["http1-pipeline-flush"],
        "responses to pipelined requests are always gathered",
    ),
    option(GRANIAN, Value, Ignored, &["http2-keep-alive-interval"], GONE_CLIENTS),
    option(GRANIAN, Value, Ignored, &["http2-keep-alive-timeout"], GONE_CLIENTS),
    option(
        GRANIAN,
        Flag,
        Ignored,
        &["http2-adaptive-window"],
        "windows are as http2-initial-stream-window-size says",
    ),
    option(
        GRANIAN,
        Value,
        Ignored,
        &["http2-max-send-buffer-size"],
        "responses are buffered up to 64 KiB a request",
    ),
    option(
        GRANIAN,
        Value,
        Ignored,
        &["backpressure"],
        "use limit-concurrency to bound the requests that run at a time",
    ),
    option(
        GUNICORN,
        Value,
        Ignored,
        &["worker-connections"],
        "use limit-connections to bound the connections of a worker",
    ),
    option(
        GUNICORN,
        Value,
        Ignored,
        &["limit-request-field_size"],
        "limit-header-size bounds all header fields of a request together",
    ),
    option(GUNICORN, Flag, Refused, &["permit-obsolete-folding"], STRICT),
    option(GUNICORN, Flag, Refused, &["strip-header-spaces"], STRICT),
    option(GUNICORN, Flag, Refused, &["permit-unconventional-http-version"], STRICT),
    option(
        GUNICORN,
        Flag,
        Ignored,
        &["permit-unconventional-http-method"],
        "every method that is a token is served",
    ),
    option(
        GUNICORN,
        Flag,
        Refused,
        &["casefold-http-method"],
        "methods reach the application as they were sent; a middleware can change them",
    ),
    option(
        GUNICORN,
        Flag,
        Ignored,
        &["no-sendfile"],
        "pathsend is offered only when asgi-extensions names it",
    ),
    option(HYPERCORN, Value, Ignored, &["read-timeout"], "use timeout-header and timeout-body"),
    option(DAPHNE, Value, NotYet, &["http-timeout"], "use asyncio.timeout in the application meanwhile"),
    option(DAPHNE, Value, Ignored, &["websocket-timeout"], WEBSOCKET_TIME),
    option(
        DAPHNE,
        Value,
        Ignored,
        &["websocket-connect-timeout"],
        "the application decides how long a handshake may take",
    ),
    option(
        DAPHNE,
        Value,
        Ignored,
        &["websocket-max-frame-size"],
        "ws-max-size bounds a message and so its frames",
    ),
    // TLS
    option(
        UVICORN_GUNICORN,
        Value,
        Ignored,
        &["ssl-version"],
        "TLS 1.2 and 1.3 are spoken; ssl-min-version leaves out 1.2",
    ),
    option(UVICORN, Value, Ignored, &["ssl-ciphers"], STRONG_ONLY),
    option(GUNICORN_HYPERCORN, Value, Ignored, &["ciphers"], STRONG_ONLY),
    option(GRANIAN, Flag, Refused, &["ssl-client-verify"], "write --ssl-cert-reqs required"),
    option(
        GUNICORN,
        Flag,
        Ignored,
        &["suppress-ragged-eofs"],
        "an end without close_notify ends the connection",
    ),
    option(GUNICORN, Flag, Ignored, &["do-handshake-on-connect"], "the handshake begins with the connection"),
    // Workers and processes
    option(
        GRANIAN,
        Flag,
        Ignored,
        &["respawn-failed-workers"],
        "failed workers are respawned; respawn-limit says how often",
    ),
    option(
        GRANIAN,
        Value,
        Ignored,
        &["respawn-interval"],
        "failed workers are respawned after 0.5 seconds, and then later each time",
    ),
    option(GRANIAN, Value, Ignored, &["rss-sample-interval"], "memory is looked at while a worker is busy"),
    option(GRANIAN, Value, Ignored, &["rss-samples"], "memory is looked at while a worker is busy"),
    option(GUNICORN, Value, Ignored, &["worker-tmp-dir"], "workers are watched without files"),
    option(
        GUNICORN_HYPERCORN,
        Flag,
        Refused,
        &["daemon", "-D"],
        "let systemd or a container runtime run it, or the shell: nohup pounce ... &",
    ),
    option(GUNICORN_HYPERCORN, Value, NotYet, &["user"], HIGHER_LAYER),
    option(GUNICORN_HYPERCORN, Value, NotYet, &["group", "-g"], HIGHER_LAYER),
    option(
        GUNICORN_HYPERCORN,
        Value,
        NotYet,
        &["umask", "-m"],
        "use --uds-permissions for Unix sockets, and umask in the shell",
    ),
    option(GUNICORN, Flag, NotYet, &["initgroups"], HIGHER_LAYER),
    option(
        &["gunicorn", "hypercorn", "granian"],
        Value,
        NotYet,
        &["pid", "pid-file"],
        "the banner names the process; systemd and container runtimes keep track of it themselves",
    ),
    option(
        &["gunicorn", "hypercorn", "daphne"],
        Value,
        Refused,
        &["-p"],
        "it is a port for some and a file for others; write --port for the port",
    ),
    option(
        &["gunicorn", "hypercorn", "daphne"],
        Value,
        Refused,
        &["-u"],
        "it is a user for some and a Unix socket for others; write --uds for the socket",
    ),
    option(GUNICORN, Value, NotYet, &["name", "-n"], "leave it out; the process is called pounce"),
    option(GRANIAN, Value, NotYet, &["process-name"], "leave it out; the process is called pounce"),
    option(
        GUNICORN,
        Value,
        NotYet,
        &["control-socket"],
        "use signals meanwhile: HUP reloads, TTIN and TTOU change the number of workers",
    ),
    option(GUNICORN, Value, NotYet, &["control-socket-mode"], "there is no control socket to protect"),
    option(GUNICORN, Flag, Ignored, &["no-control-socket"], "there is none"),
    option(GUNICORN, Flag, NotYet, &["check-config"], CHECK),
    option(GUNICORN, Flag, NotYet, &["print-config"], CHECK),
    // Reloading
    option(GUNICORN, Value, Ignored, &["reload-engine"], "there is one way to watch files"),
    option(GUNICORN, Value, Ignored, &["reload-extra-file"], "use reload-dir and reload-include"),
    option(
        GRANIAN,
        Value,
        Ignored,
        &["reload-ignore-patterns"],
        "it takes regular expressions; use reload-exclude, which takes globs",
    ),
    option(GRANIAN, Value, Ignored, &["reload-tick"], "it counts milliseconds; use reload-delay, in seconds"),
    option(
        GRANIAN,
        Flag,
        Ignored,
        &["reload-ignore-worker-failure"],
        "a server whose reload failed waits for the next change",
    ),
    // Logs and metrics
    option(GRANIAN, Flag, Ignored, &["log"], "use log-level to make the log quieter"),
    option(&["uvicorn", "granian", "gunicorn", "hypercorn"], Value, NotYet, &["log-config"], LOG_CONFIG),
    option(GUNICORN, Value, NotYet, &["log-config-json"], LOG_CONFIG),
    option(GUNICORN, Value, Refused, &["logger-class"], LOG_CONFIG),
    option(DAPHNE, Value, Refused, &["log-fmt"], LOG_CONFIG),
    option(DAPHNE, Value, Ignored, &["verbosity"], "use log-level"),
    option(&["gunicorn", "daphne"], Flag, Refused, &["-v"], "write --version, or --log-level LEVEL"),
    option(GUNICORN_HYPERCORN, Value, NotYet, &["access-logfile"], LOG_FILES).harmless(&["-"]),
    option(GUNICORN_HYPERCORN, Value, NotYet, &["error-logfile", "log-file"], LOG_FILES).harmless(&["-"]),
    option(HYPERCORN, Value, NotYet, &["error-log"], LOG_FILES).harmless(&["-"]),
    option(
        GUNICORN,
        Flag,
        Ignored,
        &["capture-output"],
        "the application writes to the server's own stdout and stderr",
    ),
    option(
        GUNICORN,
        Flag,
        Ignored,
        &["enable-stdio-inheritance", "-R"],
        "the application writes to the server's own stdout and stderr",
    ),
    option(
        GUNICORN,
        Flag,
        Ignored,
        &["disable-redirect-access-to-syslog"],
        "the access log never goes to syslog",
    ),
    option(GUNICORN, Flag, Refused, &["log-syslog"], SYSLOG),
    option(GUNICORN, Value, Refused, &["log-syslog-to"], SYSLOG),
    option(GUNICORN, Value, Refused, &["log-syslog-prefix"], SYSLOG),
    option(GUNICORN, Value, Refused, &["log-syslog-facility"], SYSLOG),
    option(GUNICORN_HYPERCORN, Value, NotYet, &["statsd-host"], METRICS),
    option(GUNICORN_HYPERCORN, Value, NotYet, &["statsd-prefix"], METRICS),
    option(GUNICORN, Value, NotYet, &["dogstatsd-tags"], METRICS),
    option(GUNICORN, Flag, NotYet, &["enable-backlog-metric"], METRICS),
    option(GRANIAN, Flag, NotYet, &["metrics"], METRICS),
    option(GRANIAN, Value, NotYet, &["metrics-scrape-interval"], METRICS),
    option(GRANIAN, Value, NotYet, &["metrics-address"], METRICS),
    option(GRANIAN, Value, NotYet, &["metrics-port"], METRICS),
    // Static files
    option(GRANIAN, Value, NotYet, &["static-path-route"], STATIC),
    option(GRANIAN, Value, NotYet, &["static-path-mount"], STATIC),
    option(GRANIAN, Value, NotYet, &["static-path-dir-to-file"], STATIC),
    option(GRANIAN, Value, NotYet, &["static-path-expires"], STATIC),
    // Only planned
    option(PLANNED, Value, NotYet, &["static"], STATIC),
    option(PLANNED, Value, NotYet, &["metrics-path"], METRICS),
    option(PLANNED, Value, NotYet, &["metrics-bind"], METRICS),
    option(
        PLANNED,
        Value,
        NotYet,
        &["otel-endpoint"],
        "instrument the application meanwhile, such as with opentelemetry-instrumentation-asgi",
    ),
    option(PLANNED, Value, NotYet, &["health-path"], "answer at a path of the application meanwhile"),
    option(PLANNED, Value, NotYet, &["live-path"], "answer at a path of the application meanwhile"),
    option(
        PLANNED,
        Value,
        NotYet,
        &["drain-delay"],
        "delay the stop signal meanwhile, such as with a preStop hook",
    ),
    option(
        PLANNED,
        Value,
        NotYet,
        &["compression"],
        "compress in the application meanwhile (Starlette's GZipMiddleware) or in a proxy",
    ),
    option(PLANNED, Value, NotYet, &["cpu-affinity"], "use taskset or CPUAffinity= of systemd meanwhile"),
    option(PLANNED, Value, NotYet, &["access-log-exclude"], "filter the lines meanwhile"),
    option(
        PLANNED,
        Value,
        NotYet,
        &["compat"],
        "leave it out; other servers' options are explained one by one",
    ),
    option(
        PLANNED,
        Value,
        NotYet,
        &["control"],
        "use signals meanwhile: HUP reloads, TTIN and TTOU change the number of workers",
    ),
    option(PLANNED, Flag, NotYet, &["request-id"], "use a middleware meanwhile, such as asgi-correlation-id"),
    option(PLANNED, Flag, NotYet, &["server-timing"], "use a middleware meanwhile"),
    option(PLANNED, Value, NotYet, &["log-blocked-loop"], "set PYTHONASYNCIODEBUG=1 meanwhile"),
    option(PLANNED, Value, NotYet, &["timeout-request"], "use asyncio.timeout in the application meanwhile"),
    option(
        PLANNED,
        Value,
        NotYet,
        &["hsts"],
        "use --header 'strict-transport-security: max-age=31536000' meanwhile",
    ),
    option(
        PLANNED,
        Value,
        NotYet,
        &["redirect-http"],
        "redirect in a proxy or in a second application meanwhile",
    ),
];
