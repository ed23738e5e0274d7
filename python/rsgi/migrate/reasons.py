"""What there is to say of flags that several other servers have, said once.

Apart from the tables because each of these sentences belongs to more than one.
"""

from __future__ import annotations

CERTIFICATES = "1 is `optional`, 2 is `required`"
CIPHERS = "TLS 1.2 and 1.3 with the ciphers of rustls, which cannot be chosen"
CONFIG_FILE = "the file is not read: write what it says as flags, or into `rsgi.toml`"
CRL = "revocation lists are not looked at"
DAEMON = "the process stays in the foreground: let systemd, Docker or supervisord keep it"
ENVIRONMENT = "set the variable in front of the command, or in the unit of systemd"
FOLDER = "modules are imported from there; the working directory stays"
FORWARDED = "`--trust-proxy` says whose `Forwarded` and `X-Forwarded-…` count; which of these fields is not a setting"
FRAMES = "the sizes of HTTP/2 frames are not settings"
GREEN_THREADS = "WSGI applications run in threads: `--wsgi-threads` says in how many; leave `monkey.patch_all()` out"
HTTP_ONLY = "HTTP is what is spoken: `uwsgi_pass` of nginx becomes `proxy_pass`"
DICT_CONFIG = "what `logging.config.dictConfig` takes, as JSON or TOML; other kinds of files are not read"
LOG_CLASS = "`--log-config` and the logger `rsgi` are what there is"
LOG_FILE = "messages go to stderr: send it to a file, or to the log of systemd"
ATOMS = "gunicorn's atoms; of `{NAME}e` those that the server sets itself, such as `{HTTP_HOST}e`"
LOG_FORMAT = "`--access-log-format` has other atoms: docs/logs.md lists them"
METRICS = "metrics are not exported"
NOT_CONNECTIONS = "it counts requests, not connections, and more of them get 503"
NO_ACCESS_LOG = "the access log is off unless asked for"
NO_TRACEBACKS = "clients never see tracebacks; they are logged"
PRELOAD = "HUP imports anew, and what imports leave open is told; docs/workers.md"
PROCESS_NAME = "processes are called `rsgi: supervisor` and `rsgi: worker 1`; another name is not a setting"
PYTHON = "start rsgi with the Python of the environment: `venv/bin/rsgi`"
PYTHONPATH = "one folder is searched first, that of `--app-dir`; set `PYTHONPATH` for more"
PROXIES = "addresses, networks, `unix` and `*`; nobody by itself"
RECYCLE = "workers are not replaced after a number of requests or a time; `kill -HUP` replaces them all"
RELOAD_TICK = "the system tells of changes; nobody has to look again and again"
RESPONSE_HEADERS = "let the application or a middleware add response headers"
ROOT_PATH = "put in front of the path unless it is there"
RSS = "workers are not replaced when they grow; `kill -HUP` replaces them all"
SEVERAL_AT_A_TIME = (
    "a worker runs requests at the same time; an application that is not thread-safe needs `--wsgi-threads 1`"
)
SIGNALS = "the server is told by signals"
STATIC = "files are not served: let the proxy or a middleware such as WhiteNoise do it"
STRICT = "requests are parsed strictly, always"
SYSLOG = "messages go to stderr, and the access log to stdout; systemd hands both on"
TIMEOUT = (
    "a call is not killed for taking long, and a slow client holds no thread; give the database and outgoing requests "
    "timeouts of their own"
)
TLS_VERSION = "`--tls-min-version` says the oldest version, 1.2 or 1.3"
UMASK = "the mode of Unix sockets, 777 less the umask; the umask of the process stays"
USER = "the supervisor becomes that user as well, and applications are always imported as the user"
VERSION = "`rsgi --version` says ours"
