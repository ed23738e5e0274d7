"""The flags of Granian.

`servers/__init__.py` describes the tables.
"""

from __future__ import annotations

from rsgi.migrate import reasons, values
from rsgi.migrate.flag import OtherServer, carried, lost, needless

_RUNTIME = "`--io` selects the thread that drives the sockets; there is one runtime per worker"

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
            "rsgi does not support Granian's own protocol, RSGI",
            values.interface,
            "interface",
        ),
        carried("--http VERSION", "--http"),
        carried("--workers INTEGER", "--workers"),
        carried("--blocking-threads INTEGER", "--wsgi-threads", "ASGI applications need none"),
        carried("--loop LOOP", "--loop", read=values.event_loop),
        carried(
            "--backpressure INTEGER", "--limit-concurrency", differs="further requests get 503; Granian lets them wait"
        ),
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
            "the default is 1.2, not 1.3",
            values.one_of(tls1_2="1.2", tls1_3="1.3"),
        ),
        carried("--ssl-ca FILE", "--tls-client-ca"),
        carried("--ssl-client-verify", "--tls-client-auth required", "the default with `--tls-client-ca`"),
        carried("--url-path-prefix TEXT", "PREFIX=TARGET", "the prefix comes before the target", role="prefix"),
        carried("--workers-kill-timeout DURATION", "--grace"),
        carried("--factory", "module:factory()", "the target ends with `()`", role="factory"),
        carried(
            "--working-dir DIRECTORY",
            "--app-dir",
            differs=reasons.FOLDER,
        ),
        *needless("clients are asked for a certificate only with `--tls-client-ca`", "--no-ssl-client-verify"),
        carried("--no-reload", "--no-reload"),
        *needless("metrics need `--admin`", "--no-metrics"),
        *needless("a factory ends with `()`", "--no-factory"),
        carried("--uds-permissions INTEGER", "--uds-mode"),
        *needless("WebSocket is always on for ASGI applications", "--ws", "--no-ws"),
        *lost("a WSGI thread lives as long as the server", "--blocking-threads-idle-timeout DURATION"),
        *lost(
            _RUNTIME,
            "--runtime-threads INTEGER",
            "--runtime-blocking-threads INTEGER",
            "--runtime-mode MODE",
        ),
        *lost("tasks are asyncio's own", "--task-impl NAME"),
        carried("--backlog INTEGER", "--backlog"),
        *lost("`--max-request-line` and `--max-header-section` are the limits", "--http1-buffer-size INTEGER"),
        *lost(
            "`--keep-alive-timeout` sets how long connections stay open",
            "--http1-keep-alive",
            "--no-http1-keep-alive",
            "--http2-keep-alive-interval INTEGER",
            "--http2-keep-alive-timeout DURATION",
        ),
        *lost(
            "`--response-buffer` limits what waits to be written",
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
            "a worker that dies is always replaced",
            "--respawn-failed-workers",
            "--no-respawn-failed-workers",
            "--respawn-interval FLOAT",
        ),
        carried("--workers-max-rss INTEGER", "--max-rss", "mebibytes: `512MiB`", values.megabytes),
        *lost(
            "it is checked once a second, and one check is enough",
            "--rss-sample-interval DURATION",
            "--rss-samples INTEGER",
        ),
        carried("--workers-lifetime DURATION", "--max-worker-age"),
        carried("--env-files FILE", "--env-file", "one file"),
        carried("--static-path-mount DIRECTORY", "--static", "below `/static`", lambda text: (f"/static={text}",)),
        *lost(reasons.STATIC_PREFIX, "--static-path-route TEXT"),
        *lost(reasons.STATIC_INDEX, "--static-path-dir-to-file TEXT"),
        carried("--static-path-expires DURATION", "--static-cache-control", "as `max-age`", values.max_age),
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
        *lost("`--reload-exclude` takes shell patterns such as `*.py`", "--reload-ignore-patterns TEXT"),
        *lost(reasons.RELOAD_TICK, "--reload-tick INTEGER"),
        *needless("after an error, rsgi waits for the next save", "--reload-ignore-worker-failure"),
        *lost("after an error, rsgi waits for the next save", "--no-reload-ignore-worker-failure"),
        *lost(reasons.PROCESS_NAME, "--process-name TEXT"),
        carried("--pid-file FILE", "--pid-file"),
        *lost(reasons.VERSION, "--version"),
    ),
    differs=(
        "Granian's own protocol is also called RSGI and is its default interface. rsgi does not support it.",
        "In Granian, `module` alone means `module:app`. In rsgi, always name the object.",
        "rsgi reads `RSGI_…` variables, but no `GRANIAN_…` variables.",
    ),
)
