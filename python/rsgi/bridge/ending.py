"""Ends WSGI calls that still run when the interpreter ends.

Under a foreign server, nobody else waits for the threads of the pool. If a thread returns to Python while the interpreter
shuts down, the process crashes.
"""

from __future__ import annotations

import atexit
import ctypes
import sys
import threading
import time
import weakref

from rsgi._rsgi import WsgiPool

# How long calls may take to see that their clients have gone, and then to see `SystemExit`, in seconds each.
_TIMEOUT = 0.5

_pools: weakref.WeakSet[WsgiPool] = weakref.WeakSet()
_registering = threading.Lock()
_registered = False


def end_calls_at_exit(pool: WsgiPool) -> None:
    """See that no call of `pool` runs Python code when the interpreter is taken down."""
    global _registered
    with _registering:
        _pools.add(pool)
        if not _registered:
            _registered = True
            atexit.register(_end_calls)


def _end_calls() -> None:
    if _idle_within(_TIMEOUT):
        return
    # A call that runs Python code gets `SystemExit` at its next instruction. One that waits inside C code gets it when
    # that returns, and the process is gone by then.
    for thread in {thread for pool in _pools for thread in pool.busy_threads()}:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(SystemExit))
    if not _idle_within(_TIMEOUT):
        count = sum(pool.running for pool in _pools)
        print(f"rsgi: warning: {count} WSGI calls were still running at the end", file=sys.stderr)


def _idle_within(seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(pool.running for pool in _pools):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.005)
    return True
