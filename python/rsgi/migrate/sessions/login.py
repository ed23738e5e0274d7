"""What somebody gets who is not logged in: a way to the login page, 401, or a refused WebSocket.

It is the same for Flask's and Django's sessions.
"""

from __future__ import annotations

from typing import NoReturn
from urllib.parse import quote, urlsplit, urlunsplit

from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection

_POLICY_VIOLATION = 1008
_SAFE = ("GET", "HEAD")


def refuse(connection: HTTPConnection, login_url: str | None, next_name: str = "next") -> NoReturn:
    """End a request of somebody who is not logged in.

    Raises:
        HTTPException: a redirect (303) to the login page, or 401.
        WebSocketException: for a WebSocket, which cannot be redirected.
    """
    if connection.scope["type"] == "websocket":
        raise WebSocketException(_POLICY_VIOLATION, "log in first")
    if login_url is None:
        raise HTTPException(401, "log in first")
    raise HTTPException(303, headers={"Location": _with_next(connection, login_url, next_name)})


def _with_next(connection: HTTPConnection, login_url: str, next_name: str) -> str:
    """The login page, which sends back to this URL; not to one that was posted to."""
    if connection.scope["method"] not in _SAFE:
        return login_url
    # Only the path: what a client says about the host is not to be trusted, and `//host` is another site.
    here = quote("/" + connection.scope["path"].lstrip("/"), safe="/")
    query = connection.scope.get("query_string", b"").decode("latin-1")
    parts = urlsplit(login_url)
    back = f"{next_name}={quote(f'{here}?{query}' if query else here, safe='/')}"
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, back)))))
