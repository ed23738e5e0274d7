"""The banner and `rsgi check` say how many database connections the settings can need: of Django, and of SQLAlchemy.

No database runs here. Nothing connects, because only settings and engines count.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rsgi.apps.databases import default_executor_threads
from server import Server

DJANGO = """
import os
import django
from django.conf import settings
OPTIONS = eval(os.environ.get("DB_OPTIONS", "{}"))
ENGINE = os.environ.get("DB_ENGINE", "django.db.backends.postgresql")
settings.configure(
    SECRET_KEY="x", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], USE_TZ=True,
    DATABASES={"default": {"ENGINE": ENGINE, "NAME": "shop", "PASSWORD": "s3cret", **OPTIONS}},
)
urlpatterns = []
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
wsgi, asgi = get_wsgi_application(), get_asgi_application()
"""

ENGINES = """
import os
from sqlalchemy import create_engine
def make():
    engine = create_engine("postgresql+psycopg://ada:s3cret@db.example/shop", **eval(os.environ.get("DB_OPTIONS", "{}")))
    files = create_engine("sqlite://")
    def app(environ, start_response):
        start_response("200 OK", [])
        return [str(engine), str(files)]
    return app
"""

ASGI = "async def app(scope, receive, send):\n    pass\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in (("site_both", DJANGO), ("engines", ENGINES), ("plain", ASGI)):
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


def check(project: Path, *arguments: str, **variables: str) -> list[str]:
    """The lines about databases."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RSGI_", "DJANGO_"))}
    command = [sys.executable, "-m", "rsgi", "check", *arguments]
    ended = subprocess.run(
        command, cwd=project, env=environment | variables, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "s3cret" not in ended.stdout
    return [line.strip() for line in ended.stdout.splitlines() if "database:" in line]


def settings_file(project: Path, text: str) -> None:
    (project / "rsgi.toml").write_text(text)


def test_django_needs_one_connection_for_each_thread(project: Path) -> None:
    pytest.importorskip("django")
    settings_file(project, "wsgi_threads = 6\nworkers = 2\n")
    line = "database: up to 12 connections to `default` (postgresql): 6 WSGI threads x 2 workers"
    assert check(project, "--wsgi", "site_both:wsgi") == [line]
    kept = check(project, "--wsgi", "site_both:wsgi", DB_OPTIONS="{'CONN_MAX_AGE': 60}")
    assert kept == [f"{line}, kept open for 60 s"]
    executor = default_executor_threads()
    both = check(project, "--wsgi", "site_both:wsgi", "--asgi", "/x=plain:app")
    made = f"(6 WSGI threads + {executor} executor threads) x 2 workers"
    assert both == [f"database: up to {12 + 2 * executor} connections to `default` (postgresql): {made}"]


def test_django_s_asgi_handler_has_no_limit_but_that_of_requests(project: Path) -> None:
    pytest.importorskip("django")
    unlimited = check(project, "--asgi", "site_both:asgi")
    why = "Django's ASGI handler opens one for each running request; --limit-concurrency limits them"
    assert unlimited == [f"database: any number of connections to `default` (postgresql): {why}"]
    settings_file(project, "limit_concurrency = 50\n")
    executor = default_executor_threads()
    made = f"{executor} executor threads + 50 ASGI requests"
    limited = check(project, "--asgi", "site_both:asgi")
    assert limited == [f"database: up to {50 + executor} connections to `default` (postgresql): {made}"]
    settings_file(project, "wsgi_threads = 3\n")
    halves = check(project, "--wsgi", "site_both:wsgi", "--asgi", "site_both:asgi", "--fallback", "table")
    assert halves[0].startswith("database: any number")


def test_a_pool_of_django_counts_instead_of_threads(project: Path) -> None:
    pytest.importorskip("django", minversion="5.1")
    settings_file(project, "workers = 3\n")
    for given, most in (("True", 4), ("{'max_size': 7}", 7), ("{'min_size': 2}", 2)):
        found = check(project, "--wsgi", "site_both:wsgi", DB_OPTIONS=f"{{'OPTIONS': {{'pool': {given}}}}}")
        line = f"database: up to {3 * most} connections to `default` (postgresql): the pool has {most} x 3 workers"
        assert found == [line]


def test_engines_of_sqlalchemy_have_a_pool(project: Path) -> None:
    pytest.importorskip("sqlalchemy")
    name = "`db.example/shop` (postgresql, an engine of SQLAlchemy)"
    found = check(project, "--wsgi", "engines:make()")
    assert found == [f"database: up to 15 connections to {name}: pool_size 5 + max_overflow 10"]
    settings_file(project, "workers = 4\n")
    found = check(project, "--wsgi", "engines:make()", DB_OPTIONS="{'pool_size': 2, 'max_overflow': 1}")
    assert found == [f"database: up to 12 connections to {name}: (pool_size 2 + max_overflow 1) x 4 workers"]
    found = check(project, "--wsgi", "engines:make()", DB_OPTIONS="{'max_overflow': -1}")
    assert found[0].startswith(f"database: any number of connections to {name}")


def test_sqlite_and_no_database_say_nothing(project: Path) -> None:
    pytest.importorskip("django")
    assert check(project, "--wsgi", "site_both:wsgi", DB_ENGINE="django.db.backends.sqlite3") == []
    assert check(project, "--asgi", "plain:app") == []


def test_the_banner_says_it_too(project: Path, start: Callable[..., Server]) -> None:
    pytest.importorskip("sqlalchemy")
    server = start("--wsgi", "engines:make()", "--app-dir", str(project), "--workers", "2", folder=project)
    assert "  database: up to 30 connections to `db.example/shop` (postgresql" in server.log()
    assert "s3cret" not in server.log()
