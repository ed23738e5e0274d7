"""ASGI middleware and a dependency for Flask's sessions, so that both applications share one login.

`flask_cookie.py` reads and writes the cookie.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rsgi.errors import StartupError
from rsgi.migrate.sessions.flask_cookie import FlaskCookie
from rsgi.migrate.sessions.login import refuse

_STARTS = ("http.response.start", "websocket.accept")


class FlaskSession(dict[str, Any]):
    """A session as Flask's: a dict that knows whether it was changed.

    A change inside a list or dict in it is not seen. Set `modified` after it, as with Flask.

    Attributes:
        modified: Whether the cookie has to be written.
        accessed: Whether the response depends on it.
    """

    modified = False
    accessed = False

    @property
    def permanent(self) -> bool:
        """Whether the cookie stays after the browser ends, for the lifetime of sessions."""
        return bool(self.get("_permanent", False))

    @permanent.setter
    def permanent(self, value: bool) -> None:
        self["_permanent"] = bool(value)

    def mark_accessed(self) -> None:
        """Note that the response depends on it; Starlette calls this."""
        self.accessed = True


def _marking(name: str) -> Callable[..., Any]:
    original = getattr(dict, name)

    def changed(self: FlaskSession, *arguments: object, **values: object) -> object:
        self.modified = self.accessed = True
        return original(self, *arguments, **values)

    changed.__name__ = name
    changed.__doc__ = original.__doc__
    return changed


for _name in ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault", "update"):
    setattr(FlaskSession, _name, _marking(_name))


class FlaskSessionMiddleware:
    """Gives Starlette and FastAPI the session of a Flask application as `request.session`, and stores changes of it.

    It takes the place of Starlette's `SessionMiddleware`, whose cookie Flask cannot read.
    """

    def __init__(self, app: ASGIApp, cookie: FlaskCookie | None = None, *, secret_key: str | None = None) -> None:
        """Wrap an application.

        Args:
            app: The ASGI application.
            cookie: The cookie: `FlaskCookie.of(flask_app)`, or `FlaskCookie(secret_key, …)` without Flask.
            secret_key: Flask's secret key, if all other settings are Flask's defaults.

        Raises:
            StartupError: when neither is given.
        """
        if cookie is None and not secret_key:
            hint = "pass `cookie=FlaskCookie.of(flask_app)`, or `secret_key=…`"
            raise StartupError("FlaskSessionMiddleware does not know how Flask signs its sessions", hint)
        self._app = app
        self._cookie = cookie or FlaskCookie(secret_key or "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        text = _cookie_in(scope, self._cookie.name)
        found = self._cookie.read(text) if text else None
        session = FlaskSession(found or {})

        async def store(message: Message) -> None:
            if message["type"] in _STARTS:
                message = {**message, "headers": list(message.get("headers") or ())}
                self._store(session, MutableHeaders(scope=message))
            await send(message)

        await self._app({**scope, "session": session}, receive, store)

    def _store(self, session: FlaskSession, headers: MutableHeaders) -> None:
        cookie = None
        if session:
            if session.modified or (session.permanent and self._cookie.refresh_each_request):
                cookie = self._cookie.set_header(session, permanent=session.permanent)
        elif session.modified:
            cookie = self._cookie.delete_header()
        if cookie is not None:
            headers.append("set-cookie", cookie)
        if cookie is not None or session.accessed:
            headers.add_vary_header("Cookie")


def flask_login_required(
    key: str = "_user_id", login_url: str | None = None
) -> Callable[[HTTPConnection], Awaitable[Any]]:
    """A dependency for FastAPI that lets only users in who are logged in, and gives what the session has under `key`.

    In Starlette, call it: `user = await login_required(request)`.

    Args:
        key: What the session has only after a login. `_user_id` is Flask-Login's.
        login_url: Where others are sent, with their URL as `next`. `None`: they get 401.
    """

    async def login_required(connection: HTTPConnection) -> Any:  # noqa: ANN401 - whatever a session has
        user = _session_of(connection).get(key)
        if user is None:
            refuse(connection, login_url)
        return user

    return login_required


def _session_of(connection: HTTPConnection) -> FlaskSession:
    session = connection.scope.get("session")
    if not isinstance(session, FlaskSession):
        raise RuntimeError("there is no Flask session: add `FlaskSessionMiddleware` to the application")
    session.mark_accessed()
    return session


def _cookie_in(scope: Scope, name: str) -> str | None:
    """The value of a cookie; the first one counts, as in Flask."""
    for field, value in scope["headers"]:
        if field.lower() == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                found, _, text = pair.strip().partition("=")
                if found == name:
                    return str(text).strip('"')
    return None
