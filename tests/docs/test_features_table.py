"""The table of features in the README says of other servers what their packages have.

Each claim that a package can answer is asked here: by its options, its modules or its metadata. The table is about the
versions that it names. With another version installed, the tests are skipped, and the reason says so.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
SERVERS = ["granian", "uvicorn", "gunicorn", "hypercorn", "a2wsgi"]


def table() -> dict[str, dict[str, str]]:
    """The rows of the table, each a claim for each server."""
    lines = [line for line in README.read_text().splitlines() if line.startswith("|")]
    start = next(number for number, line in enumerate(lines) if "Granian" in line)
    head = [cell.strip() for cell in lines[start].strip("|").split("|")]
    names = [cell.split(" ")[0].lower() for cell in head[1:]]
    rows = {}
    for line in lines[start + 2 :]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != len(head):
            break
        rows[cells[0]] = dict(zip(names, cells[1:], strict=True))
    return rows


@cache
def options(server: str) -> str:
    """What `--help` says."""
    ran = subprocess.run(
        [sys.executable, "-m", server, "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    return ran.stdout


def classifiers(package: str) -> str:
    return " ".join(importlib.metadata.metadata(package).get_all("Classifier") or [])


def versions() -> dict[str, str]:
    """The versions that the table names."""
    line = next(line for line in README.read_text().splitlines() if line.startswith("|") and "Granian" in line)
    return {name.lower(): version for name, version in re.findall(r"(\w+) (\d[\d.]*)", line)}


@pytest.fixture(autouse=True)
def same_versions() -> None:
    for name, version in versions().items():
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"needs the package {name}")
        if installed != version:
            pytest.skip(f"the table is about {name} {version}, and {installed} is installed: look again, and change it")


def says(row: str, server: str) -> str:
    return table()[row][server]


def test_the_table_has_all_servers() -> None:
    rows = table()
    assert len(rows) > 10
    assert versions().keys() == set(SERVERS)
    assert all(set(row) == {"rsgi", *SERVERS} for row in rows.values())


def test_interfaces() -> None:
    assert re.search(r"--interface \[asgi.*wsgi\]", options("granian"))
    assert "wsgi" in re.search(r"--interface \[(.*)\]", options("uvicorn"))[1]  # type: ignore[index]
    assert "deprecated" in (find_spec("uvicorn.middleware.wsgi").loader.get_source("uvicorn.middleware.wsgi"))  # type: ignore[union-attr]
    assert says("WSGI", "uvicorn") == "deprecated"
    assert find_spec("gunicorn.workers.gasgi") is not None
    assert find_spec("hypercorn.middleware.dispatcher") is not None
    assert says("WSGI and ASGI on one port", "hypercorn") == "by prefix, in code"


def test_versions_of_http() -> None:
    assert "--http [auto|1|2]" in options("granian")
    assert re.search(r"--http2\s+Enable HTTP/2 support. Requires --http zttp", options("uvicorn"))
    assert find_spec("gunicorn.http2") is not None
    assert "h3" in (importlib.metadata.metadata("hypercorn").get_all("Provides-Extra") or [])
    assert find_spec("hypercorn.protocol.quic") is not None
    for server in ("granian", "uvicorn", "gunicorn"):
        assert not re.search(r"http/?3|quic", options(server), re.IGNORECASE), server
        assert says("HTTP/3", server) == "no"


def test_files_metrics_and_reload() -> None:
    assert "--static-path-mount" in options("granian")
    assert "--metrics-port" in options("granian")
    for server in ("uvicorn", "gunicorn", "hypercorn"):
        assert "--static" not in options(server)
        assert says("static files", server) == "no"
    assert "prometheus" not in options("uvicorn").lower() and "--statsd" not in options("uvicorn")
    for server in ("gunicorn", "hypercorn"):
        assert "--statsd-host" in options(server)
    for server in ("granian", "uvicorn", "gunicorn", "hypercorn"):
        assert "--reload" in options(server)


def test_proxy_protocol() -> None:
    assert "--proxy-protocol" in options("gunicorn")
    for server in ("granian", "uvicorn", "hypercorn"):
        assert "--proxy-protocol" not in options(server)


def test_systems() -> None:
    for server in ("granian", "uvicorn", "hypercorn"):
        assert "Windows" in classifiers(server) or "OS Independent" in classifiers(server)
    assert "Windows" not in classifiers("gunicorn")
    assert "trio" in (importlib.metadata.metadata("hypercorn").get_all("Provides-Extra") or [])


def test_a2wsgi() -> None:
    import a2wsgi

    assert callable(a2wsgi.WSGIMiddleware) and callable(a2wsgi.ASGIMiddleware)
    source = Path(a2wsgi.__file__).parent.joinpath("wsgi.py").read_text()
    assert "websocket.close" in source  # it refuses WebSockets
