"""The flags of waitress-serve.

Apart from the other servers' as each is; `servers/__init__.py` says more.
"""

from __future__ import annotations

from rsgi.migrate import reasons, values
from rsgi.migrate.flag import Default, OtherServer, carried, lost, needless

_ADDRESSES = ("--bind", "--uds")

WAITRESS = OtherServer(
    name="waitress",
    programs=("waitress-serve",),
    modules=("waitress",),
    interface="wsgi",
    attribute="",
    flags=(
        carried("--call", "module:factory()", "the target ends with `()`", role="factory"),
        carried("--app TARGET", "--wsgi", role="target"),
        carried("--host ADDR", "--host", "127.0.0.1 by itself, not 0.0.0.0"),
        carried("--port PORT", "--port", "8000 by itself, not 8080"),
        carried("--listen ADDRESS", "--bind", "`*` is `0.0.0.0`", values.addresses),
        carried("--unix-socket PATH", "--uds"),
        carried("--url-prefix TEXT", "PREFIX=TARGET", "what is not below it gets 404", role="prefix"),
        carried("--threads INT", "--wsgi-threads"),
        carried(
            "--connection-limit INT",
            "--max-connections",
        ),
        carried("--channel-timeout INT", "--keep-alive-timeout"),
        carried("--max-request-header-size INT", "--max-header-section"),
        carried("--max-request-body-size INT", "--max-body", "no limit by itself, not 1 GiB"),
        carried("--inbuf-overflow INT", "--request-buffer"),
        carried("--outbuf-high-watermark INT", "--response-buffer"),
        *lost("`--bind` says which addresses", "--ipv4", "--no-ipv4", "--ipv6", "--no-ipv6"),
        *lost(reasons.SOCKET_MODE, "--unix-socket-perms PERMS"),
        *lost("the scheme is that of the connection", "--url-scheme STR"),
        carried("--ident STR", "--server-header"),
        *lost(reasons.BACKLOG, "--backlog INT"),
        *lost(
            "what is read and written at a time is not a setting",
            "--recv-bytes INT",
            "--send-bytes INT",
            "--outbuf-overflow INT",
            "--asyncore-loop-timeout INT",
            "--asyncore-use-poll",
        ),
        *needless("connections are closed when their time is over, at once", "--cleanup-interval INT"),
        *lost("a client that leaves is not an error", "--log-socket-errors", "--no-log-socket-errors"),
        *lost(reasons.NO_TRACEBACKS, "--expose-tracebacks", "--no-expose-tracebacks"),
        *needless("a client that leaves is noticed always", "--channel-request-lookahead INT"),
        carried("--trusted-proxy IP", "--trust-proxy", reasons.PROXIES),
        *lost(
            reasons.FORWARDED,
            "--trusted-proxy-count INT",
            "--trusted-proxy-headers LIST",
            "--log-untrusted-proxy-headers",
            "--no-log-untrusted-proxy-headers",
            "--clear-untrusted-proxy-headers",
            "--no-clear-untrusted-proxy-headers",
        ),
    ),
    defaults=(
        Default(("--host", "0.0.0.0"), ("--host", *_ADDRESSES), "rsgi listens on 127.0.0.1 unless told"),  # noqa: S104
        Default(("--port", "8080"), ("--port", *_ADDRESSES), "rsgi listens on port 8000 unless told"),
    ),
    differs=("It runs on Linux and other Unix systems only; waitress runs on Windows, too.",),
)
