//! The four transports, and running a test over each of them.
//!
//! An [`Ask`] goes out over a [`Transport`] as an [`Exchange`], whose result is an [`Answer`]: the parts of HTTP that
//! are independent of the transport. The harness's strict parser reads HTTP/1.1, the `h2` crate HTTP/2.

mod answer;
mod ask;
mod exchange;
mod h1;
pub(crate) mod h2;
mod load;

use crate::options::Options;
use crate::secured::Connector;
use crate::server::Server;
pub use answer::{Answer, End, Head};
pub use ask::Ask;
pub use exchange::{Download, Exchange, Upload};
pub use load::TransportLoad;
use std::io;
use std::sync::OnceLock;

/// A version of HTTP, in clear text or over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// HTTP/1.1 in clear text.
    ClearHttp1,
    /// HTTP/1.1 over TLS, by ALPN.
    TlsHttp1,
    /// HTTP/2 in clear text, by prior knowledge.
    ClearHttp2,
    /// HTTP/2 over TLS, by ALPN.
    TlsHttp2,
}

impl Transport {
    /// Whether it is HTTP/2.
    pub fn is_http2(self) -> bool {
        matches!(self, Self::ClearHttp2 | Self::TlsHttp2)
    }

    /// Whether it is encrypted.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::TlsHttp1 | Self::TlsHttp2)
    }

    /// `http_version` of the scope.
    pub fn version(self) -> &'static str {
        if self.is_http2() { "2" } else { "1.1" }
    }

    /// `scheme` of the scope.
    pub fn scheme(self) -> &'static str {
        if self.is_tls() { "https" } else { "http" }
    }

    /// Sends the request over a new connection.
    pub fn ask(self, server: &Server, ask: &Ask) -> Exchange {
        self.try_ask(&server.connector(), ask).unwrap_or_else(|error| panic!("cannot ask: {error}"))
    }

    /// Sends the request over a new connection, or returns the error.
    pub fn try_ask(self, connector: &Connector, ask: &Ask) -> io::Result<Exchange> {
        Exchange::open(self, connector, ask, None)
    }

    /// Sends the request over a connection with a small receive buffer, so that a stopped reader is noticed soon.
    pub fn ask_with_receive_buffer(self, server: &Server, ask: &Ask, size: usize) -> Exchange {
        let exchange = Exchange::open(self, &server.connector(), ask, Some(size));
        exchange.unwrap_or_else(|error| panic!("cannot ask: {error}"))
    }

    /// Requests `path`, and waits for the whole answer.
    pub fn get(self, server: &Server, path: &str) -> Answer {
        self.ask(server, &Ask::get(path)).answer()
    }

    /// Posts `body` with its length, and waits for the whole answer.
    pub fn post(self, server: &Server, path: &str, body: &[u8]) -> Answer {
        let ask = Ask::post(path).length(body.len());
        self.ask(server, &ask).stream([body.to_vec()])
    }
}

impl Options {
    /// Uses TLS if the transport does.
    pub fn over(self, transport: Transport) -> Self {
        if transport.is_tls() { self.tls() } else { self }
    }
}

/// Servers that tests share: one in clear text and one with TLS, started on first use.
#[derive(Debug)]
pub struct Servers {
    options: fn() -> Options,
    clear: OnceLock<Server>,
    tls: OnceLock<Server>,
}

impl Servers {
    /// Both are started with `options`.
    pub const fn new(options: fn() -> Options) -> Self {
        Self { options, clear: OnceLock::new(), tls: OnceLock::new() }
    }

    /// The server for a transport.
    pub fn over(&self, transport: Transport) -> &Server {
        let server = if transport.is_tls() { &self.tls } else { &self.clear };
        server.get_or_init(|| Server::start((self.options)().over(transport)))
    }
}

/// Makes each function of one [`Transport`] a test for each of the four.
#[macro_export]
macro_rules! over_every_transport {
    ($($test:ident),+ $(,)?) => {
        $crate::over_transport! { clear_http1 ClearHttp1: $($test),+ }
        $crate::over_transport! { tls_http1 TlsHttp1: $($test),+ }
        $crate::over_transport! { clear_http2 ClearHttp2: $($test),+ }
        $crate::over_transport! { tls_http2 TlsHttp2: $($test),+ }
    };
}

/// Makes each function of one [`Transport`] a test for one transport, in a module with its name.
#[macro_export]
macro_rules! over_transport {
    ($module:ident $transport:ident: $($test:ident),+) => {
        mod $module {
            $(
                #[test]
                fn $test() {
                    super::$test($crate::Transport::$transport);
                }
            )+
        }
    };
}
