"""Where the code of a handler is: file, line and docstring.

It is separate because it reads files, which only commands may do. A server never asks for a line.
"""

from __future__ import annotations

import functools
import inspect
import os
from typing import NamedTuple


class Source(NamedTuple):
    """Where code begins.

    Attributes:
        file: The path of the file.
        line: The number of the line, from 1. A decorator counts as the beginning.
    """

    file: str
    line: int

    @property
    def shown(self) -> str:
        """`old.py:12`, relative to the current folder if the file is below it."""
        relative = os.path.relpath(self.file)
        return f"{self.file if relative.startswith('..') else relative}:{self.line}"


def source_of(handler: object) -> Source | None:
    """Where a function or class is defined; `None` if Python does not know."""
    code = innermost(handler)
    function = getattr(code, "__code__", None)
    if function is not None:
        return Source(os.path.abspath(function.co_filename), function.co_firstlineno)
    owner = code if inspect.isclass(code) else type(code)
    try:
        file, (_, line) = inspect.getsourcefile(owner), inspect.getsourcelines(owner)
    except (OSError, TypeError):
        return None
    return None if file is None else Source(os.path.abspath(file), line)


def docstring_of(handler: object) -> str:
    """The docstring of a handler, without its indentation; empty if it has none of its own."""
    text = getattr(innermost(handler), "__doc__", None)
    return inspect.cleandoc(text) if isinstance(text, str) else ""


def innermost(handler: object) -> object:
    """The function below decorators and partials; a class is itself."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    if callable(handler) and not inspect.isclass(handler):
        try:
            handler = inspect.unwrap(handler)
        except ValueError:  # it wraps itself
            return handler
    return getattr(handler, "__func__", handler)
