"""A WSGI application that sends each request to the server of the tests.

The test clients of WSGI frameworks call an application: Flask's, Django's, WebTest's. If they call this one, an old test
suite runs against both applications, without a change to its tests.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, urlsplit

# Fields of one connection. The test client gets the body as it is.
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade"}

# What may be in a path as it is, beside letters and digits (RFC 3986 3.3).
_IN_PATHS = "/-._~!$&'()*+,;=:@"


class Forward:
    """Sends requests to a server, and returns its responses."""

    def __init__(self, url: str) -> None:
        """Send them to the server at `url`."""
        self._address = urlsplit(url).netloc

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Send one request with its whole body, and wait for the whole response."""
        connection = http.client.HTTPConnection(self._address)
        try:
            connection.putrequest(
                environ["REQUEST_METHOD"], _target(environ), skip_host=True, skip_accept_encoding=True
            )
            body = _body(environ)
            for name, value in _fields(environ, body):
                connection.putheader(name, value.encode("latin-1"))
            connection.endheaders(body or None)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        fields = [(name, value) for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP]
        start_response(f"{response.status} {response.reason}", fields)
        return [content]


def _target(environ: dict[str, Any]) -> str:
    path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}".encode("latin-1")
    query = environ.get("QUERY_STRING", "")
    return (quote(path, safe=_IN_PATHS) or "/") + (f"?{query}" if query else "")


def _body(environ: dict[str, Any]) -> bytes:
    source, length = environ.get("wsgi.input"), environ.get("CONTENT_LENGTH")
    if source is None:
        return b""
    if environ.get("wsgi.input_terminated") and not length:
        return bytes(source.read())
    return bytes(source.read(int(length))) if length and int(length) else b""


def _fields(environ: dict[str, Any], body: bytes) -> Iterable[tuple[str, str]]:
    yield "Host", environ.get("HTTP_HOST") or environ.get("SERVER_NAME", "localhost")
    for key, value in environ.items():
        name = key[5:].replace("_", "-").title()
        if key.startswith("HTTP_") and key != "HTTP_HOST" and name.lower() not in _HOP_BY_HOP:
            yield name, str(value)
    if environ.get("CONTENT_TYPE"):
        yield "Content-Type", environ["CONTENT_TYPE"]
    if body or environ.get("CONTENT_LENGTH"):
        yield "Content-Length", str(len(body))
    if environ.get("wsgi.url_scheme") == "https":
        yield "X-Forwarded-Proto", "https"
