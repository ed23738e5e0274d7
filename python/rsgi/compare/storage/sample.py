"""One stored sample: the request, both responses and their differences, as JSON.

It is made of redacted records only. Bodies are shortened: a sample is there to be read.
"""

from __future__ import annotations

import base64
import time
from typing import Any

from rsgi.compare.differences import Difference
from rsgi.compare.exchange import Exchange, RequestRecord, ResponseRecord
from rsgi.compare.storage.redaction import Redaction

# How much of a body a sample has.
_BODY = 4096
_MOST_DIFFERENCES = 50
_MOST_HEADERS = 40
_HEADER = 500


def sample_of(exchange: Exchange, differences: tuple[Difference, ...], redaction: Redaction) -> dict[str, Any]:
    """Make a sample of an exchange."""
    return {
        "at": time.time(),
        "route": exchange.route,
        "request": _request(redaction.request(exchange.request)),
        "primary": {"app": exchange.primary_app, **_response(redaction.response(exchange.primary))},
        "shadow": {"app": exchange.shadow_app, **_response(redaction.response(exchange.shadow))},
        "differences": [_difference(redaction.difference(each)) for each in differences[:_MOST_DIFFERENCES]],
    }


def _request(request: RequestRecord) -> dict[str, Any]:
    return {
        "method": request.method,
        "target": request.target[:2000],
        "headers": _headers(request.headers),
        "body": write_body(request.body[:_BODY]),
    }


def _response(response: ResponseRecord) -> dict[str, Any]:
    return {
        "status": response.status,
        "headers": _headers(response.headers),
        "body": write_body(response.body[:_BODY]),
        "size": response.size,
        "shortened": not response.complete or len(response.body) > _BODY,
        "seconds": round(response.seconds, 6),
        "error": response.error,
    }


def _headers(headers: tuple[tuple[str, str], ...]) -> list[list[str]]:
    return [[name, value[:_HEADER]] for name, value in headers[:_MOST_HEADERS]]


def _difference(each: Difference) -> dict[str, str | None]:
    return {
        "kind": each.kind,
        "path": each.path,
        "place": each.place,
        "primary": each.primary,
        "shadow": each.shadow,
    }


def write_body(body: bytes) -> str | dict[str, str]:
    """A body in JSON: its text, or an object with its bytes in base64."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and error.start >= len(body) - 3:
            return body[: error.start].decode("utf-8")  # it was cut inside a character
        return {"base64": base64.b64encode(body).decode("ascii")}
