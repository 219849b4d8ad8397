//! A small HTTP/1.1 client: checks answers before a measurement, and makes bounded numbers of requests. `openssl
//! s_client` does TLS.

mod reader;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;

pub(super) use self::reader::Reader;
use super::process;

/// How long one answer may take: long, since servers under valgrind are slow.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A response with its whole body.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// One connection to a server on loopback.
pub(super) struct Client {
    stream: Box<dyn Read>,
    writer: Box<dyn Write>,
    reader: Reader,
    /// The process that does TLS for this client.
    tunnel: Option<Child>,
}

impl Client {
    /// Connects to a port of 127.0.0.1.
    pub(super) fn connect(port: u16) -> Result<Client> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let writer = Box::new(stream.try_clone()?);
        Ok(Client { stream: Box::new(stream), writer, reader: Reader::new(), tunnel: None })
    }

    /// Connects to a port of 127.0.0.1 over TLS. Errors show at the first request.
    pub(super) fn connect_tls(port: u16) -> Result<Client> {
        // Pipes have no timeouts.
        let mut openssl = Command::new("timeout");
        openssl.arg(TIMEOUT.as_secs().to_string());
        openssl.args(["openssl", "s_client", "-quiet", "-alpn", "http/1.1"]);
        openssl.arg("-connect").arg(format!("127.0.0.1:{port}"));
        openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut tunnel = openssl.spawn().context("cannot run openssl s_client")?;
        let (Some(writer), Some(reader)) = (tunnel.stdin.take(), tunnel.stdout.take()) else {
            bail!("openssl s_client has no pipes");
        };
        let stream = Box::new(reader);
        Ok(Client { stream, writer: Box::new(writer), reader: Reader::new(), tunnel: Some(tunnel) })
    }

    /// Sends a GET, or a POST if there is a body, and reads the answer.
    pub(super) fn request(&mut self, path: &str, body: Option<&[u8]>) -> Result<Response> {
        self.send(&request(path, body))?;
        self.response()
    }

    /// Sends a request without waiting for its response.
    pub(super) fn send(&mut self, request: &[u8]) -> Result<()> {
        self.writer.write_all(request).context("cannot send the request")
    }

    /// Reads the response to the request sent.
    pub(super) fn response(&mut self) -> Result<Response> {
        let mut body = Vec::new();
        let mut bytes = [0; 16 * 1024];
        loop {
            let length = self.stream.read(&mut bytes).context("cannot read the response")?;
            ensure!(length > 0, "the connection ended within a response");
            let (taken, status) =
                self.reader.take(&bytes[..length], |piece| body.extend_from_slice(piece))?;
            if let Some(status) = status {
                ensure!(taken == length, "there is more than the response");
                return Ok(Response { status, body });
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(tunnel) = &mut self.tunnel {
            // `timeout` passes the signal on; both end soon.
            process::signal(tunnel.id(), Signal::SIGTERM);
            let _ = tunnel.wait();
        }
    }
}

/// The bytes of a GET, or of a POST if there is a body.
pub(super) fn request(path: &str, body: Option<&[u8]>) -> Vec<u8> {
    let Some(body) = body else {
        return format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes();
    };
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn answer(bytes: &'static [u8]) -> Result<Response> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).unwrap();
            stream.write_all(bytes).unwrap();
        });
        let response = Client::connect(port).unwrap().request("/", None);
        server.join().unwrap();
        response
    }

    #[test]
    fn a_body_is_read_by_its_length() {
        let response = answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").unwrap();
        assert_eq!((response.status, response.body.as_slice()), (200, &b"hello"[..]));
    }

    #[test]
    fn a_body_is_read_chunk_by_chunk() {
        let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\nb;x\r\nllo, world!\r\n0\r\n\r\n";
        assert_eq!(answer(bytes).unwrap().body, b"hello, world!");
    }

    #[test]
    fn a_body_that_ends_early_is_an_error() {
        assert!(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello").is_err());
    }
}
