//! The table of options. One entry is one option; nothing else declares one.
//!
//! Aliases are the names that uvicorn, granian, gunicorn or hypercorn use for the same setting in the same unit. A
//! name in another unit is no alias: it is in the table of foreign options, with advice.

use std::time::Duration;

use super::build::option;
use super::{Kind, OptionSpec, Section};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const MILLISECOND: Duration = Duration::from_millis(1);
const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// A time that may be zero, which means at once or never.
const FROM_ZERO: Kind = Kind::Seconds { min: Duration::ZERO, max: DAY };
/// A time above zero: a deadline of zero would refuse everything.
const DEADLINE: Kind = Kind::Seconds { min: MILLISECOND, max: DAY };
const COMMAS: Kind = Kind::List { separator: ',' };

/// Every option, in the order of `--help`.
pub static OPTIONS: &[OptionSpec] = &[
    option("app", Kind::Text, Section::Application)
        .value("APP")
        .positional()
        .help("The application: module:attribute, module:factory() or module"),
    option("app-dir", Kind::Path, Section::Application)
        .value("DIR")
        .help("First folder on sys.path instead of the working directory"),
    option("factory", Kind::Flag, Section::Application)
        .default("off")
        .help("Call APP without arguments to get the application"),
    option("interface", Kind::Choice(&["auto", "asgi3", "asgi2"]), Section::Application)
        .value("NAME")
        .default("auto")
        .synonyms(&[("asgi", "auto")])
        .refusals(&[
            (
                "wsgi",
                "wrap a WSGI application: app = asgiref.wsgi.WsgiToAsgi(app), or a2wsgi.WSGIMiddleware(app)",
            ),
            ("rsgi", "RSGI is granian's own; name an ASGI application"),
            ("asginl", "asginl is ASGI without lifespan: write --interface asgi3 --lifespan off"),
        ])
        .help("ASGI version of the application; auto looks at how it is called"),
    option("lifespan", Kind::Choice(&["auto", "on", "off"]), Section::Application)
        .value("MODE")
        .aliases(&["asgi-lifespan"])
        .default("auto")
        .help("Lifespan events; auto serves without them if the application does not support them"),
    option("lifespan-scope", Kind::Choice(&["auto", "server", "worker"]), Section::Application)
        .value("SCOPE")
        .default("auto")
        .help("Lifespan once for the server or once per worker; auto: once per copy of the application"),
    option("root-path", Kind::Text, Section::Application)
        .value("PATH")
        .aliases(&["url-path-prefix"])
        .default("")
        .help("Path the application is mounted at behind a proxy"),
    option("python", Kind::Path, Section::Application)
        .value("PATH")
        .help("Python interpreter or virtual environment whose packages the application sees"),
    option("env-file", Kind::Path, Section::Application)
        .value("FILE")
        .aliases(&["env-files"])
        .help("File of KEY=VALUE lines that become environment variables of the application"),
    option("asgi-extensions", Kind::Choices(&["pathsend", "zerocopysend"]), Section::Application)
        .value("NAMES")
        .help("ASGI extensions to offer in addition to the default ones"),
    option("debug", Kind::Flag, Section::Application)
        .default("off")
        .help("Answer a failed request with a page that shows the error"),
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
    option("ssl-handshake-timeout", DEADLINE, Section::Tls)
        .value("SECONDS")
        .default("10")
        .help("How long a TLS handshake may take"),
    option("workers", Kind::Integer { min: 0, max: 1024 }, Section::Workers)
        .value("N")
        .short('w')
        .variable("WEB_CONCURRENCY")
        .default("1")
        .help("Number of workers; 0 is one for each usable CPU"),
    option("worker-mode", Kind::Choice(&["auto", "process", "thread", "subinterpreter"]), Section::Workers)
        .value("MODE")
        .default("auto")
        .help("What a worker runs as; auto: threads on free-threaded Python, else processes"),
    option("worker-hooks", Kind::Flag, Section::Workers)
        .default("off")
        .help("Call the application with the scope types pounce.worker.startup, .draining and .shutdown"),
    option("reuse-port", Kind::Flag, Section::Workers)
        .default("off")
        .help("Give each worker its own listening socket (SO_REUSEPORT) instead of a shared one"),
    option("limit-max-requests", Kind::Count, Section::Workers)
        .value("N")
        .aliases(&["max-requests"])
        .help("Requests after which a worker is replaced"),
    option("limit-max-requests-jitter", Kind::Integer { min: 0, max: u32::MAX as u64 }, Section::Workers)
        .value("N")
        .aliases(&["max-requests-jitter"])
        .default("0")
        .help("Up to this many requests are added to the limit at random, to spread the replacements"),
    option("workers-lifetime", Kind::Seconds { min: Duration::from_secs(1), max: YEAR }, Section::Workers)
        .value("SECONDS")
        .help("Time after which a worker is replaced"),
    option("workers-lifetime-jitter", Kind::Seconds { min: Duration::ZERO, max: YEAR }, Section::Workers)
        .value("SECONDS")
        .default("0")
        .help("Up to this much time is added to the lifetime at random"),
    option("workers-max-rss", Kind::Size { min: 8 * MIB, max: u64::MAX }, Section::Workers)
        .value("SIZE")
        .help("Memory of a worker process (RSS) above which it is replaced, such as 512MiB"),
    option("respawn-limit", Kind::Integer { min: 0, max: 1000 }, Section::Workers)
        .value("N")
        .default("5")
        .help("Restarts of a worker within respawn-window before it is given up"),
    option("respawn-window", Kind::Seconds { min: Duration::from_secs(1), max: DAY }, Section::Workers)
        .value("SECONDS")
        .default("60")
        .help("Time after which a restart no longer counts"),
    option("chdir", Kind::Path, Section::Process)
        .value("DIR")
        .aliases(&["working-dir"])
        .of_process()
        .help("Working directory; every relative path but that of --config counts from it"),
    option("set-env", Kind::List { separator: '\n' }, Section::Process)
        .value("NAME=VALUE")
        .aliases(&["env"])
        .help("Variable for the application's environment; repeatable"),
    option("user", Kind::Text, Section::Process)
        .value("USER")
        .of_process()
        .help("User, by name or number, to become once the addresses are bound and certificates are read"),
    option("group", Kind::Text, Section::Process)
        .value("GROUP")
        .short('g')
        .of_process()
        .help("Group, by name or number, to become then; by default that of --user"),
    option("umask", Kind::Permissions, Section::Process)
        .value("MODE")
        .short('m')
        .of_process()
        .help("Permission bits that new files do not get"),
    option("pid", Kind::Path, Section::Process)
        .value("FILE")
        .aliases(&["pid-file"])
        .of_process()
        .help("File for the server's process id while it runs; a second server with the same file is refused"),
    option("name", Kind::Text, Section::Process)
        .value("NAME")
        .short('n')
        .aliases(&["process-name"])
        .of_process()
        .help("Name of its processes in ps and top, up to 15 bytes"),
    option("reload", Kind::Flag, Section::Reload)
        .default("off")
        .help("Restart when the application's files change, for development"),
    option("reload-dir", COMMAS, Section::Reload)
        .value("DIR")
        .aliases(&["reload-paths"])
        .help("Folder to watch instead of the working directory; repeatable"),
    option("reload-include", COMMAS, Section::Reload)
        .value("GLOB")
        .default("*.py")
        .help("Files to watch; repeatable"),
    option("reload-exclude", COMMAS, Section::Reload)
        .value("GLOB")
        .aliases(&["reload-ignore-dirs", "reload-ignore-paths"])
        .help("Files and folders not to watch; repeatable"),
    option("reload-delay", Kind::Seconds { min: Duration::ZERO, max: HOUR }, Section::Reload)
        .value("SECONDS")
        .default("0.25")
        .help("How long files must stay unchanged before the restart"),
    option(
        "log-level",
        Kind::Choice(&["critical", "error", "warning", "info", "debug", "trace"]),
        Section::Logging,
    )
    .value("LEVEL")
    .default("info")
    .synonyms(&[("warn", "warning"), ("notset", "trace")])
    .help("Least severe messages to log"),
    option("log-format", Kind::Choice(&["auto", "text", "json"]), Section::Logging)
        .value("FORMAT")
        .default("auto")
        .help("Format of log lines"),
    option("use-colors", Kind::Flag, Section::Logging)
        .help("Colour log lines; by default only on a terminal"),
    option("log-config", Kind::PathOrTable, Section::Logging)
        .value("FILE")
        .aliases(&["log-config-json"])
        .help("Configuration of Python's logging, which then gets all lines: .json, .yaml, .toml or INI"),
    option("log-blocked-loop", FROM_ZERO, Section::Logging)
        .value("SECONDS")
        .help("Log where the application blocks the event loop for longer, such as 100ms (with --reload); 0 never"),
    option("access-log", Kind::Flag, Section::Logging).default("on").help("Log a line for every request"),
    option("access-log-format", Kind::Text, Section::Logging)
        .value("FORMAT")
        .aliases(&["access-log-fmt", "access-logformat"])
        .default("%(h)s - \"%(r)s\" %(s)s")
        .help("Access log line in gunicorn's %(h)s or granian's %(addr)s atoms, or json"),
    option("access-log-exclude", COMMAS, Section::Logging)
        .value("PATH")
        .help("Path whose requests are not in the access log; * at its end stands for anything; repeatable"),
    option("access-logfile", Kind::Path, Section::Logging)
        .value("FILE")
        .default("-")
        .of_process()
        .help("File for the access log; - is standard output"),
    option("error-logfile", Kind::Path, Section::Logging)
        .value("FILE")
        .aliases(&["log-file", "error-log"])
        .default("-")
        .of_process()
        .help("File for all other log lines; - is standard error"),
    option("timeout-keep-alive", FROM_ZERO, Section::Timeouts)
        .value("SECONDS")
        .aliases(&["keep-alive"])
        .default("75")
        .help("How long a connection waits for its next request; 0 closes it after each response"),
    option("timeout-header", DEADLINE, Section::Timeouts)
        .value("SECONDS")
        .default("10")
        .help("How long a client may take to send a request's line and headers"),
    option("timeout-body", DEADLINE, Section::Timeouts)
        .value("SECONDS")
        .default("30")
        .help("How long a request's body may stall"),
    option("timeout-write", DEADLINE, Section::Timeouts)
        .value("SECONDS")
        .default("30")
        .help("How long a client may leave a response unread"),
    option("timeout-graceful-shutdown", FROM_ZERO, Section::Timeouts)
        .value("SECONDS")
        .aliases(&["graceful-timeout", "workers-kill-timeout"])
        .default("10")
        .help("How long running requests may go on after a stop was requested; 0 stops at once"),
    option("timeout-startup", DEADLINE, Section::Timeouts)
        .value("SECONDS")
        .aliases(&["startup-timeout"])
        .default("30")
        .help("How long the application's start-up may take"),
    option("timeout-worker-healthcheck", FROM_ZERO, Section::Timeouts)
        .value("SECONDS")
        .aliases(&["timeout"])
        .short('t')
        .default("30")
        .help("How long a worker may be stuck before it is reported and, if a process, replaced; 0 never"),
    option("limit-connections", Kind::Count, Section::Limits)
        .value("N")
        .help("Open connections, beyond which the answer is 503"),
    option("limit-concurrency", Kind::Count, Section::Limits)
        .value("N")
        .help("Requests running at a time, beyond which the answer is 503"),
    option("limit-request-line", Kind::Size { min: 64, max: 16 * MIB }, Section::Limits)
        .value("SIZE")
        .default("8KiB")
        .help("Longest request line, beyond which the answer is 414"),
    option("limit-request-fields", Kind::Integer { min: 1, max: 32768 }, Section::Limits)
        .value("N")
        .default("100")
        .help("Most header fields in a request, beyond which the answer is 431"),
    option("limit-header-size", Kind::Size { min: 256, max: 64 * MIB }, Section::Limits)
        .value("SIZE")
        .aliases(&["http2-max-headers-size", "http2-max-header-list-size", "h2-max-header-list-size"])
        .default("64KiB")
        .help("Largest size of all header fields together, beyond which the answer is 431"),
    option("limit-request-body", Kind::SizeLimit, Section::Limits)
        .value("SIZE")
        .default("1GiB")
        .help("Largest request body, beyond which the answer is 413; 0 is no limit"),
    option("limit-min-read-rate", Kind::SizeLimit, Section::Limits)
        .value("SIZE")
        .default("100")
        .help("Bytes per second a client must read of a waiting response, over 30 seconds; 0 is no limit"),
    option("limit-min-body-rate", Kind::SizeLimit, Section::Limits)
        .value("SIZE")
        .default("0")
        .help("Bytes per second a client must send of an awaited body, over 30 seconds, else 408; 0 is no limit"),
    option("health-path", Kind::UrlPath, Section::Health)
        .value("PATH")
        .help("Path at which a worker itself answers 200 while it is ready, and 503 once it is to stop"),
    option("live-path", Kind::UrlPath, Section::Health)
        .value("PATH")
        .help("Path at which a worker itself answers 200 while its event loop turns"),
    option("drain-delay", FROM_ZERO, Section::Health)
        .value("SECONDS")
        .default("0")
        .help("How long a server that is to stop goes on serving, not ready, before it drains"),
    option("header", Kind::Headers, Section::Responses)
        .value("NAME:VALUE")
        .help("Header added to every response; repeatable"),
    option("hsts", Kind::Seconds { min: Duration::ZERO, max: YEAR.saturating_mul(2) }, Section::Responses)
        .value("SECONDS")
        .help("With TLS: tell browsers for how long to use only HTTPS (Strict-Transport-Security), such as 31536000"),
    option("request-id", Kind::FieldName, Section::Responses)
        .value("HEADER")
        .help("Give each request an id in this header, such as x-request-id: the trusted proxy's, else a new one"),
    option("server-timing", Kind::Flag, Section::Responses)
        .default("off")
        .help("Send Server-Timing: app;dur=MILLISECONDS, from a request's arrival to the response's start"),
    option("server-header", Kind::Flag, Section::Responses).default("on").help("Send the Server header"),
    option("date-header", Kind::Flag, Section::Responses).default("on").help("Send the Date header"),
    option("config", Kind::Path, Section::Configuration)
        .value("FILE")
        .short('c')
        .not_in_file()
        .help("TOML file to read instead of pounce.toml and pyproject.toml; or gunicorn.conf.py, hypercorn.toml"),
    option("compat", Kind::Choice(&["uvicorn", "granian", "gunicorn", "hypercorn"]), Section::Configuration)
        .value("SERVER")
        .not_in_file()
        .help("Read that server's environment variables, and its configuration file"),
];
