"""The flags of Hypercorn.

Apart from the other servers' as each is; `servers/__init__.py` says more.
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
        carried("-b --bind ADDRESS", "--bind", "the port is always named", values.addresses),
        carried("-w --workers N", "--workers"),
        carried("-k --worker-class NAME", "--loop", "asyncio or uvloop; trio is not there", values.event_loop),
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
        carried("--debug", "--debug", differs="it shows the traceback of errors at start"),
        carried("--backlog N", "--backlog"),
        *lost(reasons.CIPHERS, "--ciphers CIPHERS"),
        *lost(reasons.CONFIG_FILE, "-c --config FILE"),
        *lost(reasons.DAEMON, "-D --daemon"),
        *lost(reasons.LOG_FILE, "--error-log FILE", "--error-logfile --log-file FILE"),
        *lost(
            "a body and its reader have to keep `--min-data-rate`; `--header-timeout` is for the head",
            "--read-timeout N",
        ),
        carried("--max-requests N", "--max-requests"),
        carried("--max-requests-jitter N", "--max-requests-jitter"),
        carried("-g --group GROUP", "--group"),
        carried("-u --user USER", "--user", differs=reasons.USER),
        *lost("with TLS every TCP address speaks it: redirect from HTTP in another server", "--insecure-bind ADDRESS"),
        *lost("HTTP/3 is not spoken", "--quic-bind ADDRESS"),
        carried("--access-logformat FORMAT", "--access-log-format", reasons.ATOMS),
        carried("--log-config FILE", "--log-config", reasons.DICT_CONFIG, values.dict_config),
        carried("-p --pid FILE", "--pid-file"),
        carried("--reload", "--reload"),
        carried("--root-path PATH", "--root-path", reasons.ROOT_PATH),
        *lost("any host is answered: check it in the application, or with `--route` rules", "--server-name NAME"),
        *lost(reasons.STATSD, "--statsd-host ADDRESS", "--statsd-prefix PREFIX"),
        carried("-m --umask N", "--uds-mode", reasons.UMASK, values.mode_of_decimal_umask),
    ),
    differs=(
        "`module` alone is `module:app` there; here the object is always named. `wsgi:module:app` is `--wsgi module:app`.",
        "A configuration file is not read, and HTTP/3 is not spoken. trio is not there: ASGI applications run on asyncio.",
    ),
)
