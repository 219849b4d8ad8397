//! The settings of HTTP/2, WebSocket and TLS.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// How much a client may send with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestLimits {
    /// Bytes of a request line.
    #[serde(rename = "limit-request-line")]
    pub request_line: usize,
    /// Fields in a header section.
    #[serde(rename = "limit-request-fields")]
    pub fields: usize,
    /// Bytes of a header section.
    #[serde(rename = "limit-header-size")]
    pub header_size: usize,
    /// Bytes of a body; `None` for no limit.
    #[serde(rename = "limit-request-body")]
    pub body: Option<u64>,
}

/// Windows and limits of HTTP/2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http2Config {
    /// Streams that a client may have open at a time on a connection.
    #[serde(rename = "http2-max-concurrent-streams")]
    pub max_concurrent_streams: u32,
    /// Bytes of a body that a client may send ahead of the application, on one stream.
    #[serde(rename = "http2-initial-stream-window-size")]
    pub initial_stream_window_size: u32,
    /// The same for all streams of a connection together.
    #[serde(rename = "http2-initial-connection-window-size")]
    pub initial_connection_window_size: u32,
    /// Bytes of the greatest frame that a client may send.
    #[serde(rename = "http2-max-frame-size")]
    pub max_frame_size: u32,
    /// Frames without use that a client may send ahead of useful ones.
    #[serde(rename = "http2-max-idle-frames")]
    pub max_idle_frames: u32,
}

/// WebSockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebSocketConfig {
    /// Bytes of the greatest message that a client may send, inflated.
    #[serde(rename = "ws-max-size")]
    pub max_size: usize,
    /// Messages that are read ahead of the application.
    #[serde(rename = "ws-max-queue")]
    pub max_queue: usize,
    /// Bytes that all WebSockets of a worker may hold together before their applications take them.
    #[serde(rename = "ws-max-queued-bytes")]
    pub max_queued_bytes: usize,
    /// How often an idle connection is pinged; `None` never.
    #[serde(rename = "ws-ping-interval", deserialize_with = "super::none_if_zero")]
    pub ping_interval: Option<Duration>,
    /// How long a ping may stay unanswered; `None` for no limit.
    #[serde(rename = "ws-ping-timeout", deserialize_with = "super::none_if_zero")]
    pub ping_timeout: Option<Duration>,
    /// Whether messages are compressed for clients that offer it (RFC 7692).
    #[serde(rename = "ws-per-message-deflate")]
    pub per_message_deflate: bool,
}

/// Certificates and keys, and which certificates clients must show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
