"""ASGI middleware and dependencies for Django's sessions and users, so that both applications share one login.

Django's own classes read and store the sessions. They use the database, so they run in the thread that asgiref keeps
for such code, never on the event loop. The old application has already set Django up in the same process.
"""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections
from django.http import HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import resolve_url
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rsgi.migrate.sessions.login import refuse

_KEY = "rsgi.django"
_STARTS = ("http.response.start", "websocket.accept")
_GONE = b"The session was deleted before the request completed, for example by a logout."


class DjangoSessionMiddleware:
    """Lets the dependencies of this module work, and stores what changed in the session.

    A request that asks for no session costs nothing.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        holder = _Holder(scope)
        is_refused = False

        async def store(message: Message) -> None:
            nonlocal is_refused
            if is_refused:
                return
            if message["type"] not in _STARTS or not holder.is_used:
                await send(message)
                return
            try:
                fields = await sync_to_async(holder.store)(message.get("status", 200))
            except SessionInterrupted:
                if message["type"] == "websocket.accept":
                    raise
                is_refused = True
                await _say_that_it_is_gone(send)
                return
            message = {**message, "headers": list(message.get("headers") or ())}
            _add(fields, MutableHeaders(scope=message))
            await send(message)

        await self._app({**scope, _KEY: holder}, receive, store)


class _Holder:
    """The Django request of one ASGI request, made when it is asked for."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._request: Any = None

    @property
    def is_used(self) -> bool:
        return self._request is not None

    def request(self) -> Any:  # noqa: ANN401 - Django has no types
        if self._request is None:
            request = ASGIRequest({"method": "GET", **self._scope}, io.BytesIO())
            SessionMiddleware(_nothing).process_request(request)
            AuthenticationMiddleware(_nothing).process_request(request)
            self._request = request
        return self._request

    def store(self, status: int) -> HttpResponse:
        """Save the session; the fields of the response say what the client has to know."""
        response = HttpResponse(status=status)
        response.headers.pop("Content-Type", None)
        try:
            CsrfViewMiddleware(_nothing).process_response(self._request, response)
            return SessionMiddleware(_nothing).process_response(self._request, response)
        finally:
            close_old_connections()


def _nothing(request: object) -> HttpResponse:
    """What the middleware wraps; it is never called."""
    return HttpResponse()


def _add(response: Any, headers: MutableHeaders) -> None:  # noqa: ANN401
    for morsel in response.cookies.values():
        headers.append("set-cookie", morsel.OutputString())
    for vary in filter(None, response.headers.get("Vary", "").split(", ")):
        headers.add_vary_header(vary)


async def _say_that_it_is_gone(send: Send) -> None:
    fields = [(b"content-type", b"text/plain"), (b"content-length", str(len(_GONE)).encode())]
    await send({"type": "http.response.start", "status": 400, "headers": fields})
    await send({"type": "http.response.body", "body": _GONE})


def holder_of(connection: HTTPConnection) -> _Holder:
    """What the middleware has put into the scope."""
    holder = connection.scope.get(_KEY)
    if holder is None:
        raise RuntimeError("there is no Django session: add `DjangoSessionMiddleware` to the application")
    return cast("_Holder", holder)


async def django_request(connection: HTTPConnection) -> Any:  # noqa: ANN401
    """A dependency: Django's request, with `session` and `user`, for functions such as `django.contrib.auth.logout`."""
    return await sync_to_async(_loaded)(holder_of(connection))


async def django_session(connection: HTTPConnection) -> Any:  # noqa: ANN401
    """A dependency: Django's session, loaded. Changes are stored when the response starts."""
    return (await django_request(connection)).session


async def django_user(connection: HTTPConnection) -> Any:  # noqa: ANN401
    """A dependency: Django's user, loaded; an `AnonymousUser` for somebody who is not logged in."""
    return (await django_request(connection)).user


def _loaded(holder: _Holder) -> Any:  # noqa: ANN401
    """The request with session and user read from the database, where that is allowed."""
    close_old_connections()
    request = holder.request()
    request.session.get("_auth_user_id")
    _ = request.user.is_authenticated
    return request


def django_login_required(login_url: str | None = "") -> Callable[[HTTPConnection], Awaitable[Any]]:
    """A dependency for FastAPI that lets only active users in who are logged in, and gives the user.

    In Starlette, call it: `user = await login_required(request)`.

    Args:
        login_url: Where others are sent, with their URL as `next`. Empty: to Django's `LOGIN_URL`. `None`: they get 401.
    """

    async def login_required(connection: HTTPConnection) -> Any:  # noqa: ANN401
        user = await django_user(connection)
        if not user.is_authenticated:
            refuse(connection, None if login_url is None else login_url or resolve_url(settings.LOGIN_URL))
        return user

    return login_required
