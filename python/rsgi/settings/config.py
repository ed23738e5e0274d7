"""Every setting of the server, each defined once.

Settings come from four places: `rsgi serve --flag`, `RSGI_*` environment variables, a file (`rsgi.config_file`), and
`rsgi.serve(...)` from Python. The metadata of a field is the only definition. Flags, their help and their checks are
generated from it (`rsgi.cli.parameters`), and the Rust side reads the same field names.

To add a setting: add a field here, and the field of the same name in `src/config/settings.rs`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, cast

from rsgi.errors import StartupError
from rsgi.settings.defaults import default_workers, default_wsgi_threads
from rsgi.settings.rules import ParsedRule
from rsgi.settings.setting import AppTarget, Setting
from rsgi.settings.shadow_rules import ParsedShadow
from rsgi.settings.static_folder import AskedFolder
from rsgi.settings.values import SettingValueError

KIB = 1024
MIB = 1024 * KIB

__all__ = ["SECTIONS", "AppTarget", "Config", "Setting", "flag_of", "setting_of", "settings"]

# A descriptor is opened again through `/proc`, which only Linux has.
_EXTENSIONS = ("pathsend", *(("zerocopysend",) if sys.platform == "linux" else ()), "trailers", "early_hint")
_EXTENSION_NAMES = ", ".join(f"`{name}`" for name in _EXTENSIONS)

SECTIONS = (
    "Applications",
    "Shares",
    "Shadow traffic",
    "Static files",
    "Compression",
    "Addresses",
    "Behind a proxy",
    "TLS",
    "WSGI",
    "ASGI",
    "WebSocket",
    "Processes",
    "Limits",
    "Time limits",
    "GRIP",
    "Output",
    "Development",
)


def _setting(
    help: str,
    section: str,
    default: object = None,
    *,
    factory: Callable[[], object] | None = None,
    **details: Any,  # noqa: ANN401 - checked by `Setting` itself
) -> Any:  # noqa: ANN401 - like `dataclasses.field`
    metadata = {"setting": Setting(help, section, **details)}
    if factory is not None:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Config:
    """All settings of one server, validated when the object is created.

    Durations are seconds and sizes are bytes. Both may be text (`"2m"`, `"64KiB"`).

    Raises:
        StartupError: when a setting has an invalid value.
    """

    apps: tuple[AppTarget, ...] = _setting(
        "Serve {INTERFACE} application: `module:attr` or `module:factory()`, mounted at PREFIX if you give one. "
        "Repeatable.",
        "Applications",
        (),
        unit="apps",
        metavar="[PREFIX=]TARGET",
        repeatable=True,
    )
    routes: tuple[str | Mapping[str, object] | ParsedRule, ...] = _setting(
        "Choose the application for a request: `[METHODS ][HOST]/path/{name}=APP`. APP is a name from the "
        "configuration file, a target, wsgi or asgi. The first rule that matches wins over everything else. The path "
        "passes through unchanged. `=APP:5%` limits the rule to a share of the clients: see docs/shares.md. Repeatable.",
        "Applications",
        (),
        unit="rules",
        metavar="RULE",
        repeatable=True,
        separators=r"[;\n]+",
    )
    fallback: str | None = _setting(
        "What the WSGI application gets if there is one application of each kind without a prefix. table: what is not "
        "in the route table of the ASGI application. probe: what the ASGI application has no route for when rsgi asks "
        "it. off: the two must not share requests.",
        "Applications",
        choices=("table", "probe", "off"),
        optional=True,
        default_text="table if the routes can be read, else probe",
    )
    routes_from: tuple[str, ...] = _setting(
        "Read the routes of an application from this inner object if they cannot be read from the application itself: "
        "`[APP=]TARGET`. APP is wsgi, asgi (the default) or a target. Repeatable.",
        "Applications",
        (),
        metavar="[APP=]TARGET",
        repeatable=True,
    )
    prefer: str = _setting(
        "The kind of application that gets a request if both applications without a prefix have a route for it.",
        "Applications",
        "asgi",
        choices=("asgi", "wsgi"),
    )
    config: str | None = _setting(
        "Read settings from this file. Flags and the environment win over it.",
        "Applications",
        metavar="FILE",
        optional=True,
        default_text="`rsgi.toml`, or `[tool.rsgi]` in `pyproject.toml`, in this folder or `--app-dir`",
    )
    env_file: str | None = _setting(
        "Read environment variables from this file, in lines of `NAME=value`. They apply to the applications and to "
        "settings (`RSGI_*`). A variable that is already set keeps its value.",
        "Applications",
        metavar="FILE",
        optional=True,
        default_text="none",
    )
    reload_rules: bool = _setting(
        "Check once a second whether the configuration file has changed, and load its rules. SIGHUP does so at once.",
        "Applications",
        False,
        unit="flag",
    )
    app_dir: str = _setting(
        "Import applications from this folder.",
        "Applications",
        ".",
        metavar="DIR",
        default_text="this folder",
    )

    share_by: str = _setting(
        "What decides whether a client is in the share of a rule: cookie (rsgi sets the cookie `rsgi_bucket`), client (its "
        "address), the value of a header, or the value of a cookie of your application.",
        "Shares",
        "cookie",
        unit="share by",
        metavar="cookie|client|header:NAME|cookie:NAME",
    )
    share_testers: str | None = _setting(
        "Let testers choose an application where a rule has a share, with the header or the cookie `rsgi-app: NAME.TEXT`. "
        "Other users can see a command line: use the environment variable.",
        "Shares",
        unit="secret word",
        secret=True,
        metavar="TEXT",
        optional=True,
        default_text="none",
    )

    shadow: tuple[str | Mapping[str, object] | ParsedShadow, ...] = _setting(
        "Send a sample of the requests for a path to a second application too, and compare the responses: "
        "`[METHODS ]/path/{name}=APP[:SAMPLE]`. Clients get the first response. Only GET and HEAD unless you name methods. "
        "The default sample is 10%. Repeatable. See docs/shadow.md.",
        "Shadow traffic",
        (),
        unit="shadows",
        metavar="RULE",
        repeatable=True,
        separators=r"[;\n]+",
    )
    shadow_concurrency: int = _setting(
        "How many shadow requests may run at the same time.",
        "Shadow traffic",
        1,
        unit="number",
        minimum=1,
        maximum=1000,
    )
    shadow_queue: int = _setting(
        "How many shadow requests may wait. Further ones are dropped and counted.",
        "Shadow traffic",
        100,
        unit="number",
        minimum=1,
        maximum=100_000,
    )
    shadow_timeout: float = _setting(
        "How long the response to a shadow request may take. After that, its application sees a client that has left.",
        "Shadow traffic",
        5.0,
        unit="duration",
        minimum=0.001,
    )
    shadow_limit: int = _setting(
        "How many bytes of a body are kept for the comparison. Requests with a larger body are not sent twice.",
        "Shadow traffic",
        256 * KIB,
        unit="size",
        minimum=1,
    )
    record: str | None = _setting(
        "Write GET and HEAD requests with their responses to this file, for `rsgi replay`. Cookies, tokens and the like are "
        "left out. See docs/record-and-replay.md.",
        "Shadow traffic",
        metavar="FILE",
        optional=True,
        default_text="none",
    )
    record_size: int = _setting(
        "How large the file of `--record` may grow. Then rsgi records no more requests, and says so.",
        "Shadow traffic",
        64 * MIB,
        unit="size",
        minimum=4 * KIB,
    )
    shadow_store_folder: str | None = _setting(
        "Keep samples of shadow traffic in this folder, for `rsgi diff`. Without it, they stay in memory.",
        "Shadow traffic",
        metavar="DIR",
        optional=True,
        default_text="none",
    )
    shadow_store_redact: tuple[str, ...] = _setting(
        "Never store the values of header, query, form and JSON fields with this name, in addition to cookies, "
        "`Authorization`, passwords, tokens and the like. Repeatable.",
        "Shadow traffic",
        (),
        metavar="NAME",
        repeatable=True,
    )
    shadow_store_samples: int = _setting(
        "How many samples are kept. The oldest go first.", "Shadow traffic", 10_000, unit="number", minimum=1
    )
    shadow_store_size: int = _setting(
        "How large the store may grow.", "Shadow traffic", 256 * MIB, unit="size", minimum=1024 * KIB
    )

    static: tuple[str | Mapping[str, object] | AskedFolder, ...] = _setting(
        "Serve the files of a folder below a prefix, before any application. Repeatable. See docs/static-files.md.",
        "Static files",
        (),
        unit="folders",
        metavar="PREFIX=DIR",
        repeatable=True,
        separators=r"[;\n]+",
    )
    static_cache_control: str | None = _setting(
        "The header `Cache-Control` of files. off omits it. With no-cache, browsers ask each time whether a file has "
        "changed.",
        "Static files",
        "no-cache",
        unit="header value",
        metavar="TEXT|off",
        optional=True,
    )
    static_immutable: bool = _setting(
        "Let browsers keep a file for a year if its name contains a hash of the content, such as `app.3f2a1b.js`.",
        "Static files",
        False,
        unit="flag",
    )
    static_fallback_to_app: bool = _setting(
        "If there is no such file, ask the applications instead of answering 404. They also get methods other than "
        "GET and HEAD.",
        "Static files",
        False,
        unit="flag",
    )
    static_follow_links: bool = _setting(
        "Follow symbolic links that lead out of the folder.",
        "Static files",
        False,
        unit="flag",
    )

    compress: tuple[str, ...] = _setting(
        "Compress responses of applications if the client supports it: auto, or codings in order of preference. See "
        "docs/compression.md, also about when not to.",
        "Compression",
        (),
        unit="words",
        metavar="auto|NAME,…",
        choices=("auto", "zstd", "br", "gzip"),
    )
    compress_min_size: int = _setting(
        "Compress only bodies of at least this size, if the size is known.", "Compression", KIB, unit="size", minimum=0
    )
    compress_types: tuple[str, ...] = _setting(
        "Compress responses of these types, such as text/html, text/* or +json. Separated by commas.",
        "Compression",
        (
            "text/*",
            "+json",
            "+xml",
            "application/json",
            "application/javascript",
            "application/wasm",
            "application/x-ndjson",
            "application/xml",
            "font/otf",
            "font/ttf",
            "image/bmp",
        ),
        unit="words",
        metavar="TYPE,…",
    )

    host: str = _setting("The address to listen on.", "Addresses", "127.0.0.1", metavar="HOST")
    port: int = _setting(
        "The port to listen on. 0 takes any free port.", "Addresses", 8000, unit="number", minimum=0, maximum=65535
    )
    bind: tuple[str, ...] = _setting(
        "Listen here instead of on HOST and PORT: `host:port`, `[::1]:port`, `unix:/path`, `unix:@name` (abstract), "
        "or `fd://3`, an inherited listening socket by its number or by its systemd name. Repeatable.",
        "Addresses",
        (),
        unit="address",
        short="-b",
        metavar="ADDR",
        repeatable=True,
    )
    uds: str | None = _setting(
        "Listen on a Unix socket. The same as `--bind unix:PATH`.", "Addresses", metavar="PATH", optional=True
    )
    uds_mode: str | None = _setting(
        "The mode of Unix sockets in octal digits, for example 660. Everybody with write permission can connect.",
        "Addresses",
        unit="mode",
        metavar="MODE",
        optional=True,
        default_text="what the umask leaves of 777",
    )
    backlog: int = _setting(
        "How many connections may wait to be accepted. The system may allow fewer (`net.core.somaxconn`).",
        "Addresses",
        2048,
        unit="number",
        minimum=1,
        maximum=2**31 - 1,
    )
    reuse_port: bool = _setting(
        "Let several servers bind the same ports (SO_REUSEPORT), if each of them sets this. The system divides "
        "connections among them.",
        "Addresses",
        False,
        unit="flag",
    )

    http: str = _setting(
        "The versions of HTTP to serve. With TLS, the client chooses one (ALPN). Without TLS, a client that starts "
        "with HTTP/2 gets HTTP/2.",
        "Addresses",
        "auto",
        choices=("auto", "1", "2"),
    )

    trust_proxy: tuple[str, ...] = _setting(
        "Trust `Forwarded` and `X-Forwarded-For`, `-Proto`, `-Host`, `-Port` and `-Prefix` from these proxies: an "
        "address, a network such as 10.0.0.0/8, unix (Unix sockets) or * (everybody). Repeatable, or separated by "
        "commas.",
        "Behind a proxy",
        (),
        unit="proxy",
        metavar="LIST",
        repeatable=True,
        separators=r"[;,\s]+",
    )
    root_path: str | None = _setting(
        "The path under which a proxy serves this server, whether the proxy strips it or not. Applications see it as "
        "`SCRIPT_NAME` or `root_path`. Rules and prefixes match the path below it.",
        "Behind a proxy",
        unit="path",
        metavar="PATH",
        optional=True,
        default_text="none",
    )
    proxy_protocol: bool = _setting(
        "Require a PROXY header (version 1 or 2) at the start of each connection from a trusted proxy.",
        "Behind a proxy",
        False,
        unit="flag",
    )

    tls_cert: tuple[str, ...] = _setting(
        "Serve HTTPS with the certificate in this PEM file: the server's own first, then the intermediate ones. "
        "Repeatable: a client gets the first certificate that is valid for the host name it asks for. SIGHUP reads "
        "the files again.",
        "TLS",
        (),
        metavar="FILE",
        repeatable=True,
        separators=r"[;\n]+",
    )
    tls_key: tuple[str, ...] = _setting(
        "The PEM file of the key, one for each `--tls-cert` in the same order. Not needed if the file of the "
        "certificate contains the key.",
        "TLS",
        (),
        metavar="FILE",
        repeatable=True,
        separators=r"[;\n]+",
    )
    tls_key_password: str | None = _setting(
        "The password of the keys. Other users can see it on a command line, so use the environment variable.",
        "TLS",
        secret=True,
        metavar="TEXT",
        optional=True,
        default_text="none",
    )
    tls_client_ca: str | None = _setting(
        "Ask clients for a certificate, and verify it with the authorities in this PEM file.",
        "TLS",
        metavar="FILE",
        optional=True,
        default_text="none",
    )
    tls_client_auth: str | None = _setting(
        "Whether clients must have a certificate. A client with an invalid certificate is never served.",
        "TLS",
        choices=("optional", "required"),
        optional=True,
        default_text="required if there is a client authority",
    )
    tls_min_version: str = _setting("The oldest version of TLS to serve.", "TLS", "1.2", choices=("1.2", "1.3"))

    wsgi_threads: int = _setting(
        "How many threads run WSGI applications.",
        "WSGI",
        factory=default_wsgi_threads,
        unit="number",
        minimum=1,
        maximum=4096,
        default_text="cores + 4, at most 32",
    )
    wsgi_queue: int = _setting(
        "How many requests may wait for a WSGI thread. Further requests get 503.",
        "WSGI",
        1024,
        unit="number",
        minimum=1,
    )
    wsgi_request_buffering: str = _setting(
        "When a WSGI call starts. auto: when the body is complete or `--request-buffer` of it has arrived. full: when "
        "the body is complete. off: at once.",
        "WSGI",
        "auto",
        choices=("auto", "full", "off"),
    )

    loop: str = _setting(
        "The event loop. auto takes asyncio's if the loop can drive the sockets itself, otherwise uvloop if it is "
        "installed.",
        "ASGI",
        "auto",
        choices=("auto", "asyncio", "uvloop"),
    )
    io: str = _setting(
        "Which thread drives the sockets. thread: a separate thread. loop: the event loop inside its `select()` (ASGI "
        "only). pool: the WSGI threads while they wait. auto takes the fastest for the applications. Beside a busy event "
        "loop, it uses a separate thread while a processor is free.",
        "ASGI",
        "auto",
        choices=("auto", "thread", "loop", "pool"),
    )
    busy_poll: float | str = _setting(
        "How long to poll the sockets before sleeping, for example 100us. Requests that follow each other closely are "
        "answered sooner, but a processor is busy. auto polls for 100us, but only while requests follow each other that "
        "closely and no other thread wants the processor. 0 sleeps at once.",
        "ASGI",
        0.0,
        unit="poll time",
        metavar="auto|TIME",
        minimum=0,
        maximum=1,
    )
    lifespan: str = _setting(
        "Whether ASGI applications get lifespan events. on requires lifespan support. auto tolerates its absence. off "
        "sends no events.",
        "ASGI",
        "auto",
        choices=("auto", "on", "off"),
    )
    lifespan_timeout: float = _setting(
        "How long the startup of an application may take, and how long its shutdown.",
        "ASGI",
        60.0,
        unit="duration",
        minimum=0.001,
    )

    asgi_extensions: tuple[str, ...] = _setting(
        "Offer these ASGI extensions, which change the messages that an application sends: "
        f"{_EXTENSION_NAMES}. Separated by commas. Middleware must know them. Otherwise it may answer 500, or leave files "
        "uncompressed.",
        "ASGI",
        (),
        unit="words",
        metavar="NAME,…",
        choices=_EXTENSIONS,
    )

    ws_max_message: int = _setting(
        "The largest WebSocket message. A larger one closes the WebSocket with 1009.",
        "WebSocket",
        16 * MIB,
        unit="size",
        minimum=1,
    )
    ws_ping_interval: float = _setting(
        "The time between pings of a WebSocket. 0 sends none.", "WebSocket", 20.0, unit="duration", minimum=0
    )
    ws_ping_timeout: float = _setting(
        "How long a pong may take before the WebSocket is closed.",
        "WebSocket",
        20.0,
        unit="duration",
        minimum=0.001,
    )
    ws_compression: str = _setting(
        "Whether WebSocket messages are compressed (permessage-deflate). auto compresses if the client offers it.",
        "WebSocket",
        "auto",
        choices=("auto", "off"),
    )

    workers: int = _setting(
        "How many processes serve. Each has all applications, and its own threads, loop, limits and lifespans. auto "
        "takes one for each processor that the process may use.",
        "Processes",
        factory=default_workers,
        unit="processes",
        short="-w",
        minimum=1,
        maximum=1024,
        default_text="the variable `WEB_CONCURRENCY`, else 1",
    )
    preload: bool = _setting(
        "With `--workers`: import the applications once and fork the workers, which share that memory. Linux only. "
        "See docs/workers.md for what applications must avoid.",
        "Processes",
        False,
        unit="flag",
    )
    user: str | None = _setting(
        "Change to this user when the addresses are bound, before applications are imported: a name or a number. For "
        "servers that root starts.",
        "Processes",
        metavar="USER",
        optional=True,
        default_text="the user that started it",
    )
    group: str | None = _setting(
        "Change to this group at the same time: a name or a number.",
        "Processes",
        metavar="GROUP",
        optional=True,
        default_text="the group of `--user`",
    )
    pid_file: str | None = _setting(
        "Write the id of the process that takes signals to this file when the addresses are bound. rsgi removes the "
        "file at the end.",
        "Processes",
        metavar="FILE",
        optional=True,
        default_text="none",
    )

    max_requests: int | None = _setting(
        "Replace a worker after this many requests, one worker at a time and without losing a request. With one "
        "worker, this adds a supervisor.",
        "Processes",
        unit="number",
        optional=True,
        minimum=1,
        maximum=2**53,
        default_text="no limit",
    )
    max_requests_jitter: int = _setting(
        "Add a random number up to this to `--max-requests`, for each worker.",
        "Processes",
        0,
        unit="number",
        minimum=0,
        maximum=2**31,
    )
    max_worker_age: float | None = _setting(
        "Replace a worker that has served for this long.",
        "Processes",
        unit="duration",
        optional=True,
        minimum=1,
        default_text="no limit",
    )
    max_rss: int | None = _setting(
        "Replace a worker with more resident memory than this. Checked once a second. Linux only.",
        "Processes",
        unit="size",
        optional=True,
        minimum=MIB,
        default_text="no limit",
    )
    worker_timeout: float | None = _setting(
        "Replace a worker that has not driven its sockets for this long, for example because its event loop is "
        "blocked, and log its stacks. 0 never does.",
        "Processes",
        unit="duration",
        optional=True,
        minimum=0,
        default_text="60s where there is a supervisor",
    )

    max_request_line: int = _setting(
        "The longest request line. A longer one gets 414.", "Limits", 8 * KIB, unit="size", minimum=256
    )
    max_header_section: int = _setting(
        "The largest header section. A larger one gets 431.", "Limits", 64 * KIB, unit="size", minimum=256
    )
    max_header_fields: int = _setting(
        "The largest number of header fields. More get 431.", "Limits", 100, unit="number", minimum=1, maximum=16384
    )
    max_body: int | None = _setting(
        "The largest request body. A larger one gets 413.", "Limits", unit="size", optional=True, minimum=0
    )
    max_connections: int | None = _setting(
        "How many connections a process may have open. Further connections wait in the kernel until one closes.",
        "Limits",
        unit="number",
        optional=True,
        minimum=1,
    )
    limit_concurrency: int | None = _setting(
        "How many requests and WebSockets each application may have at the same time. Further ones get 503.",
        "Limits",
        unit="number",
        optional=True,
        minimum=1,
    )
    request_buffer: int = _setting(
        "How much of a request body stays in memory before the client has to wait.",
        "Limits",
        1 * MIB,
        unit="size",
        minimum=KIB,
    )
    response_buffer: int = _setting(
        "How much of a response stays in memory before the application has to wait.",
        "Limits",
        256 * KIB,
        unit="size",
        minimum=KIB,
    )
    response_spool: int = _setting(
        "How much more of a WSGI response goes to a temporary file for a slow client, so that the thread is free. All "
        "responses together may use 16 times as much. With 0, the thread waits.",
        "Limits",
        64 * MIB,
        unit="size",
        minimum=0,
        maximum=2**50,
    )
    h2_max_streams: int = _setting(
        "How many requests and WebSockets one HTTP/2 connection may have at the same time.",
        "Limits",
        100,
        unit="number",
        minimum=1,
        maximum=65535,
    )
    h2_window: int = _setting(
        "How much of a request body an HTTP/2 client may send before the application reads it. More is faster over "
        "long distances.",
        "Limits",
        256 * KIB,
        unit="size",
        minimum=64 * KIB,
        maximum=2**31 - 1,
    )
    replay_limit: int = _setting(
        "With `--fallback probe`: the largest body to store for the WSGI application while the ASGI application is "
        "asked first.",
        "Limits",
        16 * MIB,
        unit="size",
        minimum=0,
    )

    header_timeout: float = _setting(
        "How long a client may take to send the head of a request, and for a TLS handshake.",
        "Time limits",
        10.0,
        unit="duration",
        minimum=0.001,
    )
    keep_alive_timeout: float = _setting(
        "How long an idle connection stays open.", "Time limits", 75.0, unit="duration", minimum=0
    )
    queue_timeout: float = _setting(
        "How long a request may wait for a WSGI thread before it gets 503.",
        "Time limits",
        45.0,
        unit="duration",
        minimum=0.001,
    )
    request_timeout: float | None = _setting(
        "How long an application may take until its response begins. After that, the client gets 504. rsgi cancels a "
        "task. It abandons a WSGI thread and replaces it. A WebSocket must be accepted or refused in this time.",
        "Time limits",
        unit="duration",
        optional=True,
        minimum=0.001,
        default_text="no limit",
    )
    min_data_rate: int = _setting(
        "The slowest rate at which a client may send a body or read a response, in bytes per second. 0 allows any.",
        "Time limits",
        500,
        unit="size",
        minimum=0,
    )
    min_data_rate_grace: float = _setting(
        "How long a client may be slower than `--min-data-rate`.", "Time limits", 10.0, unit="duration", minimum=0.001
    )
    grace: float = _setting(
        "How long applications may take to finish when the server stops, including background tasks.",
        "Time limits",
        30.0,
        unit="duration",
        minimum=0,
    )

    stream_grace: float = _setting(
        "How long responses without a length, such as event streams, continue when the server stops. After that, "
        "their applications see a client that has left, and have the rest of `--grace` to finish.",
        "Time limits",
        2.0,
        unit="duration",
        minimum=0,
    )

    drain_delay: float = _setting(
        "How long to serve requests after the signal to stop, while `--health-path` answers 503. Set it to the time "
        "that load balancers need to notice.",
        "Time limits",
        0.0,
        unit="duration",
        minimum=0,
    )

    health_path: str | None = _setting(
        "Answer GET and HEAD of this path without an application: 200, or 503 when the server stops. The access log "
        "omits these requests.",
        "Output",
        unit="path",
        metavar="PATH",
        optional=True,
        default_text="none",
    )
    grip: bool = _setting(
        "Hold responses that ask for it with `Grip-Hold`, and send to them what is published later: event streams and long "
        "polling without a thread for each client. See docs/grip.md.",
        "GRIP",
        False,
        unit="flag",
    )
    grip_key: str | None = _setting(
        "Sign `Grip-Sig` with this key, by which applications know that a request came through this server. Text, or "
        "`base64:` and base64. Other users can see it on a command line, so use the environment variable.",
        "GRIP",
        secret=True,
        metavar="TEXT",
        optional=True,
        default_text="a random key",
    )
    grip_issuer: str = _setting("The `iss` of `Grip-Sig`.", "GRIP", "rsgi", metavar="TEXT")
    grip_max_holds: int = _setting(
        "How many clients a process may hold. More get 503.", "GRIP", 10_000, unit="number", minimum=1
    )
    grip_max_channels: int = _setting("How many channels one client may have.", "GRIP", 32, unit="number", minimum=1)
    grip_buffer: int = _setting(
        "How much of published items may wait for one client. A client that takes less is dropped. Also the longest "
        "response that can be held.",
        "GRIP",
        256 * 1024,
        unit="size",
        minimum=1024,
    )
    grip_message_wait: float = _setting(
        "How long a published item waits for the one before it (`prev-id`), if that has not come yet. 0 sends items as "
        "they come.",
        "GRIP",
        5.0,
        unit="duration",
    )
    grip_max_followers: int = _setting(
        "How many held streams of a process may follow their `Grip-Link` at the same time. Others wait for their turn.",
        "GRIP",
        16,
        unit="number",
        minimum=1,
    )
    openapi: str | None = _setting(
        "Serve one OpenAPI document for all applications at this path, before the applications. rsgi makes it at start, and "
        "again when routes or rules change. See docs/coverage.md.",
        "Output",
        unit="path",
        metavar="PATH",
        optional=True,
        default_text="none",
    )
    admin: str | None = _setting(
        "Show the dashboard here, and answer `/healthz`, `/readyz`, `/metrics`, `/status.json` and others for monitoring: "
        "`host:port`, `[::1]:port` or `unix:/path`. No application is called.",
        "Output",
        unit="address",
        metavar="ADDR",
        optional=True,
        default_text="none",
    )
    admin_token: str | None = _setting(
        "Require `Authorization: Bearer TEXT` at `--admin`. Needed unless that is a loopback address or a Unix "
        "socket. Other users can see it on a command line, so use the environment variable.",
        "Output",
        secret=True,
        metavar="TEXT",
        optional=True,
        default_text="none",
    )
    history_folder: str | None = _setting(
        "Keep the counters of the dashboard in this folder, over restarts. Needs `--admin`. See docs/dashboard.md.",
        "Output",
        metavar="DIR",
        optional=True,
        default_text="none",
    )
    history_quiet_days: int = _setting(
        "With `--history-folder`: a route of an old application is safe to delete if it had no requests for this number of "
        "days.",
        "Output",
        30,
        unit="number",
        minimum=1,
    )
    access_log: bool = _setting(
        "Write one line for each response to stdout, or to `--access-log-file`.", "Output", False, unit="flag"
    )
    access_log_file: str | None = _setting(
        "Write the access log to this file. `-` is stdout. SIGUSR1 reopens the file by its name, for logrotate.",
        "Output",
        metavar="FILE",
        optional=True,
        default_text="none",
    )
    access_log_format: str = _setting(
        "The format of the access log: text, common, combined, json, or a text with atoms like those of gunicorn, "
        "such as `%(h)s`. docs/logs.md lists them.",
        "Output",
        "text",
        metavar="FORMAT",
    )
    access_log_skip: tuple[str, ...] = _setting(
        "Omit requests for this path from the access log. Repeatable.",
        "Output",
        (),
        unit="path",
        metavar="PATH",
        repeatable=True,
    )
    log_level: str = _setting(
        "The least important messages to show on stderr.",
        "Output",
        "info",
        choices=("debug", "info", "warning", "error"),
    )
    log_format: str = _setting(
        "The format of the other lines, on stderr: text, or one JSON object for each line.",
        "Output",
        "text",
        choices=("text", "json"),
    )
    log_config: str | None = _setting(
        "Configure Python's `logging` with this file (JSON or TOML) before the applications are imported. It has what "
        "`logging.config.dictConfig` takes. The logger of the server is `rsgi`.",
        "Output",
        metavar="FILE",
        optional=True,
        default_text="none",
    )
    request_id: str | None = _setting(
        "Give each request an id in this header: the client's id if it is valid, otherwise a new one. Applications, "
        "responses and logs have it.",
        "Output",
        unit="header name",
        metavar="HEADER",
        optional=True,
        default_text="none",
    )
    name_routes: bool = _setting(
        "Tell applications their name and the route of each request: `rsgi.app` and `rsgi.route` in the WSGI environ, "
        "`extensions['rsgi']` in the ASGI scope. See docs/tracing.md.",
        "Output",
        False,
        unit="flag",
    )
    served_by: bool = _setting(
        'Add a header to the responses of applications: `x-served-by: NAME; rule="…"`.',
        "Output",
        False,
        unit="flag",
    )
    server_header: str | None = _setting(
        "The header `Server` of responses that have none. off omits it.",
        "Output",
        "rsgi",
        unit="header value",
        metavar="TEXT|off",
        optional=True,
    )
    date_header: str = _setting(
        "Whether responses without a `Date` header get one.", "Output", "on", choices=("on", "off")
    )
    debug: bool = _setting("Show the traceback of start-up errors.", "Output", False, unit="flag")

    reload: bool = _setting(
        "Restart the applications when code, templates or configuration change. Uses one worker. Needs `pip install "
        "'rsgi[reload]'`.",
        "Development",
        False,
        unit="flag",
    )
    reload_dir: tuple[str, ...] = _setting(
        "With `--reload`: watch this folder and everything below it, instead of `--app-dir`. Repeatable.",
        "Development",
        (),
        metavar="DIR",
        repeatable=True,
        separators=r"[;\n]+",
    )
    reload_include: tuple[str, ...] = _setting(
        "With `--reload`: also watch files with this name, for example `*.css`. Repeatable.",
        "Development",
        (),
        metavar="PATTERN",
        repeatable=True,
    )
    reload_exclude: tuple[str, ...] = _setting(
        "With `--reload`: ignore files and folders with this name, for example `migrations`. Repeatable.",
        "Development",
        (),
        metavar="PATTERN",
        repeatable=True,
    )

    def __post_init__(self) -> None:
        """Check every value, and turn text into the number it means."""
        for each in fields(self):
            setting = setting_of(each)
            given = getattr(self, each.name)
            try:
                value = setting.check(given)
            except (SettingValueError, TypeError) as error:
                hint = f"`{flag_of(each.name)}` in `rsgi serve --help` says what it takes"
                if (nearest := getattr(error, "nearest", None)) is not None:
                    hint = f"did you mean `{nearest}`?"
                raise StartupError(
                    f"the setting `{each.name}` cannot be {setting.shown(given)}: {error}", hint
                ) from error
            object.__setattr__(self, each.name, value)

    def addresses(self) -> tuple[str, ...]:
        """Where to listen, each as `host:port`, `[ipv6]:port`, `unix:/path`, `unix:@name` or `fd://3`."""
        chosen = self.bind + (() if self.uds is None else (f"unix:{self.uds}",))
        if chosen:
            return chosen
        host = f"[{self.host}]" if ":" in self.host and not self.host.startswith("[") else self.host
        return (f"{host}:{self.port}",)


def settings() -> tuple[tuple[Field[Any], Setting], ...]:
    """Every field of `Config` with its definition, in the order of the class."""
    return tuple((each, setting_of(each)) for each in fields(Config))


def setting_of(config_field: Field[Any]) -> Setting:
    """The definition that a field of `Config` carries."""
    return cast("Setting", config_field.metadata["setting"])


def flag_of(name: str) -> str:
    """The flag of the field `name`. The field `apps` has two flags; this returns the first."""
    special = {"apps": "--wsgi", "routes": "--route"}
    return special.get(name, f"--{name.replace('_', '-')}")
