"""The flags of Daphne.

Apart from the other servers' as each is; `servers/__init__.py` says more.
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
        carried("-b --bind HOST", "--host", "the host alone; our `--bind` takes the port as well"),
        carried("-u --unix-socket PATH", "--uds"),
        carried("--access-log FILE", "--access-log-file"),
        carried("--ping-interval SECONDS", "--ws-ping-interval"),
        carried("--ping-timeout SECONDS", "--ws-ping-timeout"),
        carried(
            "--websocket-max-message-size BYTES",
            "--ws-max-message",
            read=values.above_zero("there is always a limit, 16MiB by itself"),
        ),
        *lost("a WebSocket may stay open; the pings notice one that has gone", "--websocket_timeout SECONDS"),
        *lost("`--request-timeout` is for handshakes, too", "--websocket_connect_timeout SECONDS"),
        *lost(reasons.INHERITED, "--fd N"),
        *lost("Twisted is not used: `--bind`, `--uds` and `--tls-cert` say where and how", "-e --endpoint TEXT"),
        *lost("`--log-level debug|info|warning|error` says it", "-v --verbosity N"),
        carried("-t --http-timeout SECONDS", "--request-timeout", differs="the client gets 504, not 503"),
        *lost("an application that was cancelled takes the time that it takes", "--application-close-timeout SECONDS"),
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
        "Twisted is not used. HTTP/2 needs no extra packages.",
        "When both interfaces of a Django project are given, HTTP stays with WSGI and WebSocket goes to ASGI: "
        "`rsgi serve --wsgi mysite.wsgi:application --asgi mysite.asgi:application`.",
    ),
)
