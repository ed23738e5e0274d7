"""Types for type checkers: those of the two protocols, and of what the compiled part hands over.

They are separate so that modules which only pass applications on need not import the ones that call them.

Spec: PEP 3333 "The Application/Framework Side"; ASGI 3.0 "Applications".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from types import TracebackType
from typing import Any, Literal, Protocol, TypeAlias

Interface: TypeAlias = Literal["wsgi", "asgi"]
# As it may be asked for: `auto` is what the application turns out to speak.
AskedInterface: TypeAlias = Literal["wsgi", "asgi", "auto"]

Environ: TypeAlias = dict[str, Any]
ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class StartResponse(Protocol):
    """The callable that a WSGI application begins its response with; returns the old `write` callable."""

    def __call__(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None, /
    ) -> Callable[[bytes], object]: ...


WSGIApp: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

# What the server hands over for the comparison of responses: header fields; method, target, header fields and body of a
# request; status, header fields, body, size of the whole body, whether the body is complete, seconds, and why there is no
# response.
ShadowFields: TypeAlias = list[tuple[bytes, bytes]]
ShadowRequest: TypeAlias = tuple[str, str, ShadowFields, bytes]
ShadowResponse: TypeAlias = tuple[int, ShadowFields, bytes, int, bool, float, str | None]
