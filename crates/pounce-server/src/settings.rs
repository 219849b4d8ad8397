//! The configuration in the terms of the crates below.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pounce_asgi::Extensions;
use pounce_asgi::python::{AppOptions, Interface, InterpreterOptions, LifespanMode};
use pounce_config as config;
use pounce_net::Load;
use pounce_worker::http1::RequestLimits;
use pounce_worker::tls::{ClientCertificates, TlsFiles, TlsSettings, TlsStore};
use pounce_worker::{Http2Settings, LeastRate, Settings, Versions, WebSocketSettings};

/// The settings of the worker.
pub(crate) fn worker(
    config: &config::WorkerConfig,
    max_requests: Option<NonZeroU64>,
    load: Option<Load>,
    tls: Option<Arc<TlsStore>>,
) -> Settings {
    let http = &config.http;
    let count =
        |limit: Option<NonZeroU64>| limit.map(|limit| usize::try_from(limit.get()).unwrap_or(usize::MAX));
    Settings {
        limits: RequestLimits {
            request_line: http.limit_request_line,
            fields: http.limit_request_fields,
            header_size: http.limit_header_size,
            body: http.limit_request_body.map(std::num::NonZeroU64::get),
        },
        keep_alive_timeout: http.timeout_keep_alive,
        header_timeout: http.timeout_header,
        body_timeout: http.timeout_body,
        write_timeout: http.timeout_write,
        min_read_rate: http.limit_min_read_rate.map(LeastRate::per_second),
        min_body_rate: http.limit_min_body_rate.map(LeastRate::per_second),
        versions: match http.version {
            config::HttpVersions::Auto => Versions::Auto,
            config::HttpVersions::Http1 => Versions::Http1,
            config::HttpVersions::Http2 => Versions::Http2,
        },
        http2: Http2Settings {
            max_concurrent_streams: http.http2.max_concurrent_streams,
            initial_stream_window_size: http.http2.initial_stream_window_size,
            initial_connection_window_size: http.http2.initial_connection_window_size,
            max_frame_size: http.http2.max_frame_size,
            max_idle_frames: http.http2.max_idle_frames,
        },
        websocket: config.websocket.as_ref().map(|websocket| WebSocketSettings {
            max_size: websocket.max_size,
            max_queue: websocket.max_queue,
            max_queued_bytes: websocket.max_queued_bytes,
            ping_interval: websocket.ping_interval,
            ping_timeout: websocket.ping_timeout,
            per_message_deflate: websocket.per_message_deflate,
        }),
        tls,
        handshake_timeout: config.tls.as_ref().map_or(http.timeout_header, |tls| tls.handshake_timeout),
        graceful_timeout: config.lifecycle.timeout_graceful_shutdown,
        max_connections: count(http.limit_connections),
        max_concurrency: count(http.limit_concurrency),
        max_requests,
        load,
        date_header: http.date_header,
        server_header: http.server_header,
        headers: http.headers.clone(),
    }
}

/// Where certificates lie, and what is asked of clients; `None` for clear text.
pub(crate) fn tls(config: &config::WorkerConfig) -> Option<TlsSettings> {
    let tls = config.tls.as_ref()?;
    let files = |files: &config::CertificateFiles| TlsFiles {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
    };
    let alpn: &[&[u8]] = match config.http.version {
        config::HttpVersions::Auto => &[b"h2", b"http/1.1"],
        config::HttpVersions::Http1 => &[b"http/1.1"],
        config::HttpVersions::Http2 => &[b"h2"],
    };
    Some(TlsSettings {
        certificates: tls.certificates.iter().map(files).collect(),
        key_password: tls.key_password.as_ref().map(|password| password.reveal().to_owned().into()),
        ca_certs: tls.ca_certs.clone(),
        client_certificates: match tls.client_certificates {
            config::ClientCertificates::None => ClientCertificates::None,
            config::ClientCertificates::Optional => ClientCertificates::Optional,
            config::ClientCertificates::Required => ClientCertificates::Required,
        },
        crls: tls.crls.clone(),
        tls12: tls.min_version == config::TlsVersion::Tls12,
        alpn: alpn.iter().map(|name| name.to_vec()).collect(),
    })
}

/// How the application is called.
pub(crate) fn application(config: &config::WorkerConfig) -> AppOptions {
    let app = &config.app;
    let offers = |extension| app.extensions.contains(&extension);
    AppOptions {
        interface: match app.interface {
            config::Interface::Auto => Interface::Auto,
            config::Interface::Asgi2 => Interface::Asgi2,
            config::Interface::Asgi3 => Interface::Asgi3,
        },
        lifespan: match config.lifecycle.lifespan {
            config::LifespanMode::Auto => LifespanMode::Auto,
            config::LifespanMode::On => LifespanMode::On,
            config::LifespanMode::Off => LifespanMode::Off,
        },
        root_path: app.root_path.clone(),
        extensions: Extensions {
            pathsend: offers(config::AsgiExtension::PathSend),
            zerocopysend: offers(config::AsgiExtension::ZeroCopySend),
        },
        debug: app.debug,
    }
}

/// Where the interpreter finds its packages.
pub(crate) fn interpreter(config: &config::WorkerConfig) -> InterpreterOptions {
    InterpreterOptions {
        python: config.app.python.clone(),
        virtual_env: std::env::var_os("VIRTUAL_ENV").filter(|path| !path.is_empty()).map(PathBuf::from),
        projects: [app_dir(config)].into_iter().chain(std::env::current_dir().ok()).collect(),
    }
}

/// The folder that comes first on `sys.path`, absolute.
pub(crate) fn app_dir(config: &config::WorkerConfig) -> PathBuf {
    let named = config.app.app_dir.as_deref().unwrap_or(Path::new("."));
    let absolute = std::path::absolute(named).unwrap_or_else(|_| named.to_owned());
    // `absolute` keeps a trailing dot, which would look odd in tracebacks.
    absolute.components().collect()
}
