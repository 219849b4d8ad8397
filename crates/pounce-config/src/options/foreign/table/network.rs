//! Options of listening and of protocols.

use super::{
    DAPHNE, ForeignOption, GRANIAN, GUNICORN, GUNICORN_HYPERCORN, HYPERCORN, UVICORN, UVICORN_GUNICORN,
    option,
};
use crate::options::foreign::Arity::{Flag, Value};
use crate::options::foreign::Verdict::{Ignored, NotYet, Refused};

const STRONG_ONLY: &str =
    "only suites with forward secrecy and authenticated encryption are supported, whatever is named here";
const BUFFERS: &str =
    "buffers grow as needed; limit-header-size and limit-request-line bound a request's head";
const GONE_CLIENTS: &str = "TCP and timeout-keep-alive find out about clients that are gone";
const PROXIES: &str = "the client is read from X-Forwarded-For or Forwarded; have the proxy send one of them";
const STRICT: &str =
    "such requests are answered with 400: servers that read them in two ways let attackers in";
const WEBSOCKET_TIME: &str = "a WebSocket lives until it does not answer pings: see ws-ping-timeout";
const NO_ENVIRON: &str = "it is about WSGI's environ, which ASGI does not have";

pub(super) static NETWORK: &[ForeignOption] = &[
    // Listening
    option(DAPHNE, Value, Refused, &["endpoint"], "use --bind, and --ssl-certfile for TLS"),
    option(
        HYPERCORN,
        Value,
        Refused,
        &["quic-bind"],
        "HTTP/3 is not supported; put a proxy that supports it in front",
    ),
    option(
        HYPERCORN,
        Value,
        NotYet,
        &["insecure-bind"],
        "start a second server without a certificate for now",
    ),
    option(GUNICORN, Value, Refused, &["protocol"], "have the proxy speak HTTP: proxy_pass in nginx")
        .harmless(&["http"]),
    option(GUNICORN, Value, Refused, &["uwsgi-allow-from"], "have the proxy speak HTTP: proxy_pass in nginx"),
    option(
        GUNICORN,
        Value,
        Refused,
        &["proxy-allow-from"],
        "write --forwarded-allow-ips, which counts for the PROXY protocol as well",
    ),
    option(DAPHNE, Value, Refused, &["proxy-headers-host"], PROXIES),
    option(DAPHNE, Value, Refused, &["proxy-headers-port"], PROXIES),
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
    option(UVICORN, Flag, Ignored, &["http2"], "HTTP/2 is on unless --http 1 turns it off"),
    option(
        GUNICORN,
        Value,
        Ignored,
        &["http-protocols"],
        "HTTP/1.1 and HTTP/2 are supported; --http 1 or --http 2 allows only one",
    ),
    option(
        GUNICORN,
        Value,
        Ignored,
        &["http2-cleartext"],
        "clients may begin with HTTP/2; --http 1 turns it off",
    ),
    option(GUNICORN, Value, Ignored, &["http-parser"], "Pounce has its own parser"),
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
    option(DAPHNE, Value, NotYet, &["http-timeout"], "use asyncio.timeout in the application for now"),
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
        "TLS 1.2 and 1.3 are supported; ssl-min-version excludes 1.2",
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
];
