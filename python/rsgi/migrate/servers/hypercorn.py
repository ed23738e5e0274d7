"""The flags of Hypercorn.

`servers/__init__.py` describes the tables.
"""

from __future__ import annotations

from rsgi.migrate import reasons, values
from rsgi.migrate.flag import OtherServer, carried, lost

HYPERCORN = OtherServer(
    name="Hypercorn",
    programs=("hypercorn",),
    modules=("hypercorn",),
    interface="auto",
    attribute="app",
    flags=(
        carried("-b --bind ADDRESS", "--bind", "always name the port", values.addresses),
        carried("-w --workers N", "--workers"),
        carried("-k --worker-class NAME", "--loop", "asyncio or uvloop, but not trio", values.event_loop),
        carried("--access-logfile FILE", "--access-log-file"),
        carried("--access-log FILE", "--access-log-file"),
        carried("--certfile FILE", "--tls-cert"),
        carried("--keyfile FILE", "--tls-key"),
        carried("--keyfile-password TEXT", "--tls-key-password"),
        carried("--ca-certs FILE", "--tls-client-ca"),
        carried("--verify-mode MODE", "--tls-client-auth", "`CERT_REQUIRED` is `required`", values.client_certificate),
        carried("--cert-reqs N", "--tls-client-auth", reasons.CERTIFICATES, values.client_certificate),
        carried("--graceful-timeout SECONDS", "--grace", "the default is 30 s, not 3"),
        carried("--keep-alive SECONDS", "--keep-alive-timeout", "the default is 75 s, not 5"),
        carried("--log-level LEVEL", "--log-level", "`critical` is `error`", values.log_level),
        carried("--websocket-ping-interval SECONDS", "--ws-ping-interval", "the default is 20 s, not never"),
        carried("--debug", "--debug", differs="it shows the traceback of start-up errors"),
        carried("--backlog N", "--backlog"),
        *lost(reasons.CIPHERS, "--ciphers CIPHERS"),
        *lost(reasons.CONFIG_FILE, "-c --config FILE"),
        *lost(reasons.DAEMON, "-D --daemon"),
        *lost(reasons.LOG_FILE, "--error-log FILE", "--error-logfile --log-file FILE"),
        *lost(
            "bodies and readers must keep `--min-data-rate`; `--header-timeout` is for the head",
            "--read-timeout N",
        ),
        carried("--max-requests N", "--max-requests"),
        carried("--max-requests-jitter N", "--max-requests-jitter"),
        carried("-g --group GROUP", "--group"),
        carried("-u --user USER", "--user", differs=reasons.USER),
        *lost(
            "with TLS, every TCP address serves HTTPS: redirect from HTTP in another server", "--insecure-bind ADDRESS"
        ),
        *lost("rsgi has no HTTP/3", "--quic-bind ADDRESS"),
        carried("--access-logformat FORMAT", "--access-log-format", reasons.ATOMS),
        carried("--log-config FILE", "--log-config", reasons.DICT_CONFIG, values.dict_config),
        carried("-p --pid FILE", "--pid-file"),
        carried("--reload", "--reload"),
        carried("--root-path PATH", "--root-path", reasons.ROOT_PATH),
        *lost("rsgi answers for any host: check it in the application, or with `--route` rules", "--server-name NAME"),
        *lost(reasons.STATSD, "--statsd-host ADDRESS", "--statsd-prefix PREFIX"),
        carried("-m --umask N", "--uds-mode", reasons.UMASK, values.mode_of_decimal_umask),
    ),
    differs=(
        "In Hypercorn, `module` alone means `module:app`. In rsgi, always name the object. `wsgi:module:app` is "
        "`--wsgi module:app`.",
        "rsgi does not read Hypercorn's configuration file. It has no HTTP/3 and no trio: ASGI applications run on asyncio.",
    ),
)
