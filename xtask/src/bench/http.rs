//! A small HTTP/1.1 client: checks answers before they are measured, and drives bounded numbers of requests. TLS is
//! left to `openssl s_client`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use super::process;

/// How long one answer may take; servers under valgrind are slow.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A response, its body whole.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// One connection to a server on loopback.
pub(super) struct Client {
    stream: BufReader<Box<dyn Read>>,
    writer: Box<dyn Write>,
    /// What speaks TLS for this client.
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
        Ok(Client { stream: BufReader::new(Box::new(stream)), writer, tunnel: None })
    }

    /// Connects to a port of 127.0.0.1 over TLS. An error comes with the first request.
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
        let stream = BufReader::new(Box::new(reader) as Box<dyn Read>);
        Ok(Client { stream, writer: Box::new(writer), tunnel: Some(tunnel) })
    }

    /// Sends a GET, or a POST when there is a body, and reads the answer.
    pub(super) fn request(&mut self, path: &str, body: Option<&[u8]>) -> Result<Response> {
        let mut request = match body {
            None => format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes(),
            Some(body) => {
                let length = body.len();
                format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n")
                    .into_bytes()
            }
        };
        request.extend_from_slice(body.unwrap_or_default());
        self.writer.write_all(&request).context("cannot send the request")?;
        self.response()
    }

    fn response(&mut self) -> Result<Response> {
        let status_line = self.line()?;
        let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.with_context(|| format!("`{status_line}` is no status line"))?;
        let (mut length, mut is_chunked) = (None, false);
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').with_context(|| format!("`{line}` is no header"))?;
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = Some(value.trim().parse::<usize>()?),
                "transfer-encoding" => is_chunked = value.trim().eq_ignore_ascii_case("chunked"),
                _ => {}
            }
        }
        let body = match length {
            _ if is_chunked => self.chunked()?,
            Some(length) => self.exactly(length)?,
            None => bail!("the response says neither its length nor that it is chunked"),
        };
        Ok(Response { status, body })
    }

    fn chunked(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let length = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
                .with_context(|| format!("`{line}` is no chunk's length"))?;
            if length == 0 {
                // Trailers, up to an empty line.
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            body.append(&mut self.exactly(length)?);
            self.line()?;
        }
    }

    fn exactly(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).context("the response ended early")?;
        Ok(bytes)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).context("cannot read the response")?;
        match line.strip_suffix(b"\r\n") {
            Some(line) => Ok(String::from_utf8_lossy(line).into_owned()),
            None => bail!("the connection ended within a response"),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(tunnel) = &mut self.tunnel {
            // `timeout` hands the signal on; both are gone soon.
            process::signal(tunnel.id(), Signal::SIGTERM);
            let _ = tunnel.wait();
        }
    }
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
