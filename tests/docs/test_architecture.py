"""What must stay true of the code's shape, read from its text: layers, names, docstrings, the GIL rule, file sizes.

Apart from the linters because no linter knows these rules; `docs/architecture.md` gives their reasons. Comments and
strings are left out where a word is looked for.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
RUST = sorted([*PROJECT.glob("src/**/*.rs"), *PROJECT.glob("bridge/src/**/*.rs")])
PYTHON = sorted(
    [
        path
        for folder in ("python/rsgi", "tests", "conformance", "faults", "matrix")
        for path in PROJECT.glob(f"{folder}/**/*.py")
    ]
)

LONGEST = 350

# Files that are longer, how long they were when that was agreed, and why they are one file.
LONGER = {
    "python/rsgi/settings/config.py": (985, "the list of all settings, each defined once"),
    "python/rsgi/process/workers/supervisor.py": (355, "the workers, and what every signal does to them"),
    "src/wire/frames.rs": (414, "the frames, and the tests of where their bytes are divided"),
    "src/wire/hpack.rs": (388, "a table of 257 lengths, and the examples of the specification"),
}

# Where Python is called from a thread of ours, and why no request waits for it there.
ATTACHING = {
    "src/process/server.rs": "the I/O thread's last act",
    "src/config/startup_error.rs": "a start-up error becomes an exception",
    "src/admin/shadow.rs": "adds up results, in a supervisor, on a thread of tokio's",
    "bridge/src/host/foreign_loop.rs": "wakes the loop of a foreign host",
    "bridge/src/pool/spare.rs": "starts a spare thread, on a thread made for it",
    "bridge/src/pool/overdue.rs": "looks where a thread hangs, on a thread made for it",
    "bridge/src/request/source.rs": "asks a Python iterator on behalf of the application that reads",
}


def name_of(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def code_of(path: Path) -> str:
    """The text without comments, string literals, and tests, whether they stand at its end or fill it."""
    if path.name == "tests.rs":
        return ""
    text = path.read_text().partition("#[cfg(test)]\nmod tests {")[0]
    text = re.sub(r"""b?'\\?"'""", "'-'", text)
    text = re.sub(r'"(?:\\.|[^"\\])*"', '""', text)
    return re.sub(r"//[^\n]*", "", text)


def files_with(word: str, files: list[Path]) -> set[str]:
    """The files whose code has this word."""
    return {name_of(path) for path in files if re.search(rf"\b{word}\b", code_of(path))}


def test_there_are_files() -> None:
    assert len(RUST) > 40
    assert len(PYTHON) > 40


@pytest.mark.parametrize("path", RUST, ids=name_of)
def test_rust_files_say_what_they_are(path: Path) -> None:
    assert path.read_text().startswith("//! ")


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_python_files_say_what_they_are(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_the_bridge_knows_no_sockets_and_no_runtime() -> None:
    bridge = [path for path in RUST if name_of(path).startswith("bridge/")]
    for word in ("hyper", "tokio", "hyper_util", "tokio_tungstenite", "pyo3_async_runtimes", "TcpStream", "UnixStream"):
        assert not files_with(word, bridge), word
    manifest = (PROJECT / "bridge/Cargo.toml").read_text()
    assert not re.findall(r"^(?:hyper|tokio|pyo3-async|socket2)[\w-]*\s*[.=]", manifest, re.MULTILINE)


def test_tungstenite_stays_in_the_websocket_gateway() -> None:
    named = files_with("(?:tokio_)?tungstenite", RUST)
    assert named
    assert all(name.startswith("src/gateway/websocket") for name in named), named


def test_pyo3_async_runtimes_stays_in_the_event_loop() -> None:
    named = files_with("pyo3_async_runtimes", RUST)
    assert named
    assert all(name.startswith("src/runtime/event_loop/") for name in named), named


def test_the_router_and_the_wire_guard_stand_alone() -> None:
    for folder in ("src/route/", "src/wire/"):
        inside = [path for path in RUST if name_of(path).startswith(folder)]
        own = folder.removeprefix("src/").rstrip("/")
        for path in inside:
            used = set(re.findall(r"\bcrate::(\w+)", code_of(path))) - {own}
            assert not used, f"{name_of(path)} uses {used}"
        # The fields of a request are plain data, wherever they are defined.
        fields = "use rsgi_bridge::request::fields::RequestFields;"
        named = [path for path in inside if "rsgi_bridge" in code_of(path).replace(fields, "")]
        assert not named
        assert own == "route" or not files_with("rsgi_bridge", inside)
        assert not files_with("pyo3", inside)


def test_the_way_of_a_request_to_its_gateway_never_touches_python() -> None:
    names = (
        "accept/protocol",
        "http/h2",
        "net/replayed",
        "http/connection",
        "accept/listener",
        "request/head",
        "request/body",
        "response/app_response",
        "access_log/mod",
        "access_log/format",
        "access_log/line",
        "access_log/writer",
        "request/identity",
        "response/in_flight",
        "log/mod",
        "response/own_fields",
        "response/decision_fields",
        "config/live_shares",
        "log/timestamp",
        "runtime/shutdown",
    )
    files = [PROJECT / f"src/{name}.rs" for name in names]
    assert not files_with("Python|pyo3|Py", files)


def test_python_is_attached_only_where_no_request_waits() -> None:
    assert files_with("Python::(?:attach|try_attach|with_gil)", RUST) == set(ATTACHING)


@pytest.mark.parametrize("path", RUST, ids=name_of)
def test_a_function_that_touches_python_is_not_async(path: Path) -> None:
    for signature in re.findall(r"\basync\s+fn\s+\w+[^{;]*", code_of(path)):
        assert "Python<" not in signature, signature
        assert not re.search(r"\b(?:Bound|Borrowed)<", signature), signature


def test_no_file_is_called_by_a_word_that_says_nothing() -> None:
    banned = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base", "core", "types2"}
    assert not [name_of(path) for path in (*RUST, *PYTHON) if path.stem in banned]


def test_cgi_names_stand_in_one_file() -> None:
    text = {name_of(path) for path in RUST if re.search(r'"(?:PATH_INFO|SCRIPT_NAME|SERVER_NAME)"', path.read_text())}
    assert text == {"bridge/src/request/environ.rs"}


@pytest.mark.parametrize(
    "path",
    [path for path in (*RUST, *PYTHON) if not name_of(path).startswith(("tests/", "conformance/", "faults/"))],
    ids=name_of,
)
def test_files_stay_short_enough_to_read(path: Path) -> None:
    length = len(path.read_text().splitlines())
    agreed, _ = LONGER.get(name_of(path), (LONGEST, ""))
    most = LONGEST if agreed == LONGEST else agreed * 11 // 10
    assert length <= most, f"{length} lines; split it, or list it in LONGER with a reason"


def test_exceptions_are_still_needed() -> None:
    for name in LONGER:
        assert (PROJECT / name).exists(), name
        assert len((PROJECT / name).read_text().splitlines()) > LONGEST, f"{name} is short again: take it off the list"
