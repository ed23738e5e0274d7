"""The directives of Apache's mod_wsgi.

They are in the configuration of Apache, which rsgi does not read. This table is for people.
"""

from __future__ import annotations

from rsgi.migrate import reasons
from rsgi.migrate.flag import OtherServer, carried, lost

MOD_WSGI = OtherServer(
    name="mod_wsgi",
    programs=(),
    modules=(),
    interface="wsgi",
    attribute="application",
    flags=(
        carried("WSGIScriptAlias / FILE", "--wsgi", "the module's name and its object: `--wsgi site.wsgi:application`"),
        carried("WSGIScriptAlias /prefix FILE", "--wsgi /prefix=module:application"),
        carried("WSGIDaemonProcess processes=N", "--workers"),
        carried("WSGIDaemonProcess threads=N", "--wsgi-threads"),
        carried("WSGIDaemonProcess python-path=DIR", "--app-dir", "or the variable `PYTHONPATH`"),
        carried("WSGIDaemonProcess shutdown-timeout=N", "--grace"),
        carried("WSGIDaemonProcess queue-timeout=N", "--queue-timeout"),
        carried("WSGICallableObject NAME", "module:NAME", "the target contains it"),
        carried("LimitRequestBody N", "--max-body"),
        carried("LimitRequestLine N", "--max-request-line"),
        carried("LimitRequestFields N", "--max-header-fields"),
        *lost(reasons.PYTHON, "WSGIDaemonProcess python-home=DIR"),
        *lost(reasons.PYTHON, "WSGIPythonHome DIR"),
        carried("WSGIDaemonProcess user=NAME", "--user"),
        carried("WSGIDaemonProcess maximum-requests=N", "--max-requests"),
        carried("WSGIDaemonProcess request-timeout=N", "--request-timeout", differs=reasons.TIMEOUT),
        *lost("each worker is a process with one interpreter", "WSGIApplicationGroup NAME", "WSGIProcessGroup NAME"),
        *lost("the header always reaches the application", "WSGIPassAuthorization On"),
        *lost("the application is always imported at start", "WSGIImportScript FILE"),
        *lost("`kill -HUP` replaces the workers; a touched file does not", "WSGIScriptReloading On"),
    ),
    differs=(
        "Keep Apache in front as a proxy (`ProxyPass / http://127.0.0.1:8000/` and `ProxyPreserveHost On`), or remove it.",
        "`SetEnv` does not reach the application: set environment variables.",
    ),
)
