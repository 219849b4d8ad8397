//! The encrypted stream of one connection.

use std::cell::RefCell;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use pounce_asgi::TlsInfo;
use rustls::{ProtocolVersion, ServerConnection};

use super::identity::{pem, subject};
use super::store::{Setup, TlsStore};
use crate::stream::Socket;

/// How much is read from the socket at once: more than one record of the greatest size.
const READ: usize = 32 * 1024;

/// How much is encrypted before it is written.
const WRITE: usize = 64 * 1024;

thread_local! {
    /// The buffer for encrypted bytes. The session holds what remains of them after each read, so one buffer serves all
    /// connections.
    static ENCRYPTED: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into_boxed_slice());
}

/// TLS over a connected socket.
#[derive(Debug)]
pub(crate) struct TlsStream {
    socket: Socket,
    session: ServerConnection,
    setup: Arc<Setup>,
    /// Bytes encrypted for a caller whose write is pending because the socket has not taken them yet. The caller passes
    /// them again until the write completes.
    accepted: usize,
    /// Whether the socket has not taken all encrypted bytes.
    blocked: bool,
    /// Decrypted bytes that did not fit into the caller's buffer.
    overflow: Vec<u8>,
    end_of_input: bool,
}

impl TlsStream {
    /// The server's side of a newly accepted connection.
    pub(crate) fn new(store: &TlsStore, socket: Socket, now: Instant) -> Result<Self, rustls::Error> {
        let setup = store.current(now);
        let mut session = ServerConnection::new(Arc::clone(&setup.config))?;
        session.set_buffer_limit(None);
        Ok(Self {
            socket,
            session,
            setup,
            accepted: 0,
            blocked: false,
            overflow: Vec::new(),
            end_of_input: false,
        })
    }

    /// Continues the handshake until it is complete.
    ///
    /// # Errors
    /// The client's fault; the alert has been sent.
    pub(crate) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.is_handshaking() {
            if self.poll_send(cx)?.is_pending() {
                return Poll::Pending;
            }
            if !self.session.is_handshaking() {
                break;
            }
            std::task::ready!(self.poll_fill(cx, &mut []))?;
            // A client that closes its side right after the handshake still gets an answer.
            if self.end_of_input && self.session.is_handshaking() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        // In TLS 1.2 the client waits for the server's Finished; in 1.3 only tickets are left, which go with the first
        // response.
        if self.session.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
            std::task::ready!(self.poll_send(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// The result of the handshake.
    pub(crate) fn info(&self) -> Option<TlsInfo> {
        let chain = self.session.peer_certificates().unwrap_or_default();
        Some(TlsInfo {
            version: self.session.protocol_version()?.into(),
            cipher_suite: self.session.negotiated_cipher_suite()?.suite().into(),
            server_cert: Rc::from(&*self.setup.identities.find(self.session.server_name())?.pem),
            // Of the client's own certificate or none: not that of the authority behind it.
            client_name: chain.first().and_then(subject),
            client_chain: chain.iter().filter_map(pem).collect(),
        })
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The negotiated protocol, if any.
    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        self.session.alpn_protocol()
    }

    /// Reads into `buffer`; 0 is the end, with or without close_notify.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let read = self.take(buffer)?;
            if read > 0 || self.end_of_input || buffer.is_empty() {
                return Poll::Ready(Ok(read));
            }
            let decrypted = std::task::ready!(self.poll_fill(cx, buffer))?;
            if decrypted > 0 {
                return Poll::Ready(Ok(decrypted));
            }
        }
    }

    /// Writes some of `slices`. If pending, the next call must begin with the same bytes.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.accepted == 0 {
            // Send what the socket did not take before; new output, such as tickets, goes along.
            if self.blocked && self.poll_send(cx)?.is_pending() {
                return Poll::Pending;
            }
            let mut writer = self.session.writer();
            for slice in slices {
                let piece = &slice[..slice.len().min(WRITE - self.accepted)];
                self.accepted += writer.write(piece)?;
                if self.accepted == WRITE {
                    break;
                }
            }
        }
        std::task::ready!(self.poll_send(cx))?;
        Poll::Ready(Ok(std::mem::take(&mut self.accepted)))
    }

    /// Sends close_notify, and shuts down the sending side of the socket.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.session.send_close_notify();
        std::task::ready!(self.poll_send(cx))?;
        self.socket.poll_shutdown(cx)
    }

    /// Takes bytes that are already decrypted.
    fn take(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.overflow.is_empty() {
            let count = buffer.len().min(self.overflow.len());
            buffer[..count].copy_from_slice(&self.overflow[..count]);
            self.overflow.drain(..count);
            return Ok(count);
        }
        match self.session.reader().read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            // EOF without close_notify; the protocol above detects truncation.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.end_of_input = true;
                Ok(0)
            }
            Ok(0) if !buffer.is_empty() => {
                self.end_of_input = true;
                Ok(0)
            }
            other => other,
        }
    }

    /// Reads from the socket once and decrypts into `buffer`.
    fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        ENCRYPTED.with_borrow_mut(|encrypted| {
            let read = std::task::ready!(self.socket.poll_read(cx, encrypted))?;
            self.decrypt(cx, &encrypted[..read], buffer)
        })
    }

    /// Decrypts the bytes read, and takes as many as fit.
    fn decrypt(
        &mut self,
        cx: &mut Context<'_>,
        mut rest: &[u8],
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let was_handshaking = self.session.is_handshaking();
        let mut filled = 0;
        if rest.is_empty() {
            self.end_of_input = true;
            // Report the end to the session, which knows whether close_notify came first.
            self.session.read_tls(&mut rest)?;
        }
        while !rest.is_empty() {
            self.session.read_tls(&mut rest)?;
            let state = match self.session.process_new_packets() {
                Ok(state) => state,
                Err(error) => {
                    // Send the alert.
                    let _ = self.poll_send(cx)?;
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
                }
            };
            let mut left = state.plaintext_bytes_to_read();
            while left > 0 && filled < buffer.len() {
                let count = self.session.reader().read(&mut buffer[filled..])?;
                filled += count;
                left -= count;
            }
            if left > 0 {
                let start = self.overflow.len();
                self.overflow.resize(start + left, 0);
                self.session.reader().read_exact(&mut self.overflow[start..])?;
            }
            if state.peer_has_closed() {
                self.end_of_input = true;
                break;
            }
        }
        if self.session.wants_write() && !was_handshaking {
            // Send answers to key updates and refused renegotiations; the rest goes with the next write.
            let _ = self.poll_send(cx)?;
        }
        Poll::Ready(Ok(filled))
    }

    /// Writes encrypted bytes to the socket.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            let mut writer = Writer { socket: &mut self.socket, cx };
            match self.session.write_tls(&mut writer) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.blocked = true;
                    return Poll::Pending;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.blocked = false;
        Poll::Ready(Ok(()))
    }
}

/// A socket for rustls to write to: pending becomes an error.
struct Writer<'a, 'c> {
    socket: &'a mut Socket,
    cx: &'a mut Context<'c>,
}

impl io::Write for Writer<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.socket.poll_write(self.cx, slices) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
