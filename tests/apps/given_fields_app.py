"""Answers with fields of which some are the same each time, some have other values, and some other names."""

from typing import Any

_TEXT = ("X-Constant", "constant")
_BYTES = (b"x-constant", b"constant")


def _fields(query: str) -> list[tuple[str, str]]:
    body = "x" * int(query)
    return [
        ("X-Number", query),
        (f"X-Name-{query}", f"value {query}"),
        ("X-Blank", " padded\t"),
        ("Content-Length", str(len(body))),
    ]


def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """As text."""
    query = environ["QUERY_STRING"]
    start_response("200 OK", [_TEXT, *_fields(query)])
    return [b"x" * int(query)]


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """As bytes."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    query = scope["query_string"].decode()
    fields = [_BYTES, *((name.lower().encode(), value.encode()) for name, value in _fields(query))]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": b"x" * int(query)})
