"""Makes requests, responses and exchanges for the tests of the comparer. No test is here."""

from __future__ import annotations

import json
from typing import Any

from rsgi.compare.comparer import Comparer, Result
from rsgi.compare.exchange import Exchange, RequestRecord, ResponseRecord
from rsgi.compare.options import Comparison

JSON, HTML, TEXT = "application/json", "text/html; charset=utf-8", "text/plain"


def request_record(
    target: str = "/x", *headers: tuple[str, str], method: str = "GET", body: bytes = b""
) -> RequestRecord:
    return RequestRecord(method, target, (("Host", "shop.example"), *headers), body)


def response_record(
    body: Any = b"",
    media: str = JSON,
    *headers: tuple[str, str],
    status: int = 200,
    complete: bool = True,
    size: int | None = None,
    sha256: str | None = None,
    error: str | None = None,
) -> ResponseRecord:
    """A response. What is neither bytes nor text becomes JSON."""
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    size = len(raw) if size is None else size
    return ResponseRecord(status, (("Content-Type", media), *headers), raw, size, complete, sha256, 0.01, error)


def exchanged(
    primary: ResponseRecord,
    shadow: ResponseRecord,
    route: str = "/x",
    *,
    repeat: ResponseRecord | None = None,
    request: RequestRecord | None = None,
) -> Exchange:
    return Exchange(route, request or request_record(route), "old", primary, "new", shadow, repeat)


def compared(
    primary: ResponseRecord, shadow: ResponseRecord, request: RequestRecord | None = None, **how: Any
) -> Result:
    return Comparer(Comparison(**how)).compare(request or request_record(), primary, shadow)


def found(
    primary: ResponseRecord, shadow: ResponseRecord, request: RequestRecord | None = None, **how: Any
) -> set[str]:
    """The kinds and paths of the differences."""
    result = compared(primary, shadow, request, **how)
    assert result.skipped is None, result.skipped
    return {f"{each.kind} {each.path}" for each in result.differences}
