//! A connected socket of any family, and the clear-text or TLS stream over it.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pounce_asgi::FileBody;
use pounce_metrics::{Direction, WorkerMetrics};
use pounce_net::ProxyHeader;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::tls::TlsStream;

/// The most bytes of a file sent by one system call, so that a fast client does not keep the worker in it.
const SEND_AT_ONCE: u64 = 256 * 1024;

/// A connected socket.
#[derive(Debug)]
pub(crate) struct Socket {
    kind: Kind,
    /// Bytes taken by the socket.
    sent: u64,
    /// Where the bytes of all connections are counted, if they are.
    metrics: Option<Arc<WorkerMetrics>>,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Self { kind: Kind::Tcp(stream), sent: 0, metrics: None }
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        Self { kind: Kind::Unix(stream), sent: 0, metrics: None }
    }
}

/// The bytes of a connection, both ways.
#[derive(Debug)]
pub(crate) enum Stream {
    Clear(Socket),
    Tls(Box<TlsStream>),
    /// The socket is closed.
    Closed,
}

impl Socket {
    /// Counts its bytes from now on.
    pub(crate) fn count_in(&mut self, metrics: Option<Arc<WorkerMetrics>>) {
        self.metrics = metrics;
    }

    /// Whether the process at the other end is root's or of the same user as this one. False for other than Unix sockets.
    pub(crate) fn is_of_own_user(&self) -> bool {
        match &self.kind {
            Kind::Unix(stream) => stream.peer_cred().is_ok_and(|peer| pounce_net::is_own_user(peer.uid())),
            Kind::Tcp(_) => false,
        }
    }

    /// Reads into `buffer`; 0 is the end.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut read = ReadBuf::new(buffer);
        let polled = match &mut self.kind {
            Kind::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut read),
            Kind::Unix(stream) => Pin::new(stream).poll_read(cx, &mut read),
        };
        let count = read.filled().len();
        if let (Poll::Ready(Ok(())), Some(metrics)) = (&polled, &self.metrics) {
            metrics.bytes(Direction::Received, count as u64);
        }
        polled.map_ok(|()| count)
    }

    /// Writes some of `slices`, in one system call.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match (&mut self.kind, slices) {
            (Kind::Tcp(stream), [one]) => Pin::new(stream).poll_write(cx, one),
            (Kind::Tcp(stream), _) => Pin::new(stream).poll_write_vectored(cx, slices),
            (Kind::Unix(stream), [one]) => Pin::new(stream).poll_write(cx, one),
            (Kind::Unix(stream), _) => Pin::new(stream).poll_write_vectored(cx, slices),
        };
        self.count(written)
    }

    /// Writes some of `file` without reading it; 0 is the end of the file.
    ///
    /// # Errors
    /// Those of [`pounce_net::send_file`].
    fn poll_send_file(&mut self, cx: &mut Context<'_>, file: &FileBody) -> Poll<io::Result<usize>> {
        let count = usize::try_from(file.length.min(SEND_AT_ONCE)).unwrap_or(usize::MAX);
        let sent = self.poll_with(cx, Interest::WRITABLE, |socket| {
            pounce_net::send_file(socket, file.file.as_fd(), file.offset, count)
        });
        self.count(sent)
    }

    fn count(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = written {
            self.sent += count as u64;
            if let Some(metrics) = &self.metrics {
                metrics.bytes(Direction::Sent, count as u64);
            }
        }
        written
    }

    /// Bytes taken by the peer, up to a constant: only differences are meaningful.
    fn taken(&self) -> i64 {
        let unsent = match &self.kind {
            Kind::Tcp(stream) => pounce_net::unsent(stream.as_fd()),
            Kind::Unix(stream) => pounce_net::unsent(stream.as_fd()),
        };
        // On an error the peer is gone, which is noticed elsewhere.
        self.sent.cast_signed().saturating_sub_unsigned(unsent.unwrap_or(0))
    }

    /// Takes a header of the PROXY protocol, and no byte behind it.
    ///
    /// # Errors
    /// Those of [`pounce_net::take_proxy_header`].
    pub(crate) fn poll_proxy_header(&self, cx: &mut Context<'_>) -> Poll<io::Result<ProxyHeader>> {
        self.poll_with(cx, Interest::READABLE, pounce_net::take_proxy_header)
    }

    /// Performs a system call once the socket is ready, which one that would block has to wait for.
    fn poll_with<T>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        call: impl Fn(BorrowedFd<'_>) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            let ready = match (&self.kind, interest.is_writable()) {
                (Kind::Tcp(stream), true) => stream.poll_write_ready(cx),
                (Kind::Tcp(stream), false) => stream.poll_read_ready(cx),
                (Kind::Unix(stream), true) => stream.poll_write_ready(cx),
                (Kind::Unix(stream), false) => stream.poll_read_ready(cx),
            };
            std::task::ready!(ready)?;
            let done = match &self.kind {
                Kind::Tcp(stream) => stream.try_io(interest, || call(stream.as_fd())),
                Kind::Unix(stream) => stream.try_io(interest, || call(stream.as_fd())),
            };
            match done {
                // No longer ready: poll again, which registers the task.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return Poll::Ready(other),
            }
        }
    }

    /// Tells the peer that nothing more comes.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Kind::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl Stream {
    /// Reads into `buffer`; 0 is the end.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Clear(socket) => socket.poll_read(cx, buffer),
            Self::Tls(stream) => stream.poll_read(cx, buffer),
            Self::Closed => Poll::Ready(Ok(0)),
        }
    }

    /// Writes some of `slices`. If pending, the next call must begin with the same bytes.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Clear(socket) => socket.poll_write(cx, slices),
            Self::Tls(stream) => stream.poll_write(cx, slices),
            Self::Closed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Writes some of `file` without reading it; 0 is the end of the file.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] if the caller must read the bytes, as always for TLS.
    pub(crate) fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        file: &FileBody,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Clear(socket) => socket.poll_send_file(cx, file),
            Self::Tls(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
            Self::Closed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Tells the peer that nothing more comes.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(socket) => socket.poll_shutdown(cx),
            Self::Tls(stream) => stream.poll_shutdown(cx),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }

    /// Bytes taken by the socket, after encryption.
    pub(crate) fn sent(&self) -> u64 {
        self.socket().map_or(0, |socket| socket.sent)
    }

    /// Bytes taken by the peer, up to a constant: only differences are meaningful. Costs a system call.
    pub(crate) fn taken(&self) -> i64 {
        self.socket().map_or(0, Socket::taken)
    }

    fn socket(&self) -> Option<&Socket> {
        match self {
            Self::Clear(socket) => Some(socket),
            Self::Tls(stream) => Some(stream.socket()),
            Self::Closed => None,
        }
    }

    /// Closes the socket, after a TLS close_notify if that can be sent without waiting.
    pub(crate) fn close(&mut self) {
        if let Self::Tls(stream) = self {
            let _ = stream.poll_shutdown(&mut Context::from_waker(std::task::Waker::noop()));
        }
        *self = Self::Closed;
    }
}
