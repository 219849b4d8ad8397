//! Interned names and small constants of one interpreter.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::Scheme;

macro_rules! names {
    ($($field:ident = $text:literal),* $(,)?) => {
        /// The strings that the bridge uses for lookups.
        pub(super) struct Names {
            $(pub(super) $field: Py<PyString>,)*
            /// Common methods as Python strings: nearly every request has one of these.
            pub(super) methods: Vec<(&'static [u8], Py<PyString>)>,
            pub(super) empty_bytes: Py<PyBytes>,
        }

        impl Names {
            pub(super) fn new(py: Python<'_>) -> Self {
                Self {
                    $($field: PyString::intern(py, $text).unbind(),)*
                    methods: ["GET", "POST", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS"]
                        .map(|method| (method.as_bytes(), PyString::intern(py, method).unbind()))
                        .into(),
                    empty_bytes: PyBytes::new(py, b"").unbind(),
                }
            }

            /// The scheme of a request that is not a WebSocket.
            pub(super) fn scheme_of(&self, scheme: Scheme) -> &Py<PyString> {
                match scheme {
                    Scheme::Http => &self.http,
                    Scheme::Https => &self.https,
                }
            }
        }
    };
}

names! {
    dunder_await = "__await__",
    asgi = "asgi",
    body = "body",
    bytes = "bytes",
    client = "client",
    code = "code",
    context = "context",
    done = "done",
    extensions = "extensions",
    headers = "headers",
    http = "http",
    https = "https",
    http_version = "http_version",
    links = "links",
    method = "method",
    more_body = "more_body",
    more_trailers = "more_trailers",
    path = "path",
    query_string = "query_string",
    raw_path = "raw_path",
    reason = "reason",
    root_path = "root_path",
    scheme = "scheme",
    server = "server",
    set_exception = "set_exception",
    set_result = "set_result",
    state = "state",
    status = "status",
    subprotocol = "subprotocol",
    subprotocols = "subprotocols",
    text = "text",
    throw = "throw",
    tls = "tls",
    trailers = "trailers",
    websocket = "websocket",
    kind = "type",
    http_10 = "1.0",
    http_11 = "1.1",
    http_2 = "2",
    ws = "ws",
    wss = "wss",
    http_request = "http.request",
    http_disconnect = "http.disconnect",
    websocket_connect = "websocket.connect",
    websocket_receive = "websocket.receive",
    websocket_disconnect = "websocket.disconnect",
    file = "file",
    offset = "offset",
    count = "count",
}
