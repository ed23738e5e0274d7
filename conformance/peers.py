"""The servers and bridges that are compared: who they are, in the order of the table.

Apart from `hosts.py`, whose hosts the tests need, because these are only asked by `make conformance`.
"""

from __future__ import annotations

from behaviours.hosts import (
    BRIDGED,
    GRANIAN_READY,
    GUNICORN_READY,
    UWSGI_READY,
    WAITRESS_READY,
    Kind,
    granian,
    gunicorn,
    rsgi,
    uvicorn,
    uwsgi,
    waitress,
)
from server import RSGI_READY, UVICORN_READY


def _bridge(name: str, *packages: str) -> Kind:
    return Kind(name, "bridged", uvicorn, UVICORN_READY, (name, *packages), BRIDGED, bridge=name)


SERVERS = {
    "rsgi": Kind("rsgi", "native", rsgi, RSGI_READY, ("rsgi",)),
    "Granian": Kind("granian", "native", granian, GRANIAN_READY, ("granian",)),
    "gunicorn gthread": Kind("gunicorn", "native", gunicorn, GUNICORN_READY, ("gunicorn",)),
    "waitress": Kind("waitress", "native", waitress, WAITRESS_READY, ("waitress",)),
    "uWSGI": Kind("uwsgi", "native", uwsgi, UWSGI_READY, ("uwsgi",)),
}
BRIDGES_UNDER_UVICORN = {
    "rsgi.WsgiToAsgi": _bridge("rsgi"),
    "a2wsgi": _bridge("a2wsgi"),
    "asgiref": _bridge("asgiref"),
    "Starlette": _bridge("starlette"),
}
