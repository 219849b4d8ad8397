//! The certificate of a server under test, and the trust of its clients.

use crate::client::{Client, socket};
use crate::pki::{Authority, Files, Identity};
use crate::tls::{TlsStream, Trust};
use rustls::ClientConfig;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// The name that clients ask for.
pub const NAME: &str = "localhost";

/// Files in a folder that lives as long as the server does.
#[derive(Debug)]
pub struct Tls {
    folder: TempDir,
    files: Files,
    pub(crate) trust: Trust,
    pub(crate) config: Arc<ClientConfig>,
}

impl Default for Tls {
    /// A certificate for [`NAME`] from a new authority.
    fn default() -> Self {
        let authority = Authority::root("Authority of a test");
        Self::of(&authority, &authority.server(&[NAME]))
    }
}

impl Tls {
    /// A given certificate.
    pub fn of(authority: &Authority, identity: &Identity) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let files = identity.write(folder.path(), "server");
        let trust = Trust::authority(authority.pem());
        let config = trust.config();
        Self { folder, files, trust, config }
    }

    /// Makes the harness's clients show a certificate.
    pub fn showing(mut self, client: &Identity) -> Self {
        self.trust = self.trust.showing(client);
        self.config = self.trust.config();
        self
    }

    /// The authorities that the test's clients trust, and the certificate they show.
    pub fn trust(&self) -> Trust {
        self.trust.clone()
    }

    /// The authority of the server's certificate, in PEM.
    pub fn authority(&self) -> &str {
        self.trust.authority_pem()
    }

    /// The folder of the files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The certificate's file.
    pub fn certificate(&self) -> &Path {
        &self.files.certificate
    }

    /// The key's file.
    pub fn key(&self) -> &Path {
        &self.files.key
    }
}

/// Opens connections to a server, in clear text or over TLS.
#[derive(Debug, Clone)]
pub struct Connector {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<(Trust, Arc<ClientConfig>)>,
}

impl Connector {
    /// Opens connections in clear text.
    pub fn to(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }

    /// Opens a connection, or returns the error.
    pub fn connect(&self) -> io::Result<Client> {
        self.connect_with(&[], None)
    }

    /// Opens a connection that offers protocols by ALPN, with a receive buffer of about `size` bytes.
    pub(crate) fn connect_with(&self, alpn: &[&str], buffer: Option<usize>) -> io::Result<Client> {
        let socket = self.socket(buffer)?;
        Ok(match self.config(alpn) {
            None => Client::on(socket),
            Some(config) => Client::tls(TlsStream::over(socket, &config, NAME)?),
        })
    }

    /// A connected socket.
    pub(crate) fn socket(&self, buffer: Option<usize>) -> io::Result<TcpStream> {
        socket(self.address, buffer)
    }

    /// The TLS configuration of a client that offers these protocols.
    pub(crate) fn config(&self, alpn: &[&str]) -> Option<Arc<ClientConfig>> {
        let (trust, config) = self.tls.as_ref()?;
        Some(if alpn.is_empty() { Arc::clone(config) } else { trust.clone().alpn(alpn).config() })
    }
}
