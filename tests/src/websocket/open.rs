//! Opening WebSockets over each [`Transport`], and using the applications of `tests/apps/websocket.py`.

use super::{Handshake, WebSocket, http1, http2};
use crate::options::Options;
use crate::response::Response;
use crate::server::Server;
use crate::transport::Transport;
use crate::wait::{PATIENCE, within};
use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;

impl Transport {
    /// Starts a server for this transport.
    pub fn start(self, options: Options) -> Server {
        Server::start(options.over(self))
    }

    /// A server of `websocket:app` that the tests of one program share.
    pub fn shared(self) -> &'static Server {
        static SERVERS: [OnceLock<Server>; 4] = [const { OnceLock::new() }; 4];
        SERVERS[self as usize].get_or_init(|| self.start(Options::app("websocket:app")))
    }

    /// Requests a WebSocket. An error is the response that refuses it.
    pub fn upgrade(self, server: &Server, handshake: &Handshake) -> Result<WebSocket, Response> {
        self.upgrade_with(server, handshake, None)
    }

    fn upgrade_with(
        self,
        server: &Server,
        handshake: &Handshake,
        buffer: Option<usize>,
    ) -> Result<WebSocket, Response> {
        if self.is_http2() {
            http2::Asked::ask(server, self.is_tls(), handshake, buffer).open()
        } else {
            http1::open(http1::ask(server, handshake, buffer))
        }
    }

    /// Requests a WebSocket, calls `meanwhile`, and leaves without waiting for the answer.
    pub fn ask_and_leave(self, server: &Server, handshake: &Handshake, meanwhile: impl FnOnce()) {
        if self.is_http2() {
            let asked = http2::Asked::ask(server, self.is_tls(), handshake, None);
            meanwhile();
            drop(asked);
        } else {
            let client = http1::ask(server, handshake, None);
            meanwhile();
            drop(client);
        }
    }

    /// Opens a WebSocket.
    #[track_caller]
    pub fn open(self, server: &Server, handshake: &Handshake) -> WebSocket {
        self.upgrade(server, handshake).unwrap_or_else(|response| panic!("refused: {response:?}"))
    }

    /// Opens a WebSocket at `target` with nothing negotiated.
    #[track_caller]
    pub fn connect(self, server: &Server, target: &str) -> WebSocket {
        self.open(server, &Handshake::to(target))
    }

    /// The same; none if the connection ended during its handshake.
    pub fn try_connect(self, server: &Server, target: &str) -> Option<WebSocket> {
        std::panic::catch_unwind(AssertUnwindSafe(|| self.connect(server, target))).ok()
    }

    /// The same with a receive buffer of about `size` bytes, so that a stopped reader is noticed soon.
    pub fn connect_with_receive_buffer(self, server: &Server, target: &str, size: usize) -> WebSocket {
        let opened = self.upgrade_with(server, &Handshake::to(target), Some(size));
        opened.unwrap_or_else(|response| panic!("refused: {response:?}"))
    }

    /// The message of a WebSocket application at `target` before it closes.
    #[track_caller]
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

    /// Waits until a note under `token` starts with `start`, and returns it.
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
