//! One connection of the open load: never blocks, and has one request under way at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Instant;

use anyhow::{Result, bail, ensure};

use super::super::http::Reader;

/// An open connection.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    reader: Reader,
    /// The request under way.
    pub(super) request: Option<u64>,
    /// How many of its bytes are sent.
    sent: usize,
    /// Since when no request is under way.
    pub(super) free_since: Instant,
}

impl Connection {
    /// Connects to a port of 127.0.0.1.
    pub(super) fn open(port: u16) -> Result<Connection> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let (reader, free_since) = (Reader::new(), Instant::now());
        Ok(Connection { stream, reader, request: None, sent: 0, free_since })
    }

    /// Begins to send a request. Returns whether all of it is sent.
    pub(super) fn begin(&mut self, request: u64, bytes: &[u8]) -> Result<bool> {
        self.request = Some(request);
        self.sent = 0;
        self.send(bytes)
    }

    /// Sends the rest of the request. Returns whether all of it is sent.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<bool> {
        while self.sent < bytes.len() {
            match self.stream.write(&bytes[self.sent..]) {
                Ok(length) => self.sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    /// Reads once. Returns the status if this completes the response to the request under way.
    pub(super) fn receive(&mut self, scratch: &mut [u8]) -> Result<Option<u16>> {
        let length = match self.stream.read(scratch) {
            Ok(0) => bail!("the server ended the connection"),
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        ensure!(self.request.is_some(), "a response to no request");
        let (taken, status) = self.reader.take(&scratch[..length], |_| ())?;
        ensure!(taken == length, "there is more than the response");
        Ok(status)
    }
}
