"""What there is to say of flags that several other servers have, said once.

Apart from the tables because each of these sentences belongs to more than one.
"""

from __future__ import annotations

CERTIFICATES = "1 is `optional`, 2 is `required`"
CIPHERS = "TLS 1.2 and 1.3 have the ciphers of rustls, which you cannot choose"
CONFIG_FILE = "rsgi does not read this file: use flags, or `rsgi.toml`"
CRL = "rsgi does not check revocation lists"
DAEMON = "the process stays in the foreground: run it under systemd, Docker or supervisord"
ENVIRONMENT = "set the variable before the command, or in the systemd unit"
FOLDER = "modules are imported from there; the working directory does not change"
FORWARDED = "`--trust-proxy` names the proxies; you cannot choose among the `Forwarded` and `X-Forwarded-…` fields"
FRAMES = "HTTP/2 frame sizes have no setting"
GREEN_THREADS = (
    "WSGI applications run in threads: set their number with `--wsgi-threads`, and remove `monkey.patch_all()`"
)
HTTP_ONLY = "rsgi speaks only HTTP: replace `uwsgi_pass` of nginx with `proxy_pass`"
DICT_CONFIG = "what `logging.config.dictConfig` takes, as JSON or TOML; other kinds of files are not read"
LOG_CLASS = "use `--log-config` and the logger `rsgi`"
LOG_FILE = "messages go to stderr: redirect it to a file, or to the log of systemd"
ATOMS = "gunicorn's atoms; of `{NAME}e` those that the server sets itself, such as `{HTTP_HOST}e`"
LOG_FORMAT = "`--access-log-format` has other atoms: docs/logs.md lists them"
METRICS = "Prometheus reads metrics at `/metrics` of `--admin ADDR`"
STATSD = "rsgi sends nothing to StatsD: read metrics at `/metrics` of `--admin ADDR`"
NOT_CONNECTIONS = "it counts requests, not connections; further ones get 503"
NO_ACCESS_LOG = "the access log is off by default"
NO_TRACEBACKS = "clients never see tracebacks; they are logged"
PRELOAD = "HUP imports the code again, and rsgi warns about what imports leave open; see docs/workers.md"
PROCESS_NAME = "processes are called `rsgi: supervisor` and `rsgi: worker 1`; you cannot change the names"
PYTHON = "start rsgi with the Python of the environment: `venv/bin/rsgi`"
PYTHONPATH = "`--app-dir` takes one folder; set `PYTHONPATH` for more"
PROXIES = "addresses, networks, `unix` and `*`; nobody by default"
RELOAD_TICK = "the system reports changes; rsgi does not poll"
RESPONSE_HEADERS = "add response headers in the application or in middleware"
REPLACED = "the new worker is ready before the old one stops"
ROOT_PATH = "added to the path unless it is already there"
SEVERAL_AT_A_TIME = (
    "a worker runs requests at the same time; an application that is not thread-safe needs `--wsgi-threads 1`"
)
SIGNALS = "control the server with signals"
STATIC_INDEX = "`index.html` is always the index of a folder"
STATIC_PREFIX = "the prefix is part of `--static`: write `--static PREFIX=DIR`"
STRICT = "requests are always parsed strictly"
SYSLOG = "messages go to stderr, and the access log to stdout; systemd collects both"
TIMEOUT = "the client gets 504 and the worker continues; a response that has begun is not cut"
TLS_VERSION = "`--tls-min-version` sets the oldest version, 1.2 or 1.3"
UMASK = "the mode of Unix sockets, 777 less the umask; the umask of the process does not change"
USER = "the supervisor also changes to that user, and applications are always imported as the user"
VERSION = "`rsgi --version` shows the version of rsgi"
