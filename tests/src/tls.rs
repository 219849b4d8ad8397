//! The client's side of TLS: what it offers and trusts, and one blocking connection.

use crate::pki::Identity;
use crate::wait::PATIENCE;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, RootCertStore};
use rustls::{SupportedProtocolVersion, version};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a client offers and trusts.
#[derive(Debug, Clone)]
pub struct Trust {
    authority: String,
    versions: Vec<&'static SupportedProtocolVersion>,
    alpn: Vec<Vec<u8>>,
    identity: Option<(Vec<Vec<u8>>, Vec<u8>)>,
}

impl Trust {
    /// Trusts the authorities in a PEM text. Offers TLS 1.2 and 1.3, and no protocol by ALPN.
    pub fn authority(pem: impl Into<String>) -> Self {
        let versions = vec![&version::TLS13, &version::TLS12];
        Self { authority: pem.into(), versions, alpn: Vec::new(), identity: None }
    }

    pub(crate) fn authority_pem(&self) -> &str {
        &self.authority
    }

    /// Supports only TLS 1.2.
    pub fn only_tls12(mut self) -> Self {
        self.versions = vec![&version::TLS12];
        self
    }

    /// Supports only TLS 1.3.
    pub fn only_tls13(mut self) -> Self {
        self.versions = vec![&version::TLS13];
        self
    }

    /// Offers protocols by ALPN.
    pub fn alpn(mut self, names: &[&str]) -> Self {
        self.alpn = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    /// Shows a certificate if asked for one.
    pub fn showing(mut self, identity: &Identity) -> Self {
        self.identity = Some((identity.chain_der(), identity.key_der().to_vec()));
        self
    }

    /// The first bytes of a connection.
    pub fn client_hello(&self, name: &str) -> Vec<u8> {
        let name = ServerName::try_from(name.to_owned()).expect("a DNS name");
        let mut session = ClientConnection::new(self.config(), name).expect("the offer is complete");
        let mut hello = Vec::new();
        session.write_tls(&mut hello).expect("a vector takes everything");
        hello
    }

    /// The rustls configuration; it remembers the sessions of its connections, for later ones.
    pub fn config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(self.authority.as_bytes()) {
            roots.add(certificate.expect("the test made it")).expect("the test made it");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .expect("ring has these versions")
            .with_root_certificates(roots);
        let mut config = match self.identity.clone() {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = chain.into_iter().map(CertificateDer::from).collect();
                let key = PrivatePkcs8KeyDer::from(key).into();
                builder.with_client_auth_cert(chain, key).expect("the key is the certificate's")
            }
        };
        config.alpn_protocols.clone_from(&self.alpn);
        config.resumption = Resumption::in_memory_sessions(64);
        Arc::new(config)
    }
}

/// A connection whose handshake is complete. Clones share it, to read and write from two threads.
#[derive(Debug, Clone)]
pub struct TlsStream {
    session: Arc<Mutex<ClientConnection>>,
    socket: Arc<TcpStream>,
    /// Encrypted bytes that are not sent yet.
    encrypted: Arc<Mutex<Vec<u8>>>,
    /// Received bytes that the session had no room for.
    received: Arc<Mutex<Vec<u8>>>,
}

impl TlsStream {
    /// Connects, asks for `name`, and shakes hands.
    pub fn connect(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> io::Result<Self> {
        Self::over(crate::client::socket(address, None)?, config, name)
    }

    /// Asks for `name` over a connected socket, and shakes hands.
    pub fn over(mut socket: TcpStream, config: &Arc<ClientConfig>, name: &str) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let mut session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(Self::of(session, socket))
    }

    /// The name of the group that the handshake's keys were exchanged in.
    pub fn key_exchange(&self) -> String {
        format!("{:?}", self.session().negotiated_key_exchange_group().expect("a full handshake").name())
    }

    /// Connects, and sends the end of the handshake together with `bytes` and close_notify, in one piece.
    pub fn all_at_once(
        address: SocketAddr,
        config: &Arc<ClientConfig>,
        name: &str,
        bytes: &[u8],
    ) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let mut session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        let mut socket = crate::client::socket(address, None)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        while session.is_handshaking() {
            while session.wants_write() {
                session.write_tls(&mut socket)?;
            }
            if session.read_tls(&mut socket)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            session.process_new_packets().map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        }
        session.writer().write_all(bytes)?;
        session.send_close_notify();
        let stream = Self::of(session, socket);
        stream.flush_session()?;
        Ok(stream)
    }

    fn of(session: ClientConnection, socket: TcpStream) -> Self {
        let session = Arc::new(Mutex::new(session));
        Self { session, socket: Arc::new(socket), encrypted: Arc::default(), received: Arc::default() }
    }

    /// The underlying socket.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// The negotiated version.
    pub fn version(&self) -> ProtocolVersion {
        self.session().protocol_version().expect("the handshake is complete")
    }

    /// The protocol negotiated by ALPN.
    pub fn alpn(&self) -> Option<String> {
        self.session().alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned())
    }

    /// Whether an earlier session was resumed.
    pub fn is_resumed(&self) -> bool {
        self.session().handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// The server's certificate, in DER.
    pub fn certificate(&self) -> Vec<u8> {
        let session = self.session();
        session.peer_certificates().and_then(|chain| chain.first()).expect("the server has shown it").to_vec()
    }

    /// Changes its sending keys (TLS 1.3 only), and asks the server to do so too.
    pub fn change_keys(&self) {
        self.session().refresh_traffic_keys().expect("TLS 1.3");
    }

    /// Waits for data in the socket, without consuming it: the records, each with its type and length.
    pub fn peek_records(&self) -> Vec<(u8, usize)> {
        let mut bytes = vec![0; 64 * 1024];
        let mut records = Vec::new();
        let count = crate::wait::eventually("whole records", || {
            let count = self.socket.peek(&mut bytes).expect("the connection is open");
            records.clear();
            let mut at = 0;
            while at + 5 <= count {
                let length = usize::from(bytes[at + 3]) << 8 | usize::from(bytes[at + 4]);
                records.push((bytes[at], length));
                at += 5 + length;
            }
            (at == count).then_some(count)
        });
        assert!(count > 0, "the connection has ended");
        records
    }

    /// Sends close_notify, and closes the sending side of the socket.
    pub fn close(&self) -> io::Result<()> {
        self.session().send_close_notify();
        self.flush_session()?;
        self.socket.shutdown(std::net::Shutdown::Write)
    }

    fn session(&self) -> MutexGuard<'_, ClientConnection> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the session's output. The session is not locked while the socket blocks: the other half may
    /// be needed to unblock it.
    fn flush_session(&self) -> io::Result<()> {
        let mut encrypted = self.encrypted.lock().unwrap_or_else(PoisonError::into_inner);
        self.send_all(&mut encrypted)
    }

    fn send_all(&self, encrypted: &mut Vec<u8>) -> io::Result<()> {
        loop {
            if encrypted.is_empty() {
                let mut session = self.session();
                while session.wants_write() {
                    session.write_tls(encrypted)?;
                }
            }
            if encrypted.is_empty() {
                return Ok(());
            }
            let sent = (&*self.socket).write(encrypted)?;
            encrypted.drain(..sent);
        }
    }
}

impl Read for TlsStream {
    /// An end without close_notify is an error, `UnexpectedEof`.
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match self.session().reader().read(block) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => return other,
            }
            let mut ended = false;
            if received.is_empty() {
                let mut more = [0; 16 * 1024];
                let count = (&*self.socket).read(&mut more)?;
                received.extend_from_slice(&more[..count]);
                ended = count == 0;
            }
            let mut session = self.session();
            if ended || session.wants_read() {
                let taken = session.read_tls(&mut received.as_slice())?;
                received.drain(..taken);
                session
                    .process_new_packets()
                    .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            }
        }
    }
}

impl Write for TlsStream {
    fn write(&mut self, block: &[u8]) -> io::Result<usize> {
        let mut encrypted = self.encrypted.lock().unwrap_or_else(PoisonError::into_inner);
        self.send_all(&mut encrypted)?;
        let count = self.session().writer().write(&block[..block.len().min(16 * 1024)])?;
        match self.send_all(&mut encrypted) {
            // The bytes are accepted; the rest goes with the next write.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(count),
            Err(error) => Err(error),
            Ok(()) => Ok(count),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flush_session()
    }
}

/// Whether `openssl` is installed; if not, prints on stderr that the test is skipped.
pub fn has_openssl() -> bool {
    let there = std::process::Command::new("openssl").arg("version").output().is_ok();
    if !there {
        eprintln!("skipped: no openssl");
    }
    there
}
