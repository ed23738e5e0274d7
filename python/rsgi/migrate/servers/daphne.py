"""The flags of Daphne.

`servers/__init__.py` describes the tables.
"""

from __future__ import annotations

from rsgi.migrate import reasons, values
from rsgi.migrate.flag import Default, OtherServer, carried, lost

DAPHNE = OtherServer(
    name="Daphne",
    programs=("daphne",),
    modules=("daphne",),
    interface="asgi",
    attribute="",
    flags=(
        carried("-p --port PORT", "--port"),
        carried("-b --bind HOST", "--host", "only the host; rsgi's `--bind` takes the port too"),
        carried("-u --unix-socket PATH", "--uds"),
        carried("--access-log FILE", "--access-log-file"),
        carried("--ping-interval SECONDS", "--ws-ping-interval"),
        carried("--ping-timeout SECONDS", "--ws-ping-timeout"),
        carried(
            "--websocket-max-message-size BYTES",
            "--ws-max-message",
            read=values.above_zero("there is always a limit; the default is 16MiB"),
        ),
        *lost("a WebSocket may stay open; pings detect a client that has left", "--websocket_timeout SECONDS"),
        *lost("`--request-timeout` also applies to handshakes", "--websocket_connect_timeout SECONDS"),
        carried("--fd N", "--bind", "3 is `fd://3`", values.descriptor),
        *lost("rsgi does not use Twisted: use `--bind`, `--uds` and `--tls-cert`", "-e --endpoint TEXT"),
        *lost("use `--log-level debug|info|warning|error`", "-v --verbosity N"),
        carried("-t --http-timeout SECONDS", "--request-timeout", differs="the client gets 504, not 503"),
        *lost("rsgi does not limit how long a cancelled application takes", "--application-close-timeout SECONDS"),
        *lost(reasons.LOG_FORMAT, "--log-fmt FORMAT"),
        *lost("`--ws-max-message` counts the whole message", "--websocket-max-frame-size BYTES"),
        carried("--root-path PATH", "--root-path", reasons.ROOT_PATH),
        *lost(reasons.FORWARDED, "--proxy-headers", "--proxy-headers-host NAME", "--proxy-headers-port NAME"),
        carried("-s --server-name NAME", "--server-header"),
        carried("--no-server-name", "--server-header off"),
    ),
    defaults=(
        Default(("--access-log",), ("--access-log", "--access-log-file", "--no-access-log"), reasons.NO_ACCESS_LOG),
    ),
    differs=(
        "rsgi does not use Twisted. HTTP/2 needs no extra packages.",
        "If you pass both interfaces of a Django project, HTTP stays with WSGI and WebSocket goes to ASGI: "
        "`rsgi serve --wsgi mysite.wsgi:application --asgi mysite.asgi:application`.",
    ),
)
