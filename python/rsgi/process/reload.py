"""Reloads the rules of the configuration file while the server runs: at SIGHUP, or when the file has changed.

It runs on a separate thread, so reading a file and compiling rules delays no request and no loop. Only one pointer to the
router changes. Requests and WebSockets that have begun do not change. Applications are not imported again. A file with a
mistake changes nothing.
"""

from __future__ import annotations

import os
import queue
import threading
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields, replace

from rsgi.errors import StartupError
from rsgi.observe.console import say
from rsgi.routing.served import ServedPlan
from rsgi.settings.config import Config

# What can change without a new start; `config` only says where the rest was read.
_RELOADED = ("routes", "fallback", "prefer", "share_by", "share_testers", "shadow")
_IRRELEVANT = ("config",)

# How often a watched file is looked at, in seconds.
_INTERVAL = 1.0

_Signature = tuple[int, int, int] | None


class RuleReload:
    """Reads the configuration file again when it is asked to."""

    def __init__(
        self,
        served: ServedPlan,
        config: Config,
        reread: Callable[[], Config],
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Start the thread.

        Args:
            served: The plan that gets the new rules.
            config: The settings that the server was started with.
            reread: Gives the settings as they are now; raises `StartupError`.
            around: Entered for each reload.
        """
        self._served, self._started, self._reread, self._around = served, config, reread, around
        self._path = os.path.abspath(str(config.config))
        self._requests: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="rsgi-reload", daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Reload soon. May be called in a signal handler."""
        self._requests.put(True)

    def stop(self) -> None:
        """End the thread."""
        self._requests.put(False)
        self._thread.join()

    def _run(self) -> None:
        seen = self._signature()
        while True:
            try:
                request = self._requests.get(timeout=_INTERVAL if self._started.reload_rules else None)
            except queue.Empty:
                request = None
            if request is False:
                return
            before, seen = seen, self._signature()
            if request or seen != before:
                with self._around():
                    self._reload()

    def _signature(self) -> _Signature:
        """What changes when the file does; `None` while it is not there."""
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _reload(self) -> None:
        name = self._started.config
        try:
            read = self._reread()
            # Whatever else has changed waits for a restart, all of it.
            config = replace(self._started, **{name: getattr(read, name) for name in _RELOADED})
            change = self._served.divide(config)
        except StartupError as error:
            say(f"error: {name} was not reloaded, and nothing has changed: {error.message}")
            if error.hint is not None:
                say(f"hint: {error.hint}")
            return
        except Exception:
            say(f"error: {name} was not reloaded, and nothing has changed\n{traceback.format_exc()}")
            return
        lines = change.lines() or ["  nothing has changed"]
        say("\n".join([f"reloaded {name}: {_summary(*change.config)}", *lines]))
        self._warn_of_the_rest(read)

    def _warn_of_the_rest(self, read: Config) -> None:
        changed = [
            f"`{field.name}`"
            for field in fields(Config)
            if field.name not in (*_RELOADED, *_IRRELEVANT)
            and getattr(read, field.name) != getattr(self._started, field.name)
        ]
        if changed:
            say(f"warning: {', '.join(changed)} changed in {self._started.config}: this needs a restart")


def _summary(before: Config, after: Config) -> str:
    changed = [
        f"{name}: {getattr(before, name) or 'none'} → {getattr(after, name) or 'none'}"
        for name in ("fallback", "prefer", "share_by")
        if getattr(before, name) != getattr(after, name)
    ]
    changed += ["share_testers has changed"] if before.share_testers != after.share_testers else []
    count = "1 rule" if len(after.routes) == 1 else f"{len(after.routes)} rules"
    return ", ".join([count, *changed])
