"""The import graph of the Rust crates, read from their text: folders import only what is below them, and circles are small.

Apart from `test_architecture.py`, which reads one file at a time. Here the `use` lines of all files make one graph.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent.parent

# From top to bottom: a folder may import those after it. `docs/architecture.md` says what each one is for.
LAYERS = {
    "src": (
        "fuzzing explain process admin dashboard accept http grip shadow gateway runtime response access_log request net "
        "config metrics rollback log route wire"
    ).split(),
    "bridge/src": "host report call request response pool log pipe process error spare gil_lock latin1".split(),
}

Module = tuple[str, ...]
Graph = dict[Module, set[Module]]


def code_of(path: Path) -> str:
    """The text without tests, strings and comments."""
    text = path.read_text().partition("#[cfg(test)]\nmod tests {")[0]
    text = re.sub(r"""b?'\\?"'""", "'-'", text)
    text = re.sub(r'"(?:\\.|[^"\\])*"', '""', text)
    return re.sub(r"//[^\n]*", "", text)


def names_in(tree: str, prefix: str = "") -> Iterator[str]:
    """`a::{b, c::d}` as `a::b`, `a::c::d`."""
    depth, part, inside = 0, "", ""
    for character in tree + ",":
        if character == "{":
            depth += 1
            if depth == 1:
                continue
        elif character == "}":
            depth -= 1
            if depth == 0:
                yield from names_in(inside, prefix + part)
                part, inside = "", ""
                continue
        if depth:
            inside += character
        elif character == ",":
            if part.strip():
                yield (prefix + part).strip()
            part = ""
        else:
            part += character.strip()


def module_of(root: Path, path: Path) -> Module:
    parts = path.relative_to(root).with_suffix("").parts
    return parts[:-1] if parts[-1] in {"mod", "lib"} else parts


def absolute(name: str, module: Module) -> list[str] | None:
    """The steps from the crate to what a `use` line names; `None` for other crates."""
    steps = re.sub(r"\s+as\s+\w+$", "", name).split("::")
    if steps[0] == "crate":
        return steps[1:]
    if steps[0] == "self":
        return [*module, *steps[1:]]
    outer = list(module)
    while steps and steps[0] == "super":
        outer, steps = outer[:-1], steps[1:]
        if not steps or steps[0] != "super":
            return [*outer, *steps]
    return None


def imports(root: Path) -> Graph:
    """Which file names which other file of the crate."""
    modules = {module_of(root, path): path for path in sorted(root.rglob("*.rs")) if "tests" not in path.stem}
    graph: Graph = {}
    for module, path in modules.items():
        code = code_of(path)
        names = [name for tree in re.findall(r"\buse\s+([^;]*);", code) for name in names_in(tree)]
        names += re.findall(r"\b(?:crate|super)(?:::\w+)+", re.sub(r"\buse\s+[^;]*;", "", code))
        graph[module] = set()
        for name in names:
            steps = absolute(name, module)
            while steps:
                if tuple(steps) in modules:
                    graph[module].add(tuple(steps))
                    break
                steps = steps[:-1]
        graph[module].discard(module)
    return graph


def circles(graph: Graph) -> list[set[Module]]:
    """Files that reach each other, in groups of more than one."""
    reached: dict[Module, set[Module]] = {}
    for start in graph:
        seen, waiting = set(), [start]
        while waiting:
            for found in graph[waiting.pop()] - seen:
                seen.add(found)
                waiting.append(found)
        reached[start] = seen
    groups = {frozenset(other for other in reached[one] if one in reached[other]) for one in graph}
    return [set(group) for group in groups if len(group) > 1]


@pytest.mark.parametrize("crate", LAYERS)
def test_folders_import_only_what_is_below_them(crate: str) -> None:
    layers = LAYERS[crate]
    graph = imports(PROJECT / crate)
    assert {module[0] for module in graph if module} == set(layers)
    upwards = [
        f"{'/'.join(module)} imports {'/'.join(other)}"
        for module, others in graph.items()
        for other in others
        if module and layers.index(other[0]) < layers.index(module[0])
    ]
    assert not upwards


@pytest.mark.parametrize("crate", LAYERS)
def test_circles_are_small(crate: str) -> None:
    found = {" ".join(sorted("/".join(module) for module in circle)) for circle in circles(imports(PROJECT / crate))}
    assert {circle for circle in found if len(circle.split()) > 3} == set()


def test_the_graph_is_read() -> None:
    graph = imports(PROJECT / "src")
    assert ("route",) in graph[("http", "choose")]
    assert ("wire",) in graph[("http", "h1", "reading")]
    assert len(graph) > 150


def test_a_circle_is_found() -> None:
    a, b, c = ("a",), ("b",), ("c",)
    assert circles({a: {b}, b: {c}, c: {a}}) == [{a, b, c}]
    assert circles({a: {b}, b: {c}, c: set()}) == []


@pytest.mark.parametrize("crate", LAYERS)
def test_names_of_types_are_unique(crate: str) -> None:
    """A reader who searches for a type finds one; types in functions and of traits do not count."""
    files: dict[str, list[str]] = {}
    for path in sorted((PROJECT / crate).rglob("*.rs")):
        for name in re.findall(
            r"^(?:pub(?:\([a-z]+\))? )?(?:struct|enum|trait|type) (\w+)", path.read_text(), re.MULTILINE
        ):
            files.setdefault(name, []).append(str(path.relative_to(PROJECT)))
    assert len(files) > 50
    assert {name: where for name, where in files.items() if len(where) > 1} == {}
