"""Refuses to serve if a library has replaced Python's threads.

If an application calls gevent's `patch_all()` when it is imported, threads of the server become greenlets, which wait for
each other for ever.
"""

from __future__ import annotations

import sys
from typing import Any

from rsgi.errors import StartupError


def refuse_green_threads() -> None:
    """Raise `StartupError` when gevent or eventlet has replaced `threading`. To be called when applications are imported."""
    for library, is_patched in (("gevent", _gevent), ("eventlet", _eventlet)):
        if is_patched():
            raise StartupError(
                f"{library} has replaced `threading`, but rsgi runs WSGI applications in real threads",
                f"remove {library}'s monkey patching (`monkey.patch_all()`): `--wsgi-threads` says how many requests run "
                "at the same time",
            )


def _gevent() -> bool:
    monkey: Any = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def _eventlet() -> bool:
    patcher: Any = sys.modules.get("eventlet.patcher")
    return patcher is not None and bool(patcher.is_monkey_patched("thread"))
