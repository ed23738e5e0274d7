"""Finds what lets only some users into a handler: decorators, base classes, dependencies.

One rule applies to all frameworks: a guard is known by its name, such as `login_required`, because no framework keeps a
list of guards. A check inside a handler has no readable name.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType

from rsgi.routing.introspect.table import Guard
from rsgi.routing.introspect.unwrap import is_instance, loaded

_MOST_WRAPPERS = 32
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")

# One of these words in the name of a decorator makes it a guard; so do all words of one of the pairs.
_WORDS = frozenset(
    "admin auth authenticate authenticated authentication authorize authorized authorise authorised authorization jwt "
    "logged login member permission permissions protected role roles scope scopes staff superuser token".split()
)
_PAIRS = (frozenset({"current", "user"}), frozenset({"require", "user"}), frozenset({"user", "passes"}))
_NOT = frozenset({"anonymous", "csrf", "guest", "not", "optional"})

# Here every decorator is one.
_MODULES = ("django.contrib.auth.decorators", "starlette.authentication")


def guards_of(handler: object, methods: Iterable[str] | None = None) -> tuple[Guard, ...]:
    """The guards that are seen on a handler: a function, a method or a class.

    Args:
        handler: What the framework calls.
        methods: The HTTP methods that are asked for, when `handler` is a class or stands for one.
    """
    found = [Guard(name) for name in _of_chain(handler)]
    owner = next(
        (each for name in ("view_class", "cls") if (each := getattr(handler, name, None)) is not None), handler
    )
    if inspect.isclass(owner):
        found += _of_class(owner, methods or ())
    return tuple(dict.fromkeys(found))


def sounds_like_a_guard(name: str) -> bool:
    """Whether a name says that not everybody may pass."""
    words = {each.lower() for each in _WORD.findall(name)}
    return not words & _NOT and (bool(words & _WORDS) or any(pair <= words for pair in _PAIRS))


def guards_of_dependencies(dependant: object) -> Iterator[Guard]:
    """The guards among the dependencies of a FastAPI route, and theirs."""
    for each in getattr(dependant, "dependencies", None) or ():
        call = getattr(each, "call", None) or getattr(each, "dependency", None)
        name = getattr(call, "__name__", type(call).__name__)
        if is_instance(call, "fastapi.security.base", "SecurityBase") or sounds_like_a_guard(name):
            yield Guard(name)
        yield from guards_of_dependencies(each)


def _of_chain(handler: object) -> Iterator[str]:
    """The guards among a function's decorators, from the outside in."""
    chain = list(_chain(handler))
    for function in chain:
        if inspect.isfunction(function):
            held = [each for each in _held(function) if each not in chain]
            is_decorated = function is not chain[-1] or bool(held)
            decorator = _decorator(function)
            inside = (_root(each) for each in held)  # `permission_required` makes a test for `user_passes_test`
            names = [*(each for each in inside if each != decorator), decorator] if is_decorated else []
            own = next((each for each in names if each and sounds_like_a_guard(each)), None)
            if own is None and function.__globals__.get("__name__") in _MODULES:
                own = decorator
            yield from (own,) if own else ()


def _chain(handler: object) -> Iterator[object]:
    for _ in range(_MOST_WRAPPERS):
        handler = handler.func if isinstance(handler, functools.partial) else handler
        handler = getattr(handler, "__func__", handler)
        if handler is None:
            return
        yield handler
        handler = getattr(handler, "__wrapped__", None)


def _held(function: FunctionType) -> Iterator[FunctionType]:
    """The functions that a decorator's function has in its closure, one by one or in a list."""
    for cell in function.__closure__ or ():
        try:
            value = cell.cell_contents
        except ValueError:
            continue  # not filled yet
        yield from filter(inspect.isfunction, value if isinstance(value, list | tuple) else (value,))


def _root(function: FunctionType) -> str:
    """The name of the function at the top of a module that a function was made in; its own, if it is that."""
    return function.__qualname__.partition(".<locals>")[0]


def _decorator(function: FunctionType) -> str | None:
    """The name of the decorator that a function was made in, whatever name it has taken over from what it wraps."""
    qualified = getattr(function.__code__, "co_qualname", None)
    if qualified is not None:
        root, inside, _ = str(qualified).partition(".<locals>")
        return root if inside else None
    return _decorator_by_search(function)


def _decorator_by_search(function: FunctionType) -> str | None:
    """The same where code does not know it, before Python 3.11: the function of its module that has its code within."""
    values = list(function.__globals__.values())
    values += [own for each in values if inspect.isclass(each) for own in vars(each).values()]
    return next(
        (each.__name__ for each in values if inspect.isfunction(each) and _makes(each.__code__, function)), None
    )


def _makes(code: CodeType, function: FunctionType) -> bool:
    inner = [each for each in code.co_consts if isinstance(each, CodeType)]
    return any(each is function.__code__ or _makes(each, function) for each in inner)


def _of_class(owner: type, methods: Iterable[str]) -> Iterator[Guard]:
    """The guards of a view class: mixins, what is around `dispatch` and the handlers, REST framework's permissions."""
    for base in owner.__mro__:
        if base.__name__.endswith("Mixin") and sounds_like_a_guard(base.__name__):
            yield Guard(base.__name__)
    for name in ("dispatch", "dispatch_request"):
        yield from map(Guard, _of_chain(getattr(owner, name, None)))
    for method in methods:
        yield from (Guard(name, method) for name in _of_chain(getattr(owner, method.lower(), None)))
    open_to_all = loaded("rest_framework.permissions", "AllowAny")
    for each in getattr(owner, "permission_classes", None) or ():
        if each is not open_to_all:
            yield Guard(getattr(each, "__name__", str(each)))
