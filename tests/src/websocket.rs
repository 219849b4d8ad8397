//! One WebSocket: "send this frame, expect that frame", over any [`Transport`](crate::Transport).

mod carrier;
mod frame;
mod handshake;
mod http1;
pub mod http2;
mod open;

use crate::response::Response;
use crate::wait::PATIENCE;
pub use carrier::Carrier;
pub use frame::{BINARY, CLOSE, CONTINUATION, Frame, PING, PONG, TEXT};
pub use handshake::Handshake;
use std::io::ErrorKind;
use std::time::Duration;

/// An open WebSocket. Every wait on it is bounded.
pub struct WebSocket {
    carrier: Box<dyn Carrier>,
    unread: Vec<u8>,
    /// How the stream ended, if improperly: by a reset, or over TLS without close_notify.
    cut: Option<std::io::Error>,
    /// The response that opened it.
    pub response: Response,
}

impl std::fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebSocket").field("response", &self.response).finish_non_exhaustive()
    }
}

impl WebSocket {
    pub(crate) fn over(carrier: Box<dyn Carrier>, response: Response, unread: Vec<u8>) -> Self {
        Self { carrier, unread, cut: None, response }
    }

    /// Sends a frame, masked.
    pub fn send(&mut self, frame: Frame) -> &mut Self {
        self.send_bytes(frame.masked())
    }

    /// Sends a text message in one frame.
    pub fn send_text(&mut self, text: impl AsRef<str>) -> &mut Self {
        self.send(Frame::text(text.as_ref()))
    }

    /// Sends a binary message in one frame.
    pub fn send_binary(&mut self, bytes: impl Into<Vec<u8>>) -> &mut Self {
        self.send(Frame::binary(bytes))
    }

    /// Sends a close frame.
    pub fn send_close(&mut self, code: u16, reason: &str) -> &mut Self {
        self.send(Frame::close(code, reason))
    }

    /// Sends bytes that need not be frames, all of them.
    pub fn send_bytes(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        assert!(self.try_send(bytes), "the server takes what is sent");
        self
    }

    /// Sends bytes; false if the server does not accept all of them, because it may have closed.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let mut left = bytes.as_ref();
        while !left.is_empty() {
            match self.carrier.write(left, PATIENCE) {
                Ok(0) | Err(_) => return false,
                Ok(count) => left = &left[count..],
            }
        }
        true
    }

    /// Sends `block` again and again until the server accepts nothing for `patience`, closes, or `limit` bytes are
    /// sent; returns the number of bytes sent.
    pub fn pump(&mut self, block: &[u8], limit: usize, patience: Duration) -> usize {
        let mut sent = 0;
        while sent < limit {
            let from = sent % block.len();
            let to = block.len().min(from + limit - sent);
            match self.carrier.write(&block[from..to], patience) {
                Ok(0) | Err(_) => break,
                Ok(count) => sent += count,
            }
        }
        sent
    }

    /// The next frame. A server's frames are unmasked and in the shortest form.
    #[track_caller]
    pub fn frame(&mut self) -> Frame {
        let frame = self.next_frame();
        frame.unwrap_or_else(|| panic!("ended instead of a frame: {:?}", self.unread))
    }

    /// The next frame, unless the stream ends first.
    pub fn next_frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, size)) = Frame::parse(&self.unread) {
                self.unread.drain(..size);
                return Some(frame);
            }
            if !self.fill(PATIENCE) {
                return None;
            }
        }
    }

    /// Expects this frame next.
    #[track_caller]
    pub fn expect(&mut self, frame: Frame) -> &mut Self {
        let found = self.frame();
        assert!(found == frame, "expected {frame:?}, got {found:?}");
        self
    }

    /// Expects a text message next, and returns it.
    #[track_caller]
    pub fn text(&mut self) -> String {
        let frame = self.frame();
        assert!(frame.is_whole(TEXT), "expected a text, got {frame:?}");
        String::from_utf8(frame.payload).expect("a text is UTF-8")
    }

    /// Expects a text message with JSON next.
    #[track_caller]
    pub fn json(&mut self) -> serde_json::Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Expects a binary message next, and returns it.
    #[track_caller]
    pub fn binary(&mut self) -> Vec<u8> {
        let frame = self.frame();
        assert!(frame.is_whole(BINARY), "expected bytes, got {frame:?}");
        frame.payload
    }

    /// Expects this text message next.
    #[track_caller]
    pub fn expect_text(&mut self, text: &str) -> &mut Self {
        self.expect(Frame::text(text))
    }

    /// Expects a close frame with this code next, and returns its reason.
    #[track_caller]
    pub fn expect_close(&mut self, code: u16) -> String {
        let frame = self.frame();
        assert!(frame.is_whole(CLOSE) && frame.payload.len() >= 2, "expected close {code}, got {frame:?}");
        let found = u16::from_be_bytes([frame.payload[0], frame.payload[1]]);
        let reason = String::from_utf8(frame.payload[2..].to_vec()).expect("a reason is UTF-8");
        assert_eq!(found, code, "{reason:?}");
        reason
    }

    /// Expects the server to close with this code, answers, and waits for the end of the connection.
    #[track_caller]
    pub fn closed_by_server(mut self, code: u16) -> String {
        let reason = self.expect_close(code);
        self.try_send(Frame::close(code, "").masked());
        self.expect_end();
        reason
    }

    /// Closes with this code, and expects the answer and the end.
    #[track_caller]
    pub fn close(mut self, code: u16, reason: &str) {
        self.send_close(code, reason);
        let answer = self.expect_close(code);
        assert!(answer.is_empty() || answer == reason, "{answer:?} in answer to {reason:?}");
        self.expect_end();
    }

    /// Waits until the server ends the stream properly, without sending anything more.
    #[track_caller]
    pub fn expect_end(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "expected the end, got {rest:?}");
        assert!(self.cut.is_none(), "the end was {:?}", self.cut);
    }

    /// Everything until the server ends the stream.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.fill(PATIENCE) {}
        std::mem::take(&mut self.unread)
    }

    /// Skips frames up to the close frame and returns its code; none if the stream ends first.
    pub fn code_at_the_end(&mut self) -> Option<u16> {
        let rest = self.rest();
        let mut at = 0;
        while let Some((frame, size)) = Frame::parse(&rest[at..]) {
            if frame.opcode == CLOSE {
                return frame.payload.first_chunk().map(|code| u16::from_be_bytes(*code));
            }
            at += size;
        }
        None
    }

    /// Shows that the server neither sends nor ends the stream for `time`.
    #[track_caller]
    pub fn expect_silence(&mut self, time: Duration) {
        assert!(self.unread.is_empty(), "unread: {:?}", self.unread);
        match self.carrier.read(time) {
            Ok(bytes) if bytes.is_empty() => panic!("ended instead of staying silent"),
            Ok(bytes) => panic!("not silent: {bytes:?}"),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => panic!("{error} instead of silence"),
        }
    }

    /// Ends the sending side without a close frame.
    pub fn finish_sending(&mut self) {
        self.carrier.finish();
    }

    /// Disconnects at once.
    pub fn abort(self) {
        self.carrier.abort();
    }

    /// Reads more bytes; false at the end. A reset counts as an end.
    fn fill(&mut self, limit: Duration) -> bool {
        match self.carrier.read(limit) {
            Ok(bytes) => {
                self.unread.extend_from_slice(&bytes);
                !bytes.is_empty()
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("nothing came for {limit:?} after {:?}", self.unread)
            }
            Err(error) => {
                self.cut = Some(error);
                false
            }
        }
    }
}
