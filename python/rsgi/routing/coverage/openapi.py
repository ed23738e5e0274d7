"""One OpenAPI document for all applications: the new one's own, and the routes that the old one still answers.

The new application writes its own document. What is known of a route of the old one is its path, its methods, its
parameters and its docstring. Each operation says which application answers it.

Spec: OpenAPI 3.1.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Iterator
from typing import Any, TypeAlias, cast

from rsgi.errors import StartupError
from rsgi.routing.coverage.map import CoverageMap, Row, Side
from rsgi.routing.coverage.source import docstring_of
from rsgi.routing.coverage.survey import OTHER_METHOD, WEBSOCKET, Survey
from rsgi.routing.coverage.template import shape
from rsgi.routing.introspect.sample import PARAMETER
from rsgi.routing.introspect.unwrap import layers
from rsgi.routing.plan import App

Document: TypeAlias = dict[str, Any]

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
# What a route for all methods is listed with.
_USUAL = ("get", "post")
_SCHEMAS: dict[str, Document] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "uuid": {"type": "string", "format": "uuid"},
}


def to_openapi(survey: Survey, drawn: CoverageMap) -> Document:
    """The document.

    Raises:
        StartupError: when an application fails to write its own.
    """
    document = _own_documents(survey)
    _drop_what_others_answer(document, survey, drawn)
    taken = _operation_ids(document)
    apps: dict[int, None] = {}
    for row in drawn.rows:
        if row.old is not None and _is_answered_by_old(survey, row):
            for method in _listed(row, drawn):
                _add(document, row, method, survey.plan.apps[row.old.app].name, taken)
                apps[row.old.app] = None
    tags = document.setdefault("tags", [])
    tags += [_tag(survey, index) for index in apps]
    if not tags:
        del document["tags"]
    return document


def _own_documents(survey: Survey) -> Document:
    """What the ASGI applications say of themselves, with their prefixes, in one document."""
    document: Document | None = None
    for app in survey.plan.apps:
        own = _own_document(app) if app.interface == "asgi" else None
        if own is None:
            continue
        paths = {f"{app.prefix}{path}": item for path, item in (own.get("paths") or {}).items()}
        for item in paths.values():
            for method in _METHODS:
                if method in item:
                    item[method]["x-rsgi-app"] = app.name
        if document is None:
            document = {**own, "paths": paths}
        else:
            _merge(document, own, paths)
    if document is None:
        title = " and ".join(app.name for app in survey.plan.apps)
        document = {"openapi": "3.1.0", "info": {"title": title, "version": "0"}, "paths": {}}
    return document


def _own_document(app: App) -> Document | None:
    """FastAPI's document or Litestar's, found through middleware as well."""
    for layer in layers(app.application):
        try:
            if hasattr(layer, "openapi_version") and callable(write := getattr(layer, "openapi", None)):
                return cast("Document", copy.deepcopy(write()))
            schema = getattr(layer, "openapi_schema", None)
            if callable(write := getattr(schema, "to_schema", None)):
                return cast("Document", copy.deepcopy(write()))
        except Exception as error:
            hint = "the application writes this document itself; open its own page, for example /docs"
            raise StartupError(f"the OpenAPI document of `{app.name}` failed: {error!r}", hint) from error
    return None


def _merge(document: Document, own: Document, paths: Document) -> None:
    """Add another document; where both have a name, the first one counts."""
    document["paths"] = {**paths, **document["paths"]}
    for kind, named in (own.get("components") or {}).items():
        known = document.setdefault("components", {}).setdefault(kind, {})
        for name, each in named.items():
            known.setdefault(name, each)


def _drop_what_others_answer(document: Document, survey: Survey, drawn: CoverageMap) -> None:
    """Take out the operations that never reach the application that describes them."""
    for row in drawn.rows:
        new = row.new
        if new is None or survey.plan.apps[new.app].name in (row.served_by, row.then):
            continue
        key = _key_of(document, new.path)
        for method in _listed(row, drawn) if key is not None else ():
            document["paths"][key].pop(method, None)
            if not any(each in document["paths"][key] for each in _METHODS):
                del document["paths"][key]
                break


def _is_answered_by_old(survey: Survey, row: Row) -> bool:
    if row.old is None or row.old.route.files or row.old.route.opaque or row.method == WEBSOCKET:
        return False
    return survey.plan.apps[row.old.app].name in (row.served_by, row.then)


def _listed(row: Row, drawn: CoverageMap) -> Iterator[str]:
    """The methods of a row; the usual ones that have no row of their own, where it stands for the rest."""
    if row.method != OTHER_METHOD:
        yield from (method for method in (row.method.lower(),) if method in _METHODS)
        return
    named = {each.method.lower() for each in drawn.rows if (each.host, each.path) == (row.host, row.path)}
    yield from (method for method in _USUAL if method not in named)


def _add(document: Document, row: Row, method: str, app: str, taken: set[str]) -> None:
    side = row.old
    assert side is not None  # noqa: S101 - only such rows are added
    key = _key_of(document, side.path)
    names = _names(key if key is not None else side.path)
    key = key if key is not None else PARAMETER.sub(lambda found: f"{{{found['name']}}}", side.path)
    document["paths"].setdefault(key, {})[method] = _operation(side, method, app, names, taken)


def _operation(side: Side, method: str, app: str, names: list[str], taken: set[str]) -> Document:
    summary, _, description = _docstring(side, method).partition("\n")
    operation: Document = {
        "tags": [app],
        "summary": summary or side.route.name or side.route.defined or side.path,
        "operationId": _operation_id(side, method, app, taken),
        "responses": {"default": {"description": f"The response of {app}"}},
        "x-rsgi-app": app,
    }
    if description.strip():
        operation["description"] = description.strip()
    parameters = [_parameter(found, name) for found, name in zip(PARAMETER.finditer(side.path), names, strict=True)]
    if parameters:
        operation["parameters"] = parameters
    if side.route.host is not None:
        operation["x-rsgi-host"] = side.route.host
    guards = [guard.name for guard in side.route.guards if guard.method in (None, method.upper())]
    if guards:
        operation["x-rsgi-guards"] = list(dict.fromkeys(guards))
    return operation


def _parameter(found: re.Match[str], name: str) -> Document:
    schema = _SCHEMAS.get(found["kind"] or "", {"type": "string"})
    parameter: Document = {"name": name, "in": "path", "required": True, "schema": dict(schema)}
    if found["kind"] == "path":
        parameter["description"] = "May contain slashes"
    return parameter


def _docstring(side: Side, method: str) -> str:
    handler = side.route.handler
    if inspect.isclass(handler) and (own := docstring_of(vars(handler).get(method))):
        return own
    return docstring_of(handler)


def _key_of(document: Document, path: str) -> str | None:
    """Under which key a document has a path; names of parameters do not count."""
    nameless = _nameless(path)
    return next((key for key in document["paths"] if _nameless(key) == nameless), None)


def _nameless(path: str) -> str:
    return shape(path).replace("{path}", "{}")


def _names(path: str) -> list[str]:
    return [found["name"] for found in PARAMETER.finditer(path)]


def _operation_ids(document: Document) -> set[str]:
    items = document["paths"].values()
    return {item[method].get("operationId") for item in items for method in _METHODS if method in item}


def _operation_id(side: Side, method: str, app: str, taken: set[str]) -> str:
    wanted = re.sub(r"\W+", "_", f"{app} {side.route.name or side.route.defined or side.path} {method}").strip("_")
    candidates = (wanted, *(f"{wanted}_{number}" for number in range(2, len(taken) + 3)))
    found = next(each for each in candidates if each not in taken)
    taken.add(found)
    return found


def _tag(survey: Survey, index: int) -> Document:
    table = survey.tables[index]
    framework = "" if table is None else f", read from {table.framework}"
    return {"name": survey.plan.apps[index].name, "description": f"Routes of the WSGI application{framework}"}
