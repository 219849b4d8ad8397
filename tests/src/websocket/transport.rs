//! What a WebSocket can be carried by, and the same test for each of it.

use super::http1;
use super::{Handshake, WebSocket};
use crate::options::Options;
use crate::response::Response;
use crate::server::Server;
use crate::wait::{PATIENCE, within};
use std::net::TcpStream;
use std::sync::OnceLock;

/// What carries a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// HTTP/1.1 in clear text.
    Http1,
}

impl Transport {
    /// Whether it is HTTP/2, where a WebSocket is a stream among others.
    pub fn is_http2(self) -> bool {
        false
    }

    /// Whether it is encrypted.
    pub fn is_tls(self) -> bool {
        false
    }

    /// Starts a server that can be spoken to this way.
    pub fn start(self, options: Options) -> Server {
        Server::start(options)
    }

    /// A server of `websocket:app` that the tests of one program share.
    pub fn shared(self) -> &'static Server {
        static SERVERS: [OnceLock<Server>; 4] = [const { OnceLock::new() }; 4];
        SERVERS[self as usize].get_or_init(|| self.start(Options::app("websocket:app")))
    }

    /// Asks for a WebSocket. The response, if it is refused.
    pub fn ask(self, server: &Server, handshake: &Handshake) -> Result<WebSocket, Response> {
        http1::open(tcp(server, None), handshake)
    }

    /// Asks for a WebSocket, calls `meanwhile`, and leaves without waiting for the answer.
    pub fn ask_and_leave(self, server: &Server, handshake: &Handshake, meanwhile: impl FnOnce()) {
        let wire = http1::ask(tcp(server, None), handshake);
        meanwhile();
        drop(wire);
    }

    /// Opens a WebSocket.
    #[track_caller]
    pub fn open(self, server: &Server, handshake: &Handshake) -> WebSocket {
        self.ask(server, handshake).unwrap_or_else(|response| panic!("refused: {response:?}"))
    }

    /// Opens a WebSocket at `target` with nothing negotiated.
    #[track_caller]
    pub fn connect(self, server: &Server, target: &str) -> WebSocket {
        self.open(server, &Handshake::to(target))
    }

    /// The same, or nothing where the connection was not served to the end of its handshake.
    pub fn try_connect(self, server: &Server, target: &str) -> Option<WebSocket> {
        std::panic::catch_unwind(|| self.connect(server, target)).ok()
    }

    /// The same with a receive buffer of about `size` bytes, so that a reader that stops is noticed soon.
    pub fn connect_with_receive_buffer(self, server: &Server, target: &str, size: usize) -> WebSocket {
        let opened = http1::open(tcp(server, Some(size)), &Handshake::to(target));
        opened.unwrap_or_else(|response| panic!("refused: {response:?}"))
    }

    /// What a WebSocket application at `target` says before it closes.
    pub fn hear(self, server: &Server, target: &str) -> String {
        let mut socket = self.connect(server, target);
        let text = socket.text();
        socket.closed_by_server(1000);
        text
    }

    /// The notes written under `token` so far.
    pub fn notes(self, server: &Server, token: &str) -> Vec<String> {
        let notes = self.hear(server, &format!("/notes/{token}"));
        serde_json::from_str(&notes).expect("a list of strings")
    }

    /// Waits until a note under `token` starts with `start`, and gives it.
    #[track_caller]
    pub fn wait_note(self, server: &Server, token: &str, start: &str) -> String {
        let mut last = Vec::new();
        let found = within(PATIENCE, || {
            last = self.notes(server, token);
            last.iter().find(|note| note.starts_with(start)).cloned()
        });
        found.unwrap_or_else(|| panic!("no note starts with {start:?}: {last:?}\n{}", server.stderr()))
    }
}

fn tcp(server: &Server, receive_buffer: Option<usize>) -> TcpStream {
    let address = server.address();
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None);
    let socket = socket.expect("sockets can be made");
    if let Some(size) = receive_buffer {
        socket.set_recv_buffer_size(size).expect("any size is taken as a hint");
    }
    socket.connect(&address.into()).unwrap_or_else(|error| panic!("connect to {address}: {error}"));
    socket.set_tcp_nodelay(true).expect("TCP has it");
    socket.set_read_timeout(Some(PATIENCE)).expect("not zero");
    socket.set_write_timeout(Some(PATIENCE)).expect("not zero");
    socket.into()
}

/// Makes each function of one [`Transport`] a test for every transport.
#[macro_export]
macro_rules! over_every_transport {
    ($($test:ident),+ $(,)?) => {
        $crate::over_transport! { http1 Http1: $($test),+ }
    };
}

/// Makes each function of one [`Transport`] a test for one transport, in a module with the transport's name.
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
