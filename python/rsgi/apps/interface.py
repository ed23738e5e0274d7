"""Detects whether a callable is WSGI or ASGI, if that is possible before the first request.

Only certain results count. If a callable accepts anything, the operator's flag decides.

Spec: PEP 3333 "The Application/Framework Side"; ASGI 3.0 "Applications", "Legacy Applications".
"""

from __future__ import annotations

import functools
import inspect

from rsgi._types import Interface
from rsgi.errors import StartupError

_ARGUMENTS: dict[Interface, int] = {"wsgi": 2, "asgi": 3}
_SHAPES: dict[Interface, str] = {"wsgi": "(environ, start_response)", "asgi": "(scope, receive, send)"}
_OTHER: dict[Interface, Interface] = {"wsgi": "asgi", "asgi": "wsgi"}


def check_interface(application: object, interface: Interface, name: str) -> None:
    """See that `application` can be what it is said to be.

    Args:
        application: A callable.
        interface: What it was given as.
        name: What to call it in the error.

    Raises:
        StartupError: when it surely speaks the other protocol, is a legacy ASGI 2 application, or is a factory or
            class that still has to be called.
    """
    asynchronous = _is_async(application)
    if asynchronous and interface == "wsgi":
        raise _other_flag(application, name, interface)
    if _accepts(application, _ARGUMENTS[interface]) is not False:
        return
    if not asynchronous and _accepts(application, _ARGUMENTS[_OTHER[interface]]):
        raise _other_flag(application, name, interface)
    if interface == "asgi" and _is_legacy_asgi(application):
        hint = "upgrade the framework, or wrap it: `asgiref.compatibility.guarantee_single_callable(app)`"
        raise StartupError(f"`{name}` is a legacy ASGI 2 application, called with the scope alone", hint)
    raise _wrong_arguments(application, interface, name)


def interface_of(application: object) -> Interface | None:
    """The protocol that `application` speaks, where one look at it tells."""
    fitting = _fitting(application)
    return fitting[0] if len(fitting) == 1 else None


def tell_interface(application: object, name: str) -> Interface:
    """The protocol that `application` speaks, when nobody said it.

    Args:
        application: A callable.
        name: What to call it in the error.

    Raises:
        StartupError: when that cannot be known before the first request, or it is no application.
    """
    fitting = _fitting(application)
    if len(fitting) == 1:
        check_interface(application, fitting[0], name)
        return fitting[0]
    if fitting:
        message = f"rsgi cannot detect whether `{name}` is a WSGI or an ASGI application"
        raise StartupError(message, f"say it with a flag: `--wsgi {name}` or `--asgi {name}`")
    if inspect.isclass(application) and _is_legacy_asgi(application):
        check_interface(application, "asgi", name)
    shapes = f"{_SHAPES['wsgi']} or {_SHAPES['asgi']}"
    message = f"`{name}` cannot be called with {shapes}, so it is not an application"
    raise StartupError(message, _factory_hint(application, name) or "name a WSGI or an ASGI application")


def _fitting(application: object) -> list[Interface]:
    """The protocols that `application` may speak."""
    if _is_async(application):
        return ["asgi"]
    return [each for each, count in _ARGUMENTS.items() if _accepts(application, count) is not False]


def _is_async(application: object) -> bool:
    """Whether calling it surely gives a coroutine."""
    while isinstance(application, functools.partial):
        application = application.func
    if inspect.isclass(application):
        return False
    return inspect.iscoroutinefunction(application) or _is_async_method(type(application), "__call__")


def _accepts(application: object, count: int) -> bool | None:
    """Whether it can be called with `count` positional arguments; `None` when Python cannot tell.

    Wrappers are not looked through: what counts is the function that is called, not the one it stands for.
    """
    if not callable(application):
        return False
    try:
        signature = inspect.signature(application, follow_wrapped=False)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def _is_legacy_asgi(application: object) -> bool:
    if not _accepts(application, 1) or _accepts(application, 0):
        return False
    if inspect.isclass(application):
        return _is_async_method(application, "__call__")
    return not _is_async(application)


def _is_async_method(owner: type, name: str) -> bool:
    return inspect.iscoroutinefunction(getattr(owner, name, None))


def _other_flag(application: object, name: str, interface: Interface) -> StartupError:
    other = _OTHER[interface]
    kind = _framework(application)
    what = f"`{name}` is {kind}, " if kind else f"`{name}` is "
    article = "an" if other == "asgi" else "a"
    message = f"{what}{article} {other.upper()} application, but was given as {interface.upper()}"
    return StartupError(message, f"write `--{other} {name}`; it is called with {_SHAPES[other]}")


def _wrong_arguments(application: object, interface: Interface, name: str) -> StartupError:
    message = f"`{name}` cannot be called with {_SHAPES[interface]}, so it does not implement {interface.upper()}"
    asked = f"{_ARGUMENTS[interface]} positional arguments are required by the specification"
    return StartupError(message, _factory_hint(application, name) or asked)


def _factory_hint(application: object, name: str) -> str | None:
    if not _accepts(application, 0) or ":" not in name or name.endswith(")"):
        return None
    what = "a class" if inspect.isclass(application) else "a factory"
    return f"if it is {what} that returns the application, write `{name}()`"


def _framework(application: object) -> str | None:
    """`a flask object` and the like, for objects of a class that a package other than the application defines."""
    if inspect.isroutine(application) or inspect.isclass(application):
        return None
    package = type(application).__module__.partition(".")[0]
    known = {"flask": "Flask", "django": "Django", "pyramid": "Pyramid", "fastapi": "FastAPI", "starlette": "Starlette"}
    known |= {"channels": "Channels", "quart": "Quart", "litestar": "Litestar", "falcon": "Falcon", "bottle": "Bottle"}
    return f"made with {known[package]}" if package in known else None
