"""The types of ASGI applications and of options, for annotations alone."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from os import PathLike
from typing import Literal, TypeAlias, TypedDict

Scope: TypeAlias = MutableMapping[str, object]
Message: TypeAlias = MutableMapping[str, object]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

ASGIApplication: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
ASGI2Application: TypeAlias = Callable[[Scope], Callable[[Receive, Send], Awaitable[None]]]
# Makes the application to serve out of one, of which it is told whether it is an `ASGI2Application`.
Wrap: TypeAlias = Callable[[ASGIApplication | ASGI2Application, bool], ASGIApplication]
# An application, or with `factory=True` a function that makes one.
Application: TypeAlias = ASGIApplication | Callable[[], ASGIApplication]

Text: TypeAlias = str | PathLike[str]
Number: TypeAlias = int | float | str
Texts: TypeAlias = Text | Sequence[Text]


class Options(TypedDict, total=False):
    """The options of the command line, by their names with underscores. `pounce --help` explains them."""

    app_dir: Text | None
    factory: bool
    interface: Literal["auto", "asgi3", "asgi2"]
    loop: Literal["pounce", "asyncio"]
    lifespan: Literal["auto", "on", "off"]
    lifespan_scope: Literal["auto", "server", "worker"]
    root_path: str
    env_file: Text | None
    set_env: Texts
    asgi_extensions: Texts
    debug: bool
    host: str
    port: int | str
    bind: Texts
    uds: Text | None
    uds_permissions: str
    fd: int | None
    backlog: int
    http: str
    http2_max_concurrent_streams: int
    http2_initial_stream_window_size: int | str
    http2_initial_connection_window_size: int | str
    http2_max_frame_size: int | str
    http2_max_idle_frames: int
    ws: bool | str
    ws_max_size: int | str
    ws_max_queue: int
    ws_max_queued_bytes: int | str
    ws_ping_interval: Number | None
    ws_ping_timeout: Number | None
    ws_per_message_deflate: bool | str
    proxy_headers: bool
    forwarded_allow_ips: Texts | None
    proxy_protocol: bool | str
    ssl_certfile: Text | None
    ssl_keyfile: Text | None
    ssl_keyfile_password: str | None
    ssl_sni: Texts
    ssl_ca_certs: Text | None
    ssl_cert_reqs: int | str
    ssl_crl: Texts
    ssl_min_version: str
    ssl_handshake_timeout: Number
    workers: int | None
    worker_mode: Literal["auto", "process", "thread", "subinterpreter"]
    worker_hooks: bool
    reuse_port: bool
    preload: bool
    limit_max_requests: int | None
    limit_max_requests_jitter: int
    workers_lifetime: Number | None
    workers_lifetime_jitter: Number
    workers_max_rss: int | str | None
    respawn_limit: int
    respawn_window: Number
    reload: bool
    reload_dir: Texts
    reload_dirs: Texts
    reload_include: Texts
    reload_includes: Texts
    reload_exclude: Texts
    reload_excludes: Texts
    reload_delay: Number
    log_level: str | int | None
    log_format: Literal["auto", "text", "json"]
    use_colors: bool | None
    log_config: Text | Mapping[str, object] | None
    log_blocked_loop: Number | None
    access_log: bool
    access_log_format: str
    access_log_exclude: Texts
    timeout_keep_alive: Number
    timeout_header: Number
    timeout_body: Number
    timeout_write: Number
    timeout_request: Number | None
    timeout_graceful_shutdown: Number | None
    timeout_startup: Number
    timeout_worker_healthcheck: Number
    limit_connections: int | None
    limit_concurrency: int | None
    limit_request_line: int | str
    limit_request_fields: int
    limit_header_size: int | str
    limit_request_body: int | str | None
    limit_min_read_rate: int | str | None
    limit_min_body_rate: int | str | None
    health_path: str | None
    live_path: str | None
    drain_delay: Number
    metrics_bind: str | None
    metrics_path: str | None
    control: str | PathLike[str] | None
    otel_endpoint: str | None
    otel_sample: int
    redirect_http: int | None
    header: Texts
    headers: Sequence[tuple[str, str]]
    hsts: Number | None
    request_id: str | None
    server_timing: bool
    server_header: bool
    date_header: bool
