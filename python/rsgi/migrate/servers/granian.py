"""The flags of Granian.

Apart from the other servers' as each is; `servers/__init__.py` says more.
"""

from __future__ import annotations

from rsgi.migrate import reasons, values
from rsgi.migrate.flag import OtherServer, carried, lost, needless

_RUNTIME = "who runs the sockets is `--io`; there is one runtime per worker"

GRANIAN = OtherServer(
    name="Granian",
    programs=("granian",),
    modules=("granian",),
    interface="auto",
    attribute="app",
    flags=(
        carried("--host TEXT", "--host"),
        carried("--port INTEGER", "--port"),
        carried("--uds PATH", "--uds"),
        carried(
            "--interface NAME",
            "--asgi, --wsgi",
            "Granian's own protocol, RSGI, is not spoken",
            values.interface,
            "interface",
        ),
        carried("--http VERSION", "--http"),
        carried("--workers INTEGER", "--workers"),
        carried("--blocking-threads INTEGER", "--wsgi-threads", "ASGI applications need none"),
        carried("--loop LOOP", "--loop", read=values.event_loop),
        carried("--backpressure INTEGER", "--limit-concurrency", differs="more get 503, where Granian lets them wait"),
        carried(
            "--http1-header-read-timeout INTEGER", "--header-timeout", "milliseconds: `30000ms`", values.milliseconds
        ),
        carried("--http2-initial-stream-window-size INTEGER", "--h2-window"),
        carried("--http2-max-concurrent-streams INTEGER", "--h2-max-streams"),
        carried("--http2-max-headers-size INTEGER", "--max-header-section", differs="for every version of HTTP"),
        carried("--log-level LEVEL", "--log-level", "`critical` is `error`", values.log_level),
        carried("--access-log", "--access-log"),
        carried("--no-access-log", "--no-access-log"),
        carried("--log-config FILE", "--log-config", reasons.DICT_CONFIG, values.dict_config),
        carried("--ssl-certificate FILE", "--tls-cert"),
        carried("--ssl-keyfile FILE", "--tls-key"),
        carried("--ssl-keyfile-password TEXT", "--tls-key-password"),
        carried(
            "--ssl-protocol-min VERSION",
            "--tls-min-version",
            "1.2, not 1.3, by itself",
            values.one_of(tls1_2="1.2", tls1_3="1.3"),
        ),
        carried("--ssl-ca FILE", "--tls-client-ca"),
        carried("--ssl-client-verify", "--tls-client-auth required", "the default with `--tls-client-ca`"),
        carried("--url-path-prefix TEXT", "PREFIX=TARGET", "the prefix stands before the target", role="prefix"),
        carried("--workers-kill-timeout DURATION", "--grace"),
        carried("--factory", "module:factory()", "the target ends with `()`", role="factory"),
        carried(
            "--working-dir DIRECTORY",
            "--app-dir",
            differs=reasons.FOLDER,
        ),
        *needless("clients that have a certificate are asked only with `--tls-client-ca`", "--no-ssl-client-verify"),
        carried("--no-reload", "--no-reload"),
        *needless("metrics are shown only with `--admin`", "--no-metrics"),
        *needless("an application with a factory ends with `()`", "--no-factory"),
        *lost(reasons.SOCKET_MODE, "--uds-permissions INTEGER"),
        *needless("WebSocket is always there for ASGI applications", "--ws", "--no-ws"),
        *lost("a WSGI thread lives as long as the server", "--blocking-threads-idle-timeout DURATION"),
        *lost(
            _RUNTIME,
            "--runtime-threads INTEGER",
            "--runtime-blocking-threads INTEGER",
            "--runtime-mode MODE",
        ),
        *lost("tasks are asyncio's own", "--task-impl NAME"),
        *lost(reasons.BACKLOG, "--backlog INTEGER"),
        *lost("`--max-request-line` and `--max-header-section` are the limits", "--http1-buffer-size INTEGER"),
        *lost(
            "connections stay open as long as `--keep-alive-timeout` says",
            "--http1-keep-alive",
            "--no-http1-keep-alive",
            "--http2-keep-alive-interval INTEGER",
            "--http2-keep-alive-timeout DURATION",
        ),
        *lost(
            "what waits to be written is bounded by `--response-buffer`",
            "--http1-pipeline-flush",
            "--no-http1-pipeline-flush",
            "--http2-max-send-buffer-size INTEGER",
        ),
        *lost(
            "`--h2-window` is fixed",
            "--http2-adaptive-window",
            "--no-http2-adaptive-window",
            "--http2-initial-connection-window-size INTEGER",
        ),
        *lost(reasons.FRAMES, "--http2-max-frame-size INTEGER"),
        *lost("`--log-level error` is the quietest", "--log", "--no-log"),
        *lost(reasons.LOG_FORMAT, "--access-log-fmt TEXT"),
        *lost(reasons.CRL, "--ssl-crl FILE"),
        *needless(
            "a worker that dies is replaced, always",
            "--respawn-failed-workers",
            "--no-respawn-failed-workers",
            "--respawn-interval FLOAT",
        ),
        *lost(reasons.RSS, "--rss-sample-interval DURATION", "--rss-samples INTEGER", "--workers-max-rss INTEGER"),
        *lost(reasons.RECYCLE, "--workers-lifetime DURATION"),
        carried("--env-files FILE", "--env-file", "one file"),
        *lost(
            reasons.STATIC,
            "--static-path-route TEXT",
            "--static-path-mount DIRECTORY",
            "--static-path-dir-to-file TEXT",
            "--static-path-expires DURATION",
        ),
        *lost(
            reasons.METRICS,
            "--metrics",
            "--metrics-scrape-interval DURATION",
            "--metrics-address TEXT",
            "--metrics-port INTEGER",
        ),
        carried("--reload", "--reload", differs="only code, templates and configuration count"),
        carried("--reload-paths PATH", "--reload-dir"),
        carried("--reload-ignore-dirs TEXT", "--reload-exclude"),
        carried("--reload-ignore-paths PATH", "--reload-exclude"),
        *lost("the patterns of `--reload-exclude` are the shell's, as in `*.py`", "--reload-ignore-patterns TEXT"),
        *lost(reasons.RELOAD_TICK, "--reload-tick INTEGER"),
        *needless("after an error the next save is waited for", "--reload-ignore-worker-failure"),
        *lost("after an error the next save is waited for", "--no-reload-ignore-worker-failure"),
        *lost(reasons.PROCESS_NAME, "--process-name TEXT"),
        *lost(reasons.PID_FILE, "--pid-file FILE"),
        *lost(reasons.VERSION, "--version"),
    ),
    differs=(
        "Granian's own protocol has the name RSGI, too, and is its default interface. It is not spoken here.",
        "`module` alone is `module:app` there; here the object is always named.",
        "A `GRANIAN_…` variable is not read; ours begin with `RSGI_`.",
    ),
)
