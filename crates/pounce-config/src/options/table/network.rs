//! Options of listening, protocols, proxies and TLS.

use super::{COMMAS, DEADLINE, FROM_ZERO, GIB, KIB, MIB};
use crate::options::build::option;
use crate::options::{Kind, OptionSpec, Section};

pub(super) const OPTIONS: &[OptionSpec] = &[
    option("host", Kind::Text, Section::Listening)
        .value("HOST")
        .default("127.0.0.1")
        .help("Address to listen on"),
    option("port", Kind::Integer { min: 0, max: 65535 }, Section::Listening)
        .value("PORT")
        .default("8000")
        .help("Port to listen on; 0 takes any free one"),
    option("bind", COMMAS, Section::Listening)
        .value("ENDPOINT")
        .short('b')
        .help("Listen on HOST:PORT, [V6]:PORT, unix:PATH or fd://N instead of host and port; repeatable"),
    option("uds", Kind::Path, Section::Listening)
        .value("PATH")
        .aliases(&["unix-socket"])
        .help("Listen on a Unix socket instead of host and port"),
    option("uds-permissions", Kind::Permissions, Section::Listening)
        .value("OCTAL")
        .help("Permission bits of Unix sockets, such as 660"),
    option("fd", Kind::Integer { min: 0, max: i32::MAX as u64 }, Section::Listening)
        .value("N")
        .help("Listen on an inherited file descriptor instead of host and port"),
    option("backlog", Kind::Integer { min: 1, max: i32::MAX as u64 }, Section::Listening)
        .value("N")
        .default("2048")
        .help("Connections the kernel may queue before they are accepted"),
    option("http", Kind::Choice(&["auto", "1", "2"]), Section::Protocols)
        .value("VERSION")
        .default("auto")
        .implementations(&["h11", "httptools", "zttp"])
        .help("HTTP versions to speak; auto: whichever a client chooses by ALPN or its first bytes"),
    option("http2-max-concurrent-streams", Kind::Integer { min: 1, max: 100_000 }, Section::Protocols)
        .value("N")
        .aliases(&["h2-max-concurrent-streams"])
        .default("128")
        .help("Requests that a client may have open at a time on an HTTP/2 connection"),
    option("http2-initial-stream-window-size", Kind::Size { min: KIB, max: GIB }, Section::Protocols)
        .value("SIZE")
        .aliases(&["http2-initial-window-size"])
        .default("256KiB")
        .help("How much of a request body HTTP/2 sends ahead of the application"),
    option(
        "http2-initial-connection-window-size",
        Kind::Size { min: 64 * KIB, max: GIB },
        Section::Protocols,
    )
    .value("SIZE")
    .default("1MiB")
    .help("The same for all requests of an HTTP/2 connection together"),
    option("http2-max-frame-size", Kind::Size { min: 16 * KIB, max: 16 * MIB - 1 }, Section::Protocols)
        .value("SIZE")
        .aliases(&["h2-max-inbound-frame-size"])
        .default("16KiB")
        .help("Largest HTTP/2 frame that a client may send"),
    option("http2-max-idle-frames", Kind::Integer { min: 16, max: 1_000_000 }, Section::Protocols)
        .value("N")
        .default("1000")
        .help(
            "HTTP/2 frames without effect (resets, pings, settings, ...) a client may send in excess of useful ones",
        ),
    option("ws", Kind::Flag, Section::Protocols)
        .default("on")
        .synonyms(&[("auto", "on"), ("none", "off")])
        .flag_words(&["auto", "none", "websockets", "websockets-sansio", "wsproto", "on", "off"])
        .implementations(&["websockets", "websockets-sansio", "wsproto"])
        .help("Serve WebSockets; if off, upgrades are answered as plain requests"),
    option("ws-max-size", Kind::Size { min: 1, max: GIB }, Section::Protocols)
        .value("SIZE")
        .aliases(&["websocket-max-message-size"])
        .default("16MiB")
        .help("Largest WebSocket message after decompression; a larger one closes the connection with 1009"),
    option("ws-max-queue", Kind::Integer { min: 1, max: 65536 }, Section::Protocols)
        .value("N")
        .default("32")
        .help("WebSocket messages read ahead of the application"),
    option("ws-max-queued-bytes", Kind::Size { min: 64 * KIB, max: 1024 * GIB }, Section::Protocols)
        .value("SIZE")
        .default("256MiB")
        .help("How much all WebSockets of a worker may read ahead together before they take turns"),
    option("ws-ping-interval", FROM_ZERO, Section::Protocols)
        .value("SECONDS")
        .aliases(&["websocket-ping-interval", "ping-interval"])
        .default("20")
        .help("How often an idle WebSocket is pinged; 0 never"),
    option("ws-ping-timeout", FROM_ZERO, Section::Protocols)
        .value("SECONDS")
        .aliases(&["ping-timeout"])
        .default("20")
        .help("How long a ping may stay unanswered; 0 is no limit"),
    option("ws-per-message-deflate", Kind::Choice(&["on", "off"]), Section::Protocols)
        .value("on|off")
        .default("on")
        .synonyms(&[
            ("true", "on"),
            ("1", "on"),
            ("yes", "on"),
            ("false", "off"),
            ("0", "off"),
            ("no", "off"),
        ])
        .help("Compress WebSocket messages for clients that offer it"),
    option("proxy-headers", Kind::Flag, Section::Proxies)
        .default("on")
        .help("Learn client, scheme, host and prefix from X-Forwarded-* or Forwarded of trusted proxies"),
    option("forwarded-allow-ips", COMMAS, Section::Proxies)
        .value("PROXIES")
        .variable("FORWARDED_ALLOW_IPS")
        .default("127.0.0.1,::1")
        .help("Proxies to trust: addresses, networks such as 10.0.0.0/8, unix for Unix sockets, * for all; repeatable"),
    option("proxy-protocol", Kind::Flag, Section::Proxies)
        .default("off")
        .synonyms(&[("v1", "on"), ("v2", "on"), ("auto", "on")])
        .flag_words(&["off", "v1", "v2", "auto", "on"])
        .help("Expect the PROXY protocol, version 1 or 2, at the beginning of connections from trusted proxies"),
    option("ssl-certfile", Kind::Path, Section::Tls)
        .value("FILE")
        .aliases(&["certfile", "ssl-certificate"])
        .help("Certificate chain in PEM, the server's own first; speaks TLS"),
    option("ssl-keyfile", Kind::Path, Section::Tls)
        .value("FILE")
        .aliases(&["keyfile"])
        .help("Private key in PEM; by default it is in the certificate's file"),
    option("ssl-keyfile-password", Kind::Secret, Section::Tls)
        .value("TEXT")
        .aliases(&["keyfile-password"])
        .help("Password of an encrypted key; safer in the variable POUNCE_SSL_KEYFILE_PASSWORD"),
    option("ssl-sni", COMMAS, Section::Tls)
        .value("CERT:KEY")
        .help("Another certificate and key, for clients that ask for one of its host names; repeatable"),
    option("ssl-ca-certs", Kind::Path, Section::Tls)
        .value("FILE")
        .aliases(&["ca-certs", "ssl-ca"])
        .help("Authorities of accepted client certificates, in PEM"),
    option("ssl-cert-reqs", Kind::Choice(&["none", "optional", "required"]), Section::Tls)
        .value("WHICH")
        .aliases(&["cert-reqs", "verify-mode"])
        .default("none")
        .synonyms(&[
            ("0", "none"),
            ("1", "optional"),
            ("2", "required"),
            ("CERT_NONE", "none"),
            ("CERT_OPTIONAL", "optional"),
            ("CERT_REQUIRED", "required"),
        ])
        .help("Whether clients must show a certificate"),
    option("ssl-crl", COMMAS, Section::Tls)
        .value("FILE")
        .help("Revoked client certificates, in PEM; repeatable"),
    option("ssl-min-version", Kind::Choice(&["1.2", "1.3"]), Section::Tls)
        .value("VERSION")
        .aliases(&["ssl-protocol-min"])
        .default("1.2")
        .synonyms(&[("tls1.2", "1.2"), ("tls1.3", "1.3"), ("TLSv1.2", "1.2"), ("TLSv1.3", "1.3")])
        .help("Oldest version of TLS to speak"),
    option("redirect-http", Kind::Integer { min: 0, max: 65535 }, Section::Tls)
        .value("PORT")
        .help("Port at the same hosts, such as 80, at which requests in clear text are redirected to HTTPS"),
    option("ssl-handshake-timeout", DEADLINE, Section::Tls)
        .value("SECONDS")
        .default("10")
        .help("How long a TLS handshake may take"),
];
