"""Reads WhiteNoise around a WSGI application: the files that it serves come before the application.

Inside Django, WhiteNoise is middleware: see `django.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from rsgi.routing.introspect.table import Gaps, ReadInner, Route, RouteTable
from rsgi.routing.introspect.template import Parameter, Place
from rsgi.routing.introspect.unwrap import defined, is_instance


def read(app: object, inner: ReadInner) -> RouteTable | None:
    """The files that WhiteNoise serves, one route for each folder or file at the top, and what it wraps."""
    if not is_instance(app, "whitenoise.base", "WhiteNoise"):
        return None
    gaps = Gaps()
    table = inner(getattr(app, "application", None))
    if table is None:
        gaps.add("the application behind WhiteNoise belongs to no known framework")
    else:
        gaps.looked_through(table.through)
        if table.why is not None:
            gaps.add(table.why)
    framework = "WhiteNoise" if table is None else table.framework
    return gaps.table(framework, [*_files(app), *(table.routes if table else ())])


def _files(app: object) -> Iterator[Route]:
    urls = {str(url) for url in getattr(app, "files", None) or ()}
    urls |= {f"{prefix}*" for _, prefix in getattr(app, "directories", None) or () if prefix != "/"}
    tops = sorted({"/" + url.lstrip("/").partition("/")[0] + ("/" if "/" in url.lstrip("/") else "") for url in urls})
    for top in tops:
        place = Place((top.rstrip("/"),) if top != "/" else ("",))
        tokens = ("/", Parameter("path", "path")) if top.endswith("/") and top != "/" else ()
        if place.prefix != ("",):
            yield place.route("http", ("GET", "HEAD"), tokens, defined=defined(type(app)), opaque=True)
