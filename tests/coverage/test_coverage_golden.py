"""The map of a migration for every framework whose routes can be read: the whole of it, as it is printed.

Apart from the tests of the map's parts because here nothing is picked out: a change in a reader, in the router, or in
what is printed shows as a difference. `UPDATE_GOLDEN=1` writes the maps anew; they are to be read before they are committed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server import APPS

GOLDEN = Path(__file__).parent / "golden"

PAIRS = {
    "flask-fastapi": ("flask", "fastapi", "flask_app:app", "fastapi_app:app"),
    "flask-quart": ("flask", "quart", "flask_everything_app:app", "quart_app:app"),
    "bottle-litestar": ("bottle", "litestar", "bottle_app:app", "litestar_app:app"),
    "pyramid-starlette": ("pyramid", "starlette", "pyramid_app:app", "starlette_app:app"),
    "falcon-falcon": ("falcon", "falcon", "falcon_app:wsgi", "falcon_app:app"),
    "django-fastapi": ("django", "fastapi", "django_site:wsgi", "fastapi_app:app"),
    "flask-channels": ("flask", "channels", "flask_app:app", "django_app:asgi"),
}


@pytest.mark.parametrize("name", PAIRS)
def test_the_whole_map(name: str) -> None:
    first, second, wsgi, asgi = PAIRS[name]
    for framework in (first, second):
        pytest.importorskip(framework, reason=f"the package {framework} is not installed")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("RSGI_", "COLUMNS"))}
    command = [sys.executable, "-W", "ignore", "-m", "rsgi", "routes", "--wsgi", wsgi, "--asgi", asgi]
    done = subprocess.run(
        command,
        cwd=APPS,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    printed = "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(printed, encoding="utf-8")
    assert printed == golden.read_text(encoding="utf-8")
