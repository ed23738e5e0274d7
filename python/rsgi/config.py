"""Every setting of the server, each defined once.

Apart from the command line because four doors lead here: `rsgi serve --flag`, `RSGI_*` environment variables, a file
(`rsgi.config_file`), and `rsgi.serve(...)` from Python. A field's metadata is the one definition: the flags, their help
and their checks are made from it (`rsgi.cli.parameters`), and the Rust side reads the same field names.

To add a setting: add a field here, and the field of the same name in `src/settings.rs`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, cast

from rsgi.defaults import default_workers, default_wsgi_threads
from rsgi.errors import StartupError
from rsgi.rules import ParsedRule
from rsgi.setting import AppTarget, Setting
from rsgi.static_folders import AskedFolder
from rsgi.values import SettingValueError

KIB = 1024
MIB = 1024 * KIB

__all__ = ["SECTIONS", "AppTarget", "Config", "Setting", "flag_of", "setting_of", "settings"]

# A descriptor is opened anew through `/proc`, which is Linux's.
_EXTENSIONS = ("pathsend", *(("zerocopysend",) if sys.platform == "linux" else ()), "trailers")
_EXTENSION_NAMES = ", ".join(f"`{name}`" for name in _EXTENSIONS)

SECTIONS = (
    "Applications",
    "Shares",
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
    """All that can be said about one server; checked when it is made.

    Durations are seconds and sizes are bytes; both may be given as text (`"2m"`, `"64KiB"`).

    Raises:
        StartupError: when a value is not one that its setting can have.
    """

    apps: tuple[AppTarget, ...] = _setting(
        "Serve {INTERFACE} application: `module:attr` or `module:factory()`, below PREFIX if one is given. Repeatable.",
        "Applications",
        (),
        unit="apps",
        metavar="[PREFIX=]TARGET",
        repeatable=True,
    )
    routes: tuple[str | Mapping[str, object] | ParsedRule, ...] = _setting(
        "Say which application answers: `[METHODS ][HOST]/path/{name}=APP`, where APP is a name from the configuration "
        "file, a target, wsgi or asgi. The first rule that matches wins over everything else; the path passes through "
        "unchanged. `=APP:5%` is for a share of the clients: docs/shares.md. Repeatable.",
        "Applications",
        (),
        unit="rules",
        metavar="RULE",
        repeatable=True,
        separators=r"[;\n]+",
    )
    fallback: str | None = _setting(
        "What goes to the WSGI application when one of each kind has no prefix: what is not in the route table of the "
        "ASGI application, or what that one answers with 404.",
        "Applications",
        choices=("table", "probe", "off"),
        optional=True,
        default_text="table if the routes can be read, else probe",
    )
    routes_from: tuple[str, ...] = _setting(
        "Read the routes of an application from this object in it, when they cannot be read from the application: "
        "`[APP=]TARGET`, where APP is wsgi, asgi (the default) or a target. Repeatable.",
        "Applications",
        (),
        metavar="[APP=]TARGET",
        repeatable=True,
    )
    prefer: str = _setting(
        "Who gets what both applications without a prefix have a route for.",
        "Applications",
        "asgi",
        choices=("asgi", "wsgi"),
    )
    config: str | None = _setting(
        "Read settings from this file; flags and the environment win over it.",
        "Applications",
        metavar="FILE",
        optional=True,
        default_text="`rsgi.toml`, or `[tool.rsgi]` in `pyproject.toml`, in this folder or `--app-dir`",
    )
    env_file: str | None = _setting(
        "Read environment variables from this file, lines of `NAME=value`, for the applications and for settings "
        "(`RSGI_*`). A variable that is set already stays as it is.",
        "Applications",
        metavar="FILE",
        optional=True,
        default_text="none",
    )
    reload_rules: bool = _setting(
        "Look once a second whether the configuration file has changed, and take its rules over. SIGHUP does so at once.",
        "Applications",
        False,
        unit="flag",
    )
    app_dir: str = _setting(
        "The folder that applications are imported from.",
        "Applications",
        ".",
        metavar="DIR",
        default_text="this folder",
    )

    share_by: str = _setting(
        "What tells clients apart where rules have a share: cookie (one of the server's own, `rsgi_bucket`), client (the "
        "address), or the value of a header or of a cookie of the application.",
        "Shares",
        "cookie",
        unit="share by",
        metavar="cookie|client|header:NAME|cookie:NAME",
    )
    share_testers: str | None = _setting(
        "Let who sends the header or the cookie `rsgi-app: NAME.TEXT` choose the application NAME where rules have a share. "
        "Other users can see it on a command line: use the environment variable.",
        "Shares",
        unit="secret word",
        secret=True,
        metavar="TEXT",
        optional=True,
        default_text="none",
    )

    static: tuple[str | Mapping[str, object] | AskedFolder, ...] = _setting(
        "Serve the files of a folder below a prefix, before any application is asked. Repeatable. docs/static-files.md has "
        "recipes.",
        "Static files",
        (),
        unit="folders",
        metavar="PREFIX=DIR",
        repeatable=True,
        separators=r"[;\n]+",
    )
    static_cache_control: str | None = _setting(
        "What `Cache-Control` says of files; off leaves it out. no-cache has browsers ask each time whether a file has "
        "changed.",
        "Static files",
        "no-cache",
        unit="header value",
        metavar="TEXT|off",
        optional=True,
    )
    static_immutable: bool = _setting(
        "Let browsers keep files for a year whose names have a hash of the content in them, such as `app.3f2a1b.js`.",
        "Static files",
        False,
        unit="flag",
    )
    static_fallback_to_app: bool = _setting(
        "Leave to the applications what is no file, instead of answering 404; other methods than GET and HEAD, too.",
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
        "Compress answers of applications for clients that take it: auto, or codings, the best first. docs/compression.md "
        "says which answers, and when not to.",
        "Compression",
        (),
        unit="words",
        metavar="auto|NAME,…",
        choices=("auto", "zstd", "br", "gzip"),
    )
    compress_min_size: int = _setting(
        "The smallest body that is compressed, where its size is known.", "Compression", KIB, unit="size", minimum=0
    )
    compress_types: tuple[str, ...] = _setting(
        "The types of answers that are compressed, such as text/html, text/* or +json. With commas between them.",
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
        "The port to listen on; 0 takes any free one.", "Addresses", 8000, unit="number", minimum=0, maximum=65535
    )
    bind: tuple[str, ...] = _setting(
        "Listen here instead of on HOST and PORT: `host:port`, `[::1]:port`, `unix:/path`, `unix:@name` (abstract), or "
        "`fd://3`, a listening socket that was inherited, by its number or by the name that systemd gives it. Repeatable.",
        "Addresses",
        (),
        unit="address",
        short="-b",
        metavar="ADDR",
        repeatable=True,
    )
    uds: str | None = _setting(
        "Listen on a Unix socket; the same as `--bind unix:PATH`.", "Addresses", metavar="PATH", optional=True
    )
    uds_mode: str | None = _setting(
        "The mode of Unix sockets, in octal digits, for example 660: who may write may connect.",
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
        "Let other servers that say the same bind the same ports (SO_REUSEPORT); the system divides connections among them.",
        "Addresses",
        False,
        unit="flag",
    )

    http: str = _setting(
        "The versions of HTTP to speak. With TLS the client chooses among them (ALPN); in the clear, a client that "
        "starts with HTTP/2 gets it.",
        "Addresses",
        "auto",
        choices=("auto", "1", "2"),
    )

    trust_proxy: tuple[str, ...] = _setting(
        "Believe `Forwarded` and `X-Forwarded-For`, `-Proto`, `-Host`, `-Port` and `-Prefix` of proxies that connect from "
        "here: an address, a network such as 10.0.0.0/8, unix (Unix sockets) or * (everybody). Repeatable, or with commas.",
        "Behind a proxy",
        (),
        unit="proxy",
        metavar="LIST",
        repeatable=True,
        separators=r"[;,\s]+",
    )
    root_path: str | None = _setting(
        "The path that a proxy serves this server under, whether it cuts it off or not. It is `SCRIPT_NAME` and "
        "`root_path`; rules and prefixes are about the path below it.",
        "Behind a proxy",
        unit="path",
        metavar="PATH",
        optional=True,
        default_text="none",
    )
    proxy_protocol: bool = _setting(
        "Expect a PROXY header (version 1 or 2) at the start of each connection of a trusted proxy.",
        "Behind a proxy",
        False,
        unit="flag",
    )

    tls_cert: tuple[str, ...] = _setting(
        "Serve HTTPS with the certificate in this PEM file, the server's own first, then those between it and the root. "
        "Repeatable: a client gets the first that is good for the host name it asks for. SIGHUP reads the files again.",
        "TLS",
        (),
        metavar="FILE",
        repeatable=True,
        separators=r"[;\n]+",
    )
    tls_key: tuple[str, ...] = _setting(
        "The PEM file of the key, one for each `--tls-cert` in the same order. Not needed when the certificate's file "
        "holds it.",
        "TLS",
        (),
        metavar="FILE",
        repeatable=True,
        separators=r"[;\n]+",
    )
    tls_key_password: str | None = _setting(
        "What the keys are encrypted with. Other users can see it on a command line: use the environment variable.",
        "TLS",
        secret=True,
        metavar="TEXT",
        optional=True,
        default_text="none",
    )
    tls_client_ca: str | None = _setting(
        "Ask clients for a certificate, and check it with the authorities in this PEM file.",
        "TLS",
        metavar="FILE",
        optional=True,
        default_text="none",
    )
    tls_client_auth: str | None = _setting(
        "Whether a client without a certificate is served. One with a certificate that is not good never is.",
        "TLS",
        choices=("optional", "required"),
        optional=True,
        default_text="required if there is a client authority",
    )
    tls_min_version: str = _setting("The oldest version of TLS to speak.", "TLS", "1.2", choices=("1.2", "1.3"))

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
        "How many requests may wait for a thread; more get 503.", "WSGI", 1024, unit="number", minimum=1
    )
    wsgi_request_buffering: str = _setting(
        "When a WSGI call starts: once the body is complete or `--request-buffer` of it is here (auto), once it is "
        "complete (full), or at once (off).",
        "WSGI",
        "auto",
        choices=("auto", "full", "off"),
    )

    loop: str = _setting(
        "The event loop; auto takes asyncio's where it drives the sockets itself, else uvloop where it is installed.",
        "ASGI",
        "auto",
        choices=("auto", "asyncio", "uvloop"),
    )
    io: str = _setting(
        "Who drives the sockets: a thread of its own, the event loop inside its `select()` (ASGI only), or the WSGI "
        "threads while they wait. auto takes what is fastest for the applications.",
        "ASGI",
        "auto",
        choices=("auto", "thread", "loop", "pool"),
    )
    busy_poll: float = _setting(
        "How long to go on looking at the sockets before sleeping, for example 100us: requests that follow each other "
        "closely are answered sooner, and a processor is busy meanwhile. 0 sleeps at once.",
        "ASGI",
        0.0,
        unit="duration",
        minimum=0,
        maximum=1,
    )
    lifespan: str = _setting(
        "Whether ASGI applications are told of start and end; auto asks them and accepts that they do not know.",
        "ASGI",
        "auto",
        choices=("auto", "on", "off"),
    )
    lifespan_timeout: float = _setting(
        "How long an application may take to start, and to end.", "ASGI", 60.0, unit="duration", minimum=0.001
    )

    asgi_extensions: tuple[str, ...] = _setting(
        f"The ASGI extensions to offer that change which messages an application sends: {_EXTENSION_NAMES}. With commas "
        "between them. Middleware has to know them: what does not may answer 500, or leave files uncompressed.",
        "ASGI",
        (),
        unit="words",
        metavar="NAME,…",
        choices=_EXTENSIONS,
    )

    ws_max_message: int = _setting(
        "The largest WebSocket message; a larger one closes with 1009.", "WebSocket", 16 * MIB, unit="size", minimum=1
    )
    ws_ping_interval: float = _setting(
        "How often a WebSocket is pinged; 0 never.", "WebSocket", 20.0, unit="duration", minimum=0
    )
    ws_ping_timeout: float = _setting(
        "How long a pong may take before the WebSocket is closed.",
        "WebSocket",
        20.0,
        unit="duration",
        minimum=0.001,
    )
    ws_compression: str = _setting(
        "Whether WebSocket messages are compressed (permessage-deflate); auto does where the client offers it.",
        "WebSocket",
        "auto",
        choices=("auto", "off"),
    )

    workers: int = _setting(
        "How many processes serve, each with all of the applications and with its own threads, loop, limits and lifespans. "
        "auto is one for each processor that may be used.",
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
        "docs/workers.md says what applications have to heed.",
        "Processes",
        False,
        unit="flag",
    )
    user: str | None = _setting(
        "Become this user once the addresses are bound, before applications are imported: a name or a number. For root.",
        "Processes",
        metavar="USER",
        optional=True,
        default_text="the user that started it",
    )
    group: str | None = _setting(
        "Become of this group then: a name or a number.",
        "Processes",
        metavar="GROUP",
        optional=True,
        default_text="the group of `--user`",
    )
    pid_file: str | None = _setting(
        "Write the number of the process that takes signals to this file once the addresses are bound; it is removed at "
        "the end.",
        "Processes",
        metavar="FILE",
        optional=True,
        default_text="none",
    )

    max_requests: int | None = _setting(
        "How many requests a worker may have before another one takes its place, one worker at a time and without losing a "
        "request. With one worker, too, a supervisor sees to it.",
        "Processes",
        unit="number",
        optional=True,
        minimum=1,
        maximum=2**53,
        default_text="no limit",
    )
    max_requests_jitter: int = _setting(
        "Up to so many more than `--max-requests`, another number for each worker.",
        "Processes",
        0,
        unit="number",
        minimum=0,
        maximum=2**31,
    )
    max_worker_age: float | None = _setting(
        "How long a worker may serve before another one takes its place.",
        "Processes",
        unit="duration",
        optional=True,
        minimum=1,
        default_text="no limit",
    )
    max_rss: int | None = _setting(
        "How much memory a worker may have resident before another takes its place; looked at once a second. Linux only.",
        "Processes",
        unit="size",
        optional=True,
        minimum=MIB,
        default_text="no limit",
    )
    worker_timeout: float | None = _setting(
        "How long a worker may leave its sockets alone, because its event loop is blocked for example, before its stacks "
        "are written and another one takes its place; 0 is for ever.",
        "Processes",
        unit="duration",
        optional=True,
        minimum=0,
        default_text="60s where there is a supervisor",
    )

    max_request_line: int = _setting(
        "The longest request line; a longer one gets 414.", "Limits", 8 * KIB, unit="size", minimum=256
    )
    max_header_section: int = _setting(
        "The largest header section; a larger one gets 431.", "Limits", 64 * KIB, unit="size", minimum=256
    )
    max_header_fields: int = _setting(
        "The most header fields; more get 431.", "Limits", 100, unit="number", minimum=1, maximum=16384
    )
    max_body: int | None = _setting(
        "The largest request body; a larger one gets 413.", "Limits", unit="size", optional=True, minimum=0
    )
    max_connections: int | None = _setting(
        "How many connections a process may have open; further ones wait in the kernel until one closes.",
        "Limits",
        unit="number",
        optional=True,
        minimum=1,
    )
    limit_concurrency: int | None = _setting(
        "How many requests and WebSockets each application may have at the same time; more get 503.",
        "Limits",
        unit="number",
        optional=True,
        minimum=1,
    )
    request_buffer: int = _setting(
        "How much of a request body is kept in memory before the client has to wait.",
        "Limits",
        1 * MIB,
        unit="size",
        minimum=KIB,
    )
    response_buffer: int = _setting(
        "How much of an answer is kept in memory before the application has to wait.",
        "Limits",
        256 * KIB,
        unit="size",
        minimum=KIB,
    )
    response_spool: int = _setting(
        "How much more of an answer of a WSGI application is kept in a temporary file for a slow client, so that its "
        "thread is free again; all answers together may take 16 times as much. 0 lets the thread wait.",
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
        "How much of a request body an HTTP/2 client may send before it is read; more is faster over long distances.",
        "Limits",
        256 * KIB,
        unit="size",
        minimum=64 * KIB,
        maximum=2**31 - 1,
    )
    replay_limit: int = _setting(
        "With `--fallback probe`: the largest body that is kept for WSGI while the ASGI application is asked first.",
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
        "How long an idle connection is kept open.", "Time limits", 75.0, unit="duration", minimum=0
    )
    queue_timeout: float = _setting(
        "How long a request may wait for a thread before it gets 503.",
        "Time limits",
        45.0,
        unit="duration",
        minimum=0.001,
    )
    request_timeout: float | None = _setting(
        "How long an application may take until its answer begins; then the client gets 504. A task is cancelled, a WSGI "
        "thread is given up and another one takes its place. A WebSocket has to be accepted or refused by then.",
        "Time limits",
        unit="duration",
        optional=True,
        minimum=0.001,
        default_text="no limit",
    )
    min_data_rate: int = _setting(
        "The slowest that a body may come and an answer may be read, in bytes a second; 0 is any.",
        "Time limits",
        500,
        unit="size",
        minimum=0,
    )
    min_data_rate_grace: float = _setting(
        "How long a client may be slower than that.", "Time limits", 10.0, unit="duration", minimum=0.001
    )
    grace: float = _setting(
        "How long applications may take to finish what they do when the server is told to end, background tasks included.",
        "Time limits",
        30.0,
        unit="duration",
        minimum=0,
    )

    stream_grace: float = _setting(
        "How long answers without a length, such as event streams, may go on when the server is told to end; then their "
        "applications see that the client has gone, and have the rest of `--grace` to finish.",
        "Time limits",
        2.0,
        unit="duration",
        minimum=0,
    )

    drain_delay: float = _setting(
        "How long requests are still served when the server is told to end, while `--health-path` answers 503: so long load "
        "balancers need to hear of it.",
        "Time limits",
        0.0,
        unit="duration",
        minimum=0,
    )

    health_path: str | None = _setting(
        "Answer GET and HEAD of this path without any application: 200, or 503 when the server is told to end. Such "
        "requests are not in the access log.",
        "Output",
        unit="path",
        metavar="PATH",
        optional=True,
        default_text="none",
    )
    admin: str | None = _setting(
        "Answer `/healthz`, `/readyz`, `/metrics`, `/status.json` and `/shares` here, for monitoring and for `rsgi share`: "
        "`host:port`, `[::1]:port` or `unix:/path`. No application is asked.",
        "Output",
        unit="address",
        metavar="ADDR",
        optional=True,
        default_text="none",
    )
    admin_token: str | None = _setting(
        "Answer there only who sends this as `Authorization: Bearer TEXT`. Needed unless the address is a loopback one or "
        "a Unix socket. Other users can see it on a command line: use the environment variable.",
        "Output",
        secret=True,
        metavar="TEXT",
        optional=True,
        default_text="none",
    )
    access_log: bool = _setting(
        "Write one line for each answer to stdout, or to `--access-log-file`.", "Output", False, unit="flag"
    )
    access_log_file: str | None = _setting(
        "Write the access log, and to this file; `-` is stdout. SIGUSR1 opens it again by its name, for logrotate.",
        "Output",
        metavar="FILE",
        optional=True,
        default_text="none",
    )
    access_log_format: str = _setting(
        "How a line of the access log looks: text, common, combined, json, or a text with atoms like those of gunicorn, "
        "such as `%(h)s`. docs/logs.md lists them.",
        "Output",
        "text",
        metavar="FORMAT",
    )
    access_log_skip: tuple[str, ...] = _setting(
        "Leave requests for this path out of the access log. Repeatable.",
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
        "How the other lines look, on stderr: text, or one JSON object each.",
        "Output",
        "text",
        choices=("text", "json"),
    )
    log_config: str | None = _setting(
        "Set up Python's `logging` with this file (JSON or TOML) before the applications are imported: what "
        "`logging.config.dictConfig` takes. The logger of the server is `rsgi`.",
        "Output",
        metavar="FILE",
        optional=True,
        default_text="none",
    )
    request_id: str | None = _setting(
        "Give each request an id, in this header: the client's if it is a good one, else a new one. Applications, answers "
        "and logs have it.",
        "Output",
        unit="header name",
        metavar="HEADER",
        optional=True,
        default_text="none",
    )
    served_by: bool = _setting(
        'Say in answers which application gave them and what decided that: `x-served-by: NAME; rule="…"`.',
        "Output",
        False,
        unit="flag",
    )
    server_header: str | None = _setting(
        "What the header `Server` says in answers that have none; off leaves it out.",
        "Output",
        "rsgi",
        unit="header value",
        metavar="TEXT|off",
        optional=True,
    )
    date_header: str = _setting(
        "Whether answers that have no header `Date` get one.", "Output", "on", choices=("on", "off")
    )
    debug: bool = _setting("Show the traceback of start-up errors.", "Output", False, unit="flag")

    reload: bool = _setting(
        "Start the applications anew when code, templates or configuration change, with one worker. Needs "
        "`pip install 'rsgi[reload]'`.",
        "Development",
        False,
        unit="flag",
    )
    reload_dir: tuple[str, ...] = _setting(
        "With `--reload`: watch this folder and all below it, instead of `--app-dir`. Repeatable.",
        "Development",
        (),
        metavar="DIR",
        repeatable=True,
        separators=r"[;\n]+",
    )
    reload_include: tuple[str, ...] = _setting(
        "With `--reload`: files of this name count, too, for example `*.css`. Repeatable.",
        "Development",
        (),
        metavar="PATTERN",
        repeatable=True,
    )
    reload_exclude: tuple[str, ...] = _setting(
        "With `--reload`: files and folders of this name do not count, for example `migrations`. Repeatable.",
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
    """Every field of `Config` with what it is, in the order of the class."""
    return tuple((each, setting_of(each)) for each in fields(Config))


def setting_of(config_field: Field[Any]) -> Setting:
    """The definition that a field of `Config` carries."""
    return cast("Setting", config_field.metadata["setting"])


def flag_of(name: str) -> str:
    """The flag of the field `name`; the field `apps` has two, of which this is the first."""
    special = {"apps": "--wsgi", "routes": "--route"}
    return special.get(name, f"--{name.replace('_', '-')}")
