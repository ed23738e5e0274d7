"""The order of the Python packages: each imports only those before it, and no more than three files import each other.

Apart from `test_architecture.py` because these rules are about imports. Imports inside of functions and those for type
checkers count as well.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "python" / "rsgi"

# From the bottom to the top. A module belongs to the longest name that it begins with.
LAYERS = (
    "rsgi._rsgi",
    "rsgi._types",
    "rsgi.errors",
    "rsgi.handled_signals",
    "rsgi.compare",
    "rsgi.observe",
    "rsgi.apps",
    "rsgi.settings",
    "rsgi.migrate",
    "rsgi.bridge",
    "rsgi.routing.introspect",
    "rsgi.routing",
    "rsgi.routing.coverage",
    "rsgi.dashboard",
    "rsgi.history",
    "rsgi.process.system",
    "rsgi.process",
    "rsgi.process.workers",
    "rsgi.process.entry",
    "rsgi.process.embedding",
    "rsgi.cli",
    "rsgi.__main__",
)
# What users import: it names what it gives them, from every layer.
FACADE = "rsgi"
LARGEST_CIRCLE = 3


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
MODULES = {*FILES, "rsgi._rsgi"}


def imports_in(text: str) -> set[str]:
    """The modules of the package that a module with this text imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            source = node.module or ""
            found |= {full if (full := f"{source}.{alias.name}") in MODULES else source for alias in node.names}
    return found & MODULES


GRAPH = {name: imports_in(path.read_text()) - {name} for name, path in FILES.items()}


def layer_of(name: str) -> int | None:
    """The place of a module in `LAYERS`; `None` when it has none."""
    fitting = [layer for layer in LAYERS if f"{name}.".startswith(f"{layer}.")]
    return LAYERS.index(max(fitting, key=len)) if fitting else None


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """The largest sets of modules in which each reaches each other."""
    reached = {name: {name} for name in graph}
    for _ in graph:
        grown = {name: there.union(*(graph.get(each, ()) for each in there)) for name, there in reached.items()}
        if grown == reached:
            break
        reached = grown
    found = {frozenset(other for other in reached[name] if name in reached.get(other, ())) for name in graph}
    return [set(circle) for circle in found if len(circle) > 1]


def test_imports_of_every_form_are_seen() -> None:
    text = """
from typing import TYPE_CHECKING
import rsgi.errors
from rsgi import _rsgi
from rsgi.settings.config import Config
if TYPE_CHECKING:
    from rsgi.routing.plan import Plan
def late():
    from rsgi.process import serving
"""
    seen = {"rsgi.errors", "rsgi._rsgi", "rsgi.settings.config", "rsgi.routing.plan", "rsgi.process.serving"}
    assert imports_in(text) == seen
    below = ["rsgi.process.serving", "rsgi.process.workers.worker", "rsgi.process.entry"]
    assert [LAYERS[layer_of(name) or 0] for name in below] == [
        "rsgi.process",
        "rsgi.process.workers",
        "rsgi.process.entry",
    ]
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}) == [{"a", "b", "c"}]


def test_every_layer_has_modules() -> None:
    assert {layer_of(name) for name in MODULES - {FACADE}} == set(range(len(LAYERS)))


@pytest.mark.parametrize("name", sorted(FILES.keys() - {FACADE}))
def test_imports_never_point_back(name: str) -> None:
    own = layer_of(name)
    assert own is not None
    back = {other for other in GRAPH[name] if (layer := layer_of(other)) is None or layer > own}
    assert not back, f"{name} is below {', '.join(sorted(back))}, which it imports"


def test_few_files_import_each_other() -> None:
    assert max(map(len, circles(GRAPH)), default=0) <= LARGEST_CIRCLE, circles(GRAPH)
