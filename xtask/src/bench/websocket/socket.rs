//! A client's WebSocket connection: does the opening handshake, joins frames to messages, answers pings.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::frame;

/// How long an answer may take outside a measurement.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The example key of RFC 6455 §1.3 and its answer, so that no SHA-1 is needed.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The compression offer of browsers.
const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

/// A message from the server.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) is_compressed: bool,
    pub(super) payload: Vec<u8>,
}

/// An open connection.
pub(super) struct Socket {
    stream: TcpStream,
    /// Bytes read but not parsed.
    buffer: Vec<u8>,
    /// An incomplete message.
    partial: Option<Received>,
}

impl Socket {
    /// Connects to a port of 127.0.0.1. Fails also if the negotiated compression differs from `is_deflated`.
    pub(super) fn connect(port: u16, path: &str, is_deflated: bool) -> Result<Socket> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let offer = if is_deflated { OFFER } else { "" };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{offer}\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let (head, buffer) = read_head(&mut stream)?;
        check_head(&head, is_deflated)?;
        Ok(Socket { stream, buffer, partial: None })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends a frame. Blocks if the server does not read; a message or two always fit.
    pub(super) fn send(&mut self, frame: &[u8]) -> Result<()> {
        self.stream.write_all(frame).context("cannot send a message")
    }

    /// Reads once. Blocks if there is nothing to read.
    pub(super) fn read(&mut self, scratch: &mut [u8]) -> Result<()> {
        let length = self.stream.read(scratch).context("cannot read a message")?;
        ensure!(length > 0, "the server ended the connection");
        self.buffer.extend_from_slice(&scratch[..length]);
        Ok(())
    }

    /// The next message in the buffer, if complete.
    pub(super) fn next_message(&mut self) -> Result<Option<Received>> {
        while let Some((frame, length)) = frame::read(&self.buffer)? {
            let mut answer = None;
            match frame.opcode {
                frame::PING => answer = Some(frame::write(frame::PONG, false, frame.payload, [1; 4])),
                frame::PONG => {}
                frame::CLOSE => bail!("the server closed the connection"),
                opcode => {
                    let is_first = opcode != frame::CONTINUATION;
                    ensure!(is_first == self.partial.is_none(), "a frame out of its order");
                    let message = self.partial.get_or_insert_default();
                    message.is_compressed |= frame.is_compressed;
                    message.payload.extend_from_slice(frame.payload);
                    if frame.is_last {
                        self.buffer.drain(..length);
                        return Ok(self.partial.take());
                    }
                }
            }
            self.buffer.drain(..length);
            if let Some(answer) = answer {
                self.send(&answer)?;
            }
        }
        Ok(None)
    }

    /// Waits for the next message.
    pub(super) fn receive(&mut self) -> Result<Received> {
        loop {
            if let Some(received) = self.next_message()? {
                return Ok(received);
            }
            self.read(&mut [0; 4096])?;
        }
    }

    /// Begins the closing handshake, with the code for "done".
    pub(super) fn say_goodbye(&mut self) -> Result<()> {
        self.send(&frame::write(frame::CLOSE, false, &1000u16.to_be_bytes(), [1; 4]))
    }

    /// Reads until the server has closed its end too, or until `deadline`.
    pub(super) fn wait_for_end(&mut self, deadline: Instant) -> Result<()> {
        while let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        {
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(&mut [0; 4096]) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Reads a head up to the blank line. Also returns the bytes read after it.
fn read_head(stream: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    let (mut bytes, mut scratch) = (Vec::new(), [0; 4096]);
    loop {
        let length = stream.read(&mut scratch).context("no answer to the opening handshake")?;
        bytes.extend_from_slice(&scratch[..length]);
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
        ensure!(length > 0, "the connection ended within the opening handshake");
    }
}

/// Checks the answer to the opening handshake (RFC 6455 §4.1).
fn check_head(head: &str, is_deflated: bool) -> Result<()> {
    let status = head.lines().next().unwrap_or_default();
    ensure!(status.split(' ').nth(1) == Some("101"), "`{status}` instead of 101");
    let value = |wanted: &str| {
        let fields = head.lines().filter_map(|line| line.split_once(':'));
        fields.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    };
    ensure!(value("sec-websocket-accept") == Some(ACCEPT), "a wrong Sec-WebSocket-Accept");
    let extensions = value("sec-websocket-extensions").unwrap_or_default();
    ensure!(
        extensions.starts_with("permessage-deflate") == is_deflated,
        "permessage-deflate was {}asked for, and the server chose `{extensions}`",
        if is_deflated { "" } else { "not " }
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A connection whose server has sent `bytes`, and the server's end of it.
    fn socket(bytes: &[u8]) -> (Socket, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(bytes).unwrap();
        (Socket { stream, buffer: Vec::new(), partial: None }, server)
    }

    #[test]
    fn a_message_of_several_frames_is_one_and_a_ping_between_them_is_answered() {
        let (mut socket, mut server) = socket(b"\x41\x03Hel\x89\x02hi\x80\x02lo\x81\x01x");
        assert_eq!(socket.receive().unwrap(), Received { is_compressed: true, payload: b"Hello".into() });
        assert_eq!(socket.receive().unwrap(), Received { is_compressed: false, payload: b"x".into() });
        let mut pong = [0; 8];
        server.read_exact(&mut pong).unwrap();
        assert_eq!(pong.to_vec(), frame::write(frame::PONG, false, b"hi", [1; 4]));
    }

    #[test]
    fn a_server_that_closes_is_an_error() {
        assert!(socket(b"\x88\x00").0.receive().is_err());
        assert!(socket(b"\x80\x00").0.receive().is_err());
        let (mut socket, server) = socket(b"");
        drop(server);
        assert!(socket.receive().is_err());
    }

    #[test]
    fn the_handshake_says_what_was_agreed_on() {
        let head = |more: &str| format!("HTTP/1.1 101 x\r\nsec-websocket-accept: {ACCEPT}\r\n{more}\r\n");
        let deflate = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=12\r\n";
        assert!(check_head(&head(""), false).is_ok());
        assert!(check_head(&head(deflate), true).is_ok());
        assert!(check_head(&head(""), true).is_err());
        assert!(check_head(&head(deflate), false).is_err());
        assert!(check_head("HTTP/1.1 101 x\r\nSec-WebSocket-Accept: x\r\n\r\n", false).is_err());
        assert!(check_head("HTTP/1.1 404 Not Found\r\n\r\n", false).is_err());
    }
}
