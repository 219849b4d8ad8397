//! A connected socket, of whatever family, and what is spoken directly over it: clear text or TLS.

use std::io::{self, IoSlice};
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use pounce_asgi::FileBody;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::tls::TlsStream;

/// How much of a file is sent by one system call: a client that reads as fast as it is sent to does not keep the
/// worker in it.
const SEND_AT_ONCE: u64 = 256 * 1024;

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The bytes of a connection, both ways.
#[derive(Debug)]
pub(crate) enum Stream {
    Clear(Socket),
    Tls(Box<TlsStream>),
    /// No socket any more.
    Closed,
}

impl Socket {
    /// Reads into `buffer`; 0 is the end.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut read = ReadBuf::new(buffer);
        let polled = match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut read),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, &mut read),
        };
        polled.map_ok(|()| read.filled().len())
    }

    /// Writes some of `slices`, in one system call.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match (self, slices) {
            (Self::Tcp(stream), [one]) => Pin::new(stream).poll_write(cx, one),
            (Self::Tcp(stream), _) => Pin::new(stream).poll_write_vectored(cx, slices),
            (Self::Unix(stream), [one]) => Pin::new(stream).poll_write(cx, one),
            (Self::Unix(stream), _) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    /// Writes some of `file` without reading it; 0 is the end of the file.
    ///
    /// # Errors
    /// Those of [`pounce_net::send_file`].
    fn poll_send_file(&mut self, cx: &mut Context<'_>, file: &FileBody) -> Poll<io::Result<usize>> {
        let count = usize::try_from(file.length.min(SEND_AT_ONCE)).unwrap_or(usize::MAX);
        loop {
            let sent = match self {
                Self::Tcp(stream) => {
                    std::task::ready!(stream.poll_write_ready(cx))?;
                    stream.try_io(Interest::WRITABLE, || {
                        pounce_net::send_file(stream.as_fd(), file.file.as_fd(), file.offset, count)
                    })
                }
                Self::Unix(stream) => {
                    std::task::ready!(stream.poll_write_ready(cx))?;
                    stream.try_io(Interest::WRITABLE, || {
                        pounce_net::send_file(stream.as_fd(), file.file.as_fd(), file.offset, count)
                    })
                }
            };
            match sent {
                // It is not ready any more: the task is woken when it is.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return Poll::Ready(other),
            }
        }
    }

    /// Tells the peer that nothing more comes.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
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

    /// Writes some of `slices`. Where it is pending, the same bytes must be given again, first.
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
    /// [`io::ErrorKind::Unsupported`] where the bytes must be read, as they always must to be encrypted.
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

    /// Closes the socket, and says so first where TLS can do that without waiting.
    pub(crate) fn close(&mut self) {
        if let Self::Tls(stream) = self {
            let _ = stream.poll_shutdown(&mut Context::from_waker(std::task::Waker::noop()));
        }
        *self = Self::Closed;
    }
}
