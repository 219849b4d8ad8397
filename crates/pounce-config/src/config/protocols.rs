//! The settings of HTTP/2, WebSocket and TLS.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// Windows and limits of HTTP/2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Http2Config {
    /// Streams that a client may have open at a time on a connection.
    pub max_concurrent_streams: u32,
    /// Bytes of a body that a client may send ahead of the application, on one stream.
    pub initial_stream_window_size: u32,
    /// Bytes of bodies that a client may send ahead of the application, on all streams of a connection.
    pub initial_connection_window_size: u32,
    /// Bytes of the largest frame that a client may send.
    pub max_frame_size: u32,
    /// Frames without effect that a client may send in excess of useful ones.
    pub max_idle_frames: u32,
}

/// WebSockets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct WebSocketConfig {
    /// Bytes of the largest message that a client may send, after decompression.
    pub max_size: usize,
    /// Messages that are read ahead of the application.
    pub max_queue: usize,
    /// Bytes that all WebSockets of a worker may hold together until their applications receive them.
    pub max_queued_bytes: usize,
    /// How often an idle connection is pinged; `None` never.
    pub ping_interval: Option<Duration>,
    /// How long a ping may stay unanswered; `None` for no limit.
    pub ping_timeout: Option<Duration>,
    /// Whether messages are compressed for clients that offer it (RFC 7692).
    pub per_message_deflate: bool,
}

/// Certificates and keys, and which certificates clients must show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TlsConfig {
    /// Certificates, the default one first; at least one.
    pub certificates: Vec<CertificateFiles>,
    /// The password of encrypted keys.
    pub key_password: Option<Secret>,
    /// Authorities of client certificates; always present if the server asks for certificates.
    pub ca_certs: Option<PathBuf>,
    /// Whether clients must show a certificate.
    pub client_certificates: ClientCertificates,
    /// Lists of revoked client certificates.
    pub crls: Vec<PathBuf>,
    /// The oldest version spoken.
    pub min_version: TlsVersion,
    /// How long a handshake may take; not zero.
    pub handshake_timeout: Duration,
}

/// The PEM files of one certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CertificateFiles {
    /// The chain.
    pub certificate: PathBuf,
    /// The key; may be the same file.
    pub key: PathBuf,
}

/// The versions of HTTP spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HttpVersions {
    /// Whichever the client chooses.
    #[serde(rename = "auto")]
    Auto,
    /// HTTP/1.1 and 1.0.
    #[serde(rename = "1")]
    Http1,
    /// HTTP/2.
    #[serde(rename = "2")]
    Http2,
}

/// Whether clients must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// The server does not ask for one.
    None,
    /// A client may leave it out; if shown, it must be valid.
    Optional,
    /// Every client must show a valid one.
    Required,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsVersion {
    /// RFC 5246
    #[serde(rename = "1.2")]
    Tls12,
    /// RFC 8446
    #[serde(rename = "1.3")]
    Tls13,
}
