//! The values that labels have. Each is a small number in the shared memory.

/// Request methods with a label of their own; any other is `other`, so that clients cannot make up labels.
pub(crate) const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "other"];

/// The name of a method that has a label of its own.
pub fn known_method(method: &[u8]) -> Option<&'static str> {
    METHODS[..METHODS.len() - 1].iter().copied().find(|known| known.as_bytes() == method)
}

/// The place of a method in [`METHODS`].
pub(crate) fn method(method: &[u8]) -> usize {
    let known = METHODS.iter().position(|known| known.as_bytes() == method);
    known.unwrap_or(METHODS.len() - 1)
}

/// Classes of status codes. 499 stands alone: the client has left before its response was complete.
pub(crate) const STATUSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "499"];

/// The place of a status in [`STATUSES`].
pub(crate) fn status(status: u16) -> usize {
    match status {
        499 => 5,
        _ => usize::from(status / 100).clamp(1, 5) - 1,
    }
}

/// An enumeration whose values are labels.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$value_doc])* $value,)*
        }

        impl $name {
            pub(crate) const ALL: &[Self] = &[$(Self::$value),*];

            pub(crate) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)*
                }
            }
        }
    };
}

label! {
    /// What a connection speaks.
    Protocol {
        /// HTTP/1.1, also before a request has been read.
        Http1 = "http/1.1",
        /// HTTP/2.
        Http2 = "http/2",
        /// A WebSocket that was an HTTP/1.1 connection.
        WebSocket = "websocket",
    }
}

label! {
    /// The direction of a message.
    Direction {
        /// From the client.
        Received = "received",
        /// To the client.
        Sent = "sent",
    }
}

label! {
    /// Why the server itself refused a connection or a request.
    Refused {
        /// More connections than `--limit-connections`.
        Connections = "connections",
        /// More requests than `--limit-concurrency`.
        Concurrency = "concurrency",
        /// The worker drains.
        Draining = "draining",
        /// The request is malformed, or asks for what is not supported.
        Malformed = "malformed",
        /// The request's target, fields or body are over a limit.
        TooLarge = "too_large",
        /// The client was too slow.
        Timeout = "timeout",
        /// The application took longer than `--timeout-request`.
        RequestTimeout = "request_timeout",
        /// No header of the PROXY protocol, or a malformed one.
        ProxyHeader = "proxy_header",
    }
}

impl Refused {
    /// The reason for a request that the server answers with this status.
    pub fn by_status(status: u16) -> Self {
        match status {
            408 => Self::Timeout,
            413 | 414 | 431 => Self::TooLarge,
            503 => Self::Concurrency,
            _ => Self::Malformed,
        }
    }
}

label! {
    /// What became of spans.
    Spans {
        /// A collector has them.
        Exported = "exported",
        /// There were more than the collector takes.
        Dropped = "dropped",
        /// The collector could not be reached, or refused them.
        Failed = "failed",
    }
}

label! {
    /// Why a worker was started in the place of another.
    Restart {
        /// It ended unexpectedly.
        Ended = "ended",
        /// It was stuck.
        Stuck = "stuck",
        /// It reached its limit of requests, age or memory.
        Spent = "spent",
        /// The server reloaded.
        Reload = "reload",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_statuses_of_clients_and_applications_have_a_label() {
        assert_eq!(METHODS[method(b"GET")], "GET");
        assert_eq!(METHODS[method(b"PROPFIND")], "other");
        assert_eq!(METHODS[method(b"get")], "other");
        for (code, label) in
            [(101, "1xx"), (200, "2xx"), (404, "4xx"), (499, "499"), (599, "5xx"), (999, "5xx")]
        {
            assert_eq!(STATUSES[status(code)], label);
        }
        assert_eq!(STATUSES[status(0)], "1xx");
    }
}
