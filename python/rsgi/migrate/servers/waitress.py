"""The flags of waitress-serve.

`servers/__init__.py` describes the tables.
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
        carried("--host ADDR", "--host", "the default is 127.0.0.1, not 0.0.0.0"),
        carried("--port PORT", "--port", "the default is 8000, not 8080"),
        carried("--listen ADDRESS", "--bind", "`*` is `0.0.0.0`", values.addresses),
        carried("--unix-socket PATH", "--uds"),
        carried("--url-prefix TEXT", "PREFIX=TARGET", "other paths get 404", role="prefix"),
        carried("--threads INT", "--wsgi-threads"),
        carried(
            "--connection-limit INT",
            "--max-connections",
        ),
        carried("--channel-timeout INT", "--keep-alive-timeout"),
        carried("--max-request-header-size INT", "--max-header-section"),
        carried("--max-request-body-size INT", "--max-body", "the default is no limit, not 1 GiB"),
        carried("--inbuf-overflow INT", "--request-buffer"),
        carried("--outbuf-high-watermark INT", "--response-buffer"),
        *lost("use `--bind` for the addresses", "--ipv4", "--no-ipv4", "--ipv6", "--no-ipv6"),
        carried("--unix-socket-perms PERMS", "--uds-mode"),
        *lost("the scheme is that of the connection", "--url-scheme STR"),
        carried("--ident STR", "--server-header"),
        carried("--backlog INT", "--backlog"),
        *lost(
            "the sizes of reads and writes have no setting",
            "--recv-bytes INT",
            "--send-bytes INT",
            "--outbuf-overflow INT",
            "--asyncore-loop-timeout INT",
            "--asyncore-use-poll",
        ),
        *needless("connections are closed as soon as their timeout ends", "--cleanup-interval INT"),
        *lost("a client that leaves is not an error", "--log-socket-errors", "--no-log-socket-errors"),
        *lost(reasons.NO_TRACEBACKS, "--expose-tracebacks", "--no-expose-tracebacks"),
        *needless("rsgi always notices a client that leaves", "--channel-request-lookahead INT"),
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
        Default(("--host", "0.0.0.0"), ("--host", *_ADDRESSES), "rsgi listens on 127.0.0.1 by default"),  # noqa: S104
        Default(("--port", "8080"), ("--port", *_ADDRESSES), "rsgi listens on port 8000 by default"),
    ),
    differs=("rsgi runs only on Linux and other Unix systems. waitress also runs on Windows.",),
)
