"""Why a flag of several other servers has no counterpart, said once.

Apart from the tables because each of these sentences belongs to more than one.
"""

from __future__ import annotations

BACKLOG = "the queue of the socket is not set; `--limit-concurrency` bounds what is answered at a time"
CIPHERS = "TLS 1.2 and 1.3 with the ciphers of rustls, which cannot be chosen"
CONFIG_FILE = "the file is not read: write what it says as flags, or into `rsgi.toml`"
CRL = "revocation lists are not looked at"
DAEMON = "the process stays in the foreground: let systemd, Docker or supervisord keep it"
ENV_FILE = "files of variables are not read: let the shell, systemd (`EnvironmentFile=`) or Docker (`--env-file`) do it"
ENVIRONMENT = "set the variable in front of the command, or in the unit of systemd"
FORWARDED = "headers of proxies are not applied: use the framework's middleware"
FRAMES = "the sizes of HTTP/2 frames are not settings"
GREEN_THREADS = "WSGI applications run in threads: `--wsgi-threads` says in how many; leave `monkey.patch_all()` out"
LOG_CONFIG = "set up `logging` in the application: rsgi then adds no handler and logs to the logger `rsgi`"
LOG_FILE = "messages go to stderr: send it to a file, or to the log of systemd"
LOG_FORMAT = "the access log has one format"
LOG_ON_STDERR = "messages go to stderr as they are"
METRICS = "metrics are not exported"
NO_HEADER = "`Date` and `Server` are added to responses that have none"
PID_FILE = "the process id is in the first line that it says; systemd and Docker know it anyway"
PRELOAD = "each worker imports the applications itself"
PROCESS_NAME = "processes are not renamed"
RECYCLE = "workers are not replaced after a number of requests or a time; `kill -HUP` replaces them all"
RELOAD = "code is not reloaded when a file changes; `kill -HUP` replaces the workers of `--workers 2` and more"
ROOT_PATH = "a prefix that a proxy has cut off is not put back; for one that it leaves there, write `PREFIX=TARGET`"
RSS = "workers are not replaced when they grow; `kill -HUP` replaces them all"
SOCKET_MODE = "the mode of a Unix socket is not set: start with the `umask` that it needs"
STATIC = "files are not served: let the proxy or a middleware such as WhiteNoise do it"
STRICT = "requests are parsed strictly, always"
SYSLOG = "messages go to stderr, and the access log to stdout; systemd hands both on"
TIMEOUT = (
    "a call is not killed for taking long, and a slow client holds no thread; give the database and outgoing requests "
    "timeouts of their own"
)
USER = "the user is not switched: start as the right one (`User=` of systemd, `USER` of Docker)"
VERSION = "`rsgi --version` says ours"
