"""The flags of uvicorn.

Apart from the other servers' as each is; `servers/__init__.py` says more.
"""

from __future__ import annotations

from rsgi.migrate import reasons, values
from rsgi.migrate.flag import Default, OtherServer, carried, lost, needless

UVICORN = OtherServer(
    name="uvicorn",
    programs=("uvicorn",),
    modules=("uvicorn",),
    interface="asgi",
    attribute="",
    flags=(
        carried("--host TEXT", "--host"),
        carried("--port INTEGER", "--port"),
        carried("--uds TEXT", "--uds"),
        carried("--workers INTEGER", "--workers"),
        carried("--loop LOOP", "--loop", read=values.event_loop),
        carried("--interface NAME", "--asgi, --wsgi", "", values.interface, "interface"),
        carried("--factory", "module:factory()", "the target ends with `()`", role="factory"),
        carried("--app-dir TEXT", "--app-dir"),
        carried("--ws-max-size INTEGER", "--ws-max-message"),
        carried("--ws-ping-interval FLOAT", "--ws-ping-interval"),
        carried("--ws-ping-timeout FLOAT", "--ws-ping-timeout"),
        carried("--ws-per-message-deflate BOOLEAN", "--ws-compression", "auto or off", values.yes_for_auto),
        carried("--lifespan WHEN", "--lifespan"),
        carried("--log-level LEVEL", "--log-level", "`critical` is `error`, `trace` is `debug`", values.log_level),
        carried("--access-log", "--access-log", "off unless asked for"),
        carried("--no-access-log", "--no-access-log", "that is the default"),
        carried("--log-config PATH", "--log-config", reasons.DICT_CONFIG, values.dict_config),
        carried("--no-server-header", "--server-header off"),
        carried("--no-date-header", "--date-header off"),
        carried("--server-header", "--server-header rsgi", "that is the default"),
        carried("--date-header", "--date-header on", "that is the default"),
        carried("--limit-concurrency INTEGER", "--limit-concurrency", differs=reasons.NOT_CONNECTIONS),
        carried("--timeout-keep-alive INTEGER", "--keep-alive-timeout", "the default is 75 s, not 5"),
        carried("--timeout-graceful-shutdown INTEGER", "--grace", "the default is 30 s, not for ever"),
        carried("--ssl-keyfile TEXT", "--tls-key"),
        carried("--ssl-certfile TEXT", "--tls-cert"),
        carried("--ssl-keyfile-password TEXT", "--tls-key-password"),
        carried("--ssl-ca-certs TEXT", "--tls-client-ca"),
        carried(
            "--ssl-cert-reqs INTEGER",
            "--tls-client-auth",
            reasons.CERTIFICATES,
            values.client_certificate,
        ),
        carried("--h11-max-incomplete-event-size INTEGER", "--max-header-section"),
        *lost(reasons.INHERITED, "--fd INTEGER"),
        carried("--reload", "--reload", differs="templates and configuration count, too"),
        carried("--reload-dir PATH", "--reload-dir"),
        carried("--reload-include TEXT", "--reload-include"),
        carried("--reload-exclude TEXT", "--reload-exclude"),
        *lost(reasons.RELOAD_TICK, "--reload-delay FLOAT"),
        *lost("there is one parser; `--http auto|1|2` is about versions", "--http NAME"),
        *needless("HTTP/2 is spoken unless `--http 1` is said", "--http2"),
        *needless("there is one implementation of WebSocket, and it is always there", "--ws NAME"),
        *lost("a slow application lets the client wait; nothing is queued without a bound", "--ws-max-queue INTEGER"),
        carried("--env-file PATH", "--env-file", differs="a line that cannot be read is an error"),
        *needless("there are colours on a terminal, and none elsewhere", "--use-colors", "--no-use-colors"),
        carried("--forwarded-allow-ips TEXT", "--trust-proxy", reasons.PROXIES, values.proxies),
        *needless("`--trust-proxy` alone decides", "--proxy-headers", "--no-proxy-headers"),
        carried("--root-path TEXT", "--root-path", reasons.ROOT_PATH),
        *lost(reasons.BACKLOG, "--backlog INTEGER"),
        carried("--limit-max-requests INTEGER", "--max-requests", differs=reasons.REPLACED),
        carried("--limit-max-requests-jitter INTEGER", "--max-requests-jitter"),
        carried("--timeout-worker-healthcheck INTEGER", "--worker-timeout", "the default is 60 s, not 5"),
        *lost(reasons.TLS_VERSION, "--ssl-version INTEGER"),
        *lost(reasons.CIPHERS, "--ssl-ciphers TEXT"),
        *lost(reasons.RESPONSE_HEADERS, "--header TEXT"),
        *needless(
            "each WSGI call has a fresh context; each ASGI call runs in a task of its own", "--reset-contextvars"
        ),
        *lost(reasons.VERSION, "--version"),
    ),
    defaults=(Default(("--access-log",), ("--access-log", "--no-access-log"), reasons.NO_ACCESS_LOG),),
    differs=(
        "Proxies on 127.0.0.1 are believed there unless told; here nobody is: write `--trust-proxy 127.0.0.1`.",
        "A `UVICORN_…` variable is not read, ours begin with `RSGI_`; `WEB_CONCURRENCY` is.",
        "HTTP/2 and WebSocket need no extra packages.",
    ),
)
