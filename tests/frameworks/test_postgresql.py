"""Persistent database connections to a real PostgreSQL: as many as there are WSGI threads, however many requests come.

Apart from the same test with SQLite because here the database itself counts, and because Debian's package is needed. The
cluster is this test's own, over a Unix socket, and ends with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server import start_rsgi
from wire import get

EXAMPLE = Path(__file__).parents[2] / "examples/django_channels"

SETTINGS = """
from project.settings import *

DATABASES["default"] = {{
    "ENGINE": "django.db.backends.postgresql",
    "NAME": "postgres",
    "USER": "shop",
    "HOST": {socket!r},
    "CONN_MAX_AGE": None,
}}
"""


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("the package postgresql is not installed")
    return found[-1].parent


@pytest.fixture(scope="module")
def socket_folder() -> Iterator[Path]:
    """A running cluster; the folder of its socket."""
    psycopg = pytest.importorskip("psycopg", reason="the package psycopg is not installed")
    programs = _programs()
    # PostgreSQL refuses to run as root; Debian's package makes a user for it.
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="rsgi-pg-", dir="/tmp") as name:
        folder = Path(name)
        if user:
            shutil.chown(folder, user)
        folder.chmod(0o755)

        def run(*command: str) -> None:
            done = subprocess.run(command, user=user, cwd="/", capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done.stderr

        run(str(programs / "initdb"), "--auth=trust", "--username=shop", "--no-sync", "-D", str(folder / "data"))
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        control = str(programs / "pg_ctl")
        log = str(folder / "log")
        run(control, "start", "--wait", "-D", str(folder / "data"), "-l", log, "-o", options)
        try:
            psycopg.connect(host=str(folder), user="shop", dbname="postgres").close()
            yield folder
        finally:
            run(control, "stop", "--wait", "--mode=immediate", "-D", str(folder / "data"))


def test_connections_stay_at_the_number_of_wsgi_threads(
    socket_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    folder = tmp_path / "shop"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3"))
    (folder / "postgresql_settings.py").write_text(SETTINGS.format(socket=str(socket_folder)))
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "postgresql_settings")
    migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(migrate, cwd=folder, check=True, timeout=60, capture_output=True)
    targets = ("--wsgi", "project.wsgi:application", "--asgi", "project.asgi:application")
    server = start_rsgi(*targets, "--wsgi-threads", "3", folder=folder)
    try:
        for _ in range(2):
            with ThreadPoolExecutor(8) as pool:
                responses = list(pool.map(lambda _: get(server, "/products/2/"), range(60)))
            assert {response.json()["name"] for response in responses} == {"Chair"}
            with psycopg.connect(host=str(socket_folder), user="shop", dbname="postgres") as connection:
                counted = connection.execute(
                    "select count(*) from pg_stat_activity where backend_type = 'client backend'"
                    " and pid <> pg_backend_pid()"
                ).fetchone()
            assert counted is not None
            assert 1 <= counted[0] <= 3
            assert get(server, "/connections/").json()["opened"] <= 3
    finally:
        server.stop()
