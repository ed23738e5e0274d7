"""Writes route tables as lines that a test can compare, and reads those of apps that need a process of their own.

Apart from the tests because each framework has its own test file.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rsgi.routing.introspect import Route, RouteTable, read_table
from server import APPS

_CHILD = """
import importlib, sys
sys.path[:0] = [{apps!r}, {tests!r}]
from route_lines import lines, table
module, _, name = {target!r}.partition(":")
found = table(getattr(importlib.import_module(module), name))
print(found.framework, found.complete, found.why, sep="\\n")
print(*lines(found), sep="\\n")
"""


def table(app: object) -> RouteTable:
    """The table of `app`, which has to have one."""
    found = read_table(app)
    assert found is not None
    return found


def lines(found: RouteTable) -> list[str]:
    """Each route as `KIND METHODS HOST/PATH [opaque] name defined`, then the templates where they say more."""
    return [line for route in found.routes for line in _lines(route)]


def _lines(route: Route) -> list[str]:
    methods = "*" if route.methods is None else ",".join(route.methods)
    opaque = "opaque " if route.opaque else ""
    head = f"{route.kind} {methods} {route.host or ''}{route.path} {opaque}{route.name or '-'} {route.defined}"
    return [head, *(f"  {template}" for template in route.templates)]


def read_in_child(target: str) -> tuple[list[str], list[str]]:
    """Framework, completeness and reason, and the lines, of an app that is imported in another process."""
    tests = str(Path(__file__).parent)
    program = _CHILD.format(apps=str(APPS), tests=tests, target=target)
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    response = ended.stdout.splitlines()
    return response[:3], [line for line in response[3:] if line]
