"""The options of uWSGI that matter for a move; it has some nine hundred.

Apart from the other servers' as each is; `servers/__init__.py` says more.
"""

from __future__ import annotations

from rsgi.migrate import values
from rsgi.migrate.flag import Default, OtherServer, carried, lost, needless
from rsgi.migrate.servers import reasons

UWSGI = OtherServer(
    name="uWSGI",
    programs=("uwsgi", "pyuwsgi"),
    modules=("pyuwsgi",),
    interface="wsgi",
    attribute="application",
    flags=(
        carried("-w --module --wsgi TARGET", "--wsgi", role="target"),
        carried("--wsgi-file FILE", "--wsgi", "the module's name, with `--app-dir` for its folder", role="target"),
        carried("--callable NAME", "module:NAME", "the target names it", role="callable"),
        carried("--mount PREFIX=TARGET", "--wsgi PREFIX=TARGET", "as with `manage-script-name`", role="mount"),
        carried("--http ADDRESS", "--bind", "there is no process of its own for HTTP", values.address),
        carried("--http-socket --http11-socket ADDRESS", "--bind", "", values.address),
        carried("-p --processes --workers N", "--workers"),
        carried("--threads N", "--wsgi-threads"),
        carried("--chdir DIR", "--app-dir", differs="modules are imported from there; the working directory stays"),
        carried("-b --buffer-size BYTES", "--max-header-section"),
        carried("--limit-post BYTES", "--max-body", "no limit by itself", values.above_zero("no limit is the default")),
        carried(
            "--post-buffering BYTES",
            "--wsgi-request-buffering full",
            "`auto`, the default, waits for up to 1 MiB",
            values.without_value,
        ),
        *lost(
            "`--header-timeout`, `--keep-alive-timeout` and `--min-data-rate` are for clients", "--http-timeout SECONDS"
        ),
        carried("--worker-reload-mercy --reload-mercy SECONDS", "--grace"),
        *lost(
            "the uwsgi protocol is not spoken: `uwsgi_pass` of nginx becomes `proxy_pass`, with `--bind unix:PATH`",
            "-s --socket --uwsgi-socket ADDRESS",
            "--protocol NAME",
        ),
        *lost(
            reasons.CONFIG_FILE,
            "--ini FILE",
            "-x --xml FILE",
            "-y --yaml FILE",
            "-S --set VALUE",
            "--set-placeholder VALUE",
        ),
        *needless(
            "it is always so",
            "-M --master",
            "-T --enable-threads",
            "-i --single-interpreter",
            "--die-on-term",
            "--lazy-apps",
            "--need-app",
            "--vacuum",
            "--manage-script-name",
            "--strict",
            "--thunder-lock",
            "--no-orphans",
            "--ignore-sigpipe",
            "--ignore-write-errors",
            "--disable-write-exception",
            "--so-keepalive",
            "--http-keepalive [N]",
        ),
        *needless("the access log is off unless `--access-log` is given", "-L --disable-logging"),
        *lost(reasons.TIMEOUT, "-t --harakiri SECONDS", "--harakiri-verbose"),
        *lost(reasons.RECYCLE, "-R --max-requests N", "--max-worker-lifetime SECONDS"),
        *lost(reasons.RSS, "--reload-on-rss MB", "--evil-reload-on-rss MB", "-m --memory-report"),
        *lost(reasons.RELOAD, "--py-autoreload SECONDS", "--touch-reload FILE"),
        *lost("start rsgi with the Python of the environment: `venv/bin/rsgi`", "-H --home --virtualenv --venv DIR"),
        *lost("one folder is searched first, that of `--app-dir`; set `PYTHONPATH` for more", "--pythonpath DIR"),
        *lost(reasons.CONFIG_FILE, "--paste TARGET"),
        *lost("put it into a module", "--eval CODE"),
        *lost(reasons.USER, "--uid USER", "--gid GROUP"),
        *lost(reasons.SOCKET_MODE, "-C --chmod-socket [MODE]", "--chown-socket USER"),
        *lost(reasons.PID_FILE, "--pidfile FILE"),
        *lost(reasons.DAEMON, "-d --daemonize FILE"),
        *lost(reasons.LOG_FILE, "--logto FILE", "--logger TEXT", "--req-logger TEXT", "--log-master"),
        *lost(reasons.LOG_FORMAT, "--log-format FORMAT", "--log-4xx", "--log-5xx"),
        *lost(reasons.FORWARDED, "--log-x-forwarded-for"),
        *lost(reasons.ENVIRONMENT, "--env VALUE"),
        *lost(reasons.PROCESS_NAME, "--procname TEXT", "--auto-procname"),
        *lost(reasons.STATIC, "--static-map VALUE", "--check-static DIR", "--static-index FILE"),
        *lost(reasons.BACKLOG, "-l --listen N"),
        *lost("write `--bind ADDRESS --tls-cert FILE --tls-key FILE`", "--https VALUE"),
        *lost(
            "each worker accepts and answers by itself",
            "--http-processes N",
            "--http-to ADDRESS",
            "--offload-threads N",
        ),
        *lost("WebSocket goes to an ASGI application: `--asgi`", "--http-websockets"),
        *lost(reasons.GREEN_THREADS, "--gevent N", "--async N"),
        *lost("the number of workers is fixed; SIGTTIN and SIGTTOU change it", "--cheaper N"),
        *lost(reasons.METRICS, "--stats ADDRESS"),
        *lost("jobs belong to a task queue, and to cron", "-Q --spooler DIR", "--cron VALUE"),
        *lost("start one rsgi for each, with systemd", "--emperor DIR"),
        *lost("there are no plugins: Python is what is served", "--plugin --plugins NAME"),
        *lost("let the application or a middleware add response headers", "--add-header TEXT"),
        *lost("clients never see tracebacks; they are logged", "--catch-exceptions"),
        *lost("the server is told by signals", "--master-fifo FILE", "--hook-asap TEXT"),
        *lost("use a debugger or a profiler", "--py-tracebacker ADDRESS"),
        *lost("a framework that must not use it can ignore `wsgi.file_wrapper`", "--wsgi-disable-file-wrapper"),
        *lost(reasons.VERSION, "--version"),
    ),
    defaults=(
        Default(
            (),
            ("--wsgi-threads",),
            "a worker runs several requests at a time; an application that is not thread-safe needs `--wsgi-threads 1`",
        ),
    ),
    differs=(
        "The uwsgi protocol is not spoken: nginx reaches rsgi with `proxy_pass` instead of `uwsgi_pass`.",
        "Configuration files, the spooler, the Emperor, caches and `uwsgidecorators` are not there.",
        "A worker has one thread there unless told otherwise: an application that is not thread-safe needs "
        "`--wsgi-threads 1`.",
    ),
)
