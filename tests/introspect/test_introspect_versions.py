"""FastAPI's routes, read from several of its versions: the flat list of old, and the nested routers from 0.137 on.

Apart from the other readers' tests because each version is installed from PyPI into a folder of its own, which takes a while
and a network; without one these tests are skipped.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

APP = """
from fastapi import APIRouter, FastAPI, WebSocket

app, outer, inner = FastAPI(docs_url=None, redoc_url=None, openapi_url=None), APIRouter(prefix="/outer"), APIRouter()


@app.get("/plain/{number:int}")
async def plain(number: int): ...


@inner.post("/deep/{name}")
async def deep(name: str): ...


@inner.websocket("/socket")
async def socket(websocket: WebSocket): ...


outer.include_router(inner, prefix="/inner")
app.include_router(outer, prefix="/v1")
app.include_router(inner, prefix="/v2")
"""

PRINT = """
import sys
from rsgi.routing.introspect import read_table
from nested import app

table = read_table(app)
print(table.framework, table.complete)
for route in table.routes:
    print(route.kind, ",".join(route.methods or ("*",)), route.path)
"""

EXPECTED = """\
FastAPI True
http GET /plain/{number:int}
http POST /v1/outer/inner/deep/{name}
websocket * /v1/outer/inner/socket
http POST /v2/deep/{name}
websocket * /v2/socket
"""


@pytest.mark.parametrize("version", ["0.110.3", "0.115.14", "0.137.2"])
def test_routes_of_fastapi(version: str, tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(packages)]
    done = subprocess.run([*pip, f"fastapi=={version}"], capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        pytest.skip(f"the package fastapi {version} cannot be installed here: {done.stderr.strip()[-200:]}")
    (tmp_path / "nested.py").write_text(APP)
    path = os.pathsep.join([str(tmp_path), str(packages)])
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PRINT],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout == EXPECTED
