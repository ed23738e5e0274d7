"""The pytest plugin, in projects of its users: each test here writes a project and runs pytest in it.

The applications are real ones of Flask, FastAPI and Django. Apart from `test_testing_docs.py`, which runs the page.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

OLD = """
import flask, threading
app = flask.Flask(__name__)
GREETING = "hello"

@app.get("/about")
def about():
    return {"from": "flask", "says": GREETING, "thread": threading.current_thread().name}

@app.post("/echo")
def echo():
    return flask.request.get_data()

@app.get("/users/<int:id>")
def user(id):
    return {"from": "flask", "id": id}

@app.get("/broken")
def broken():
    raise RuntimeError("the old one is broken")
"""

NEW = """
import contextlib, fastapi, os, pathlib, starlette.responses
STARTED = []

@contextlib.asynccontextmanager
async def lifespan(app):
    STARTED.append("startup")
    yield {"ready": True}
    pathlib.Path(os.environ.get("ENDED", os.devnull)).write_text("shutdown")

app = fastapi.FastAPI(lifespan=lifespan)

@app.get("/users/{id}")
async def user(id: int, request: fastapi.Request):
    return {"from": "fastapi", "id": id, "ready": request.state.ready}

@app.get("/stream")
async def stream():
    async def pieces():
        for number in range(3):
            yield f"{number}\\n"
    return starlette.responses.StreamingResponse(pieces())

@app.get("/fails")
async def fails():
    raise RuntimeError("the new one is broken")
"""

BOTH = "rsgi_args = --wsgi old:app --asgi new:app"


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with two applications."""
    for name in ("PYTEST_ADDOPTS", "RSGI_WSGI", "RSGI_ASGI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "0")
    pytester.makepyfile(old=OLD, new=NEW)
    return pytester


def run(project: pytest.Pytester, ini: str, test: str, *options: str) -> pytest.RunResult:
    """Run one file of tests, with every warning as an error: nothing may be left open."""
    project.makeini(f"[pytest]\nfilterwarnings = error\n{ini}\n")
    project.makepyfile(test_it=test)
    return project.runpytest_subprocess("-p", "no:cacheprovider", *options, timeout=120)


def test_both_applications_answer_through_the_router_in_this_process(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = project.path / "ended"
    monkeypatch.setenv("ENDED", str(ended))
    test = """
        import new, old

        def test_each_gets_its_own(rsgi_client):
            assert rsgi_client.get("/users/7").json() == {"from": "fastapi", "id": 7, "ready": True}
            assert rsgi_client.get("/about").json()["from"] == "flask"
            assert rsgi_client.delete("/users/7").status_code == 405
            assert rsgi_client.get("/nowhere").status_code == 404
            assert rsgi_client.post("/echo", content=b"x" * 3_000_000).content == b"x" * 3_000_000
            assert new.STARTED == ["startup"]

        def test_parts_can_be_replaced(rsgi_client, monkeypatch):
            monkeypatch.setattr(old, "GREETING", "good morning")
            answer = rsgi_client.get("/about").json()
            assert answer["says"] == "good morning"
            assert answer["thread"].startswith("rsgi-wsgi-")
            assert new.STARTED == ["startup"]

        def test_cookies_are_not_shared(rsgi_client):
            assert not rsgi_client.cookies
    """
    run(project, BOTH, test).assert_outcomes(passed=3)
    assert ended.read_text() == "shutdown"


def test_the_async_client_works_under_any_plugin_and_streams(project: pytest.Pytester) -> None:
    test = """
        import pytest

        @pytest.mark.anyio
        @pytest.mark.parametrize("anyio_backend", ["asyncio", pytest.param("trio", marks=TRIO)])
        async def test_it(rsgi_async_client, anyio_backend):
            answer = await rsgi_async_client.get("/users/7")
            assert answer.json()["from"] == "fastapi"
            answer = await rsgi_async_client.post("/echo", content=b"abc")
            assert answer.content == b"abc"
            async with rsgi_async_client.stream("GET", "/stream") as answer:
                assert [line async for line in answer.aiter_lines()] == ["0", "1", "2"]
    """.replace("TRIO", "pytest.mark.skipif(__import__('importlib').util.find_spec('trio') is None, reason='no trio')")
    outcomes = run(project, BOTH, test).parseoutcomes()
    assert outcomes["passed"] + outcomes.get("skipped", 0) == 2
    assert "failed" not in outcomes


def test_rules_shares_probing_and_files_decide_as_in_production(project: pytest.Pytester) -> None:
    (project.path / "files").mkdir()
    (project.path / "files/a.txt").write_text("a file")
    test = """
        import pytest

        ARGS = "--wsgi old:app --asgi new:app"

        @pytest.mark.rsgi(ARGS + " --route '/users/{id}=wsgi'")
        def test_a_rule(rsgi_client):
            assert rsgi_client.get("/users/7").json()["from"] == "flask"

        @pytest.mark.rsgi("--wsgi", "old:app", "--asgi", "new:app", "--route", "/users/{id}=asgi:50%", "--prefer", "wsgi")
        def test_a_share(rsgi_client):
            rsgi_client.cookies.set("rsgi_bucket", "4999")
            assert rsgi_client.get("/users/7").json()["from"] == "fastapi"
            rsgi_client.cookies.set("rsgi_bucket", "5000")
            assert rsgi_client.get("/users/7").json()["from"] == "flask"

        @pytest.mark.rsgi(ARGS + " --fallback probe --served-by --static /files=files")
        def test_probing(rsgi_client):
            answer = rsgi_client.get("/about")
            assert (answer.json()["from"], answer.headers["x-served-by"]) == ("flask", "old:app")
            assert rsgi_client.get("/files/a.txt").text == "a file"

        @pytest.fixture
        def rsgi_args(request):
            marker = request.node.get_closest_marker("rsgi")
            return "--wsgi old:app" if marker is None else list(marker.args) if len(marker.args) > 1 else marker.args[0]

        def test_a_fixture_says_it(rsgi_client):
            assert rsgi_client.get("/users/7").json()["from"] == "flask"
            assert rsgi_client.get("/stream").status_code == 404
    """
    run(project, "", test).assert_outcomes(passed=4)


def test_a_configuration_file_is_read_and_what_is_not_for_tests_is_left_out(project: pytest.Pytester) -> None:
    project.path.joinpath("rsgi.toml").write_text(
        'workers = 4\nadmin = "127.0.0.1:9090"\nport = 9\npid_file = "/nowhere/pid"\nrecord = "/nowhere/file"\n'
        '[apps.old]\nwsgi = "old:app"\n[apps.new]\nasgi = "new:app"\n'
        '[[routes]]\npath = "/users/{id}"\napp = "old"\n[[shadow]]\nprefix = "/users"\nto = "new"\nsample = "100%"\n'
    )
    test = """
        def test_it(rsgi_client):
            assert rsgi_client.get("/users/7").json()["from"] == "flask"
            assert rsgi_client.get("/stream").text == "0\\n1\\n2\\n"
    """
    run(project, "", test).assert_outcomes(passed=1)


def test_a_server_of_its_own_shows_its_log_when_a_test_fails(project: pytest.Pytester) -> None:
    test = """
        import httpx

        def test_passes(rsgi_server):
            assert rsgi_server.url.startswith("http://127.0.0.1:")
            assert rsgi_server.admin_url.startswith("http://127.0.0.1:")
            assert httpx.get(rsgi_server.url + "/users/1").json()["from"] == "fastapi"

        def test_fails(rsgi_server):
            assert httpx.get(rsgi_server.url + "/fails").status_code == 200

        def test_fails_without_it():
            assert False
    """
    result = run(project, f"{BOTH} --workers 2 --admin 127.0.0.1:0", test)
    result.assert_outcomes(passed=1, failed=2)
    text = result.stdout.str()
    assert text.count("Captured rsgi_server call") == 1
    shown = text.partition("Captured rsgi_server call")[2]
    assert "RuntimeError: the new one is broken" in shown
    assert "listening on" not in shown, "that is older than the test"


def test_an_exception_of_an_application_in_this_process_is_shown(project: pytest.Pytester) -> None:
    test = """
        def test_old(rsgi_client):
            assert rsgi_client.get("/broken").status_code == 200

        def test_new(rsgi_client):
            assert rsgi_client.get("/fails").status_code == 200
    """
    result = run(project, BOTH, test)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*the old one is broken*"])
    result.stdout.fnmatch_lines(["*the new one is broken*"])


MISTAKES = {
    "": "`rsgi_args` names no application",
    "--wsgi nowhere:app": "no module named",
    "--wsgi old:app --port 8000": "tests use a free port, so `--port` cannot be used",
    "--wsgi old:app --tpyo": "--tpyo",
    "--asgi stopped:app": "the startup of `stopped:app` failed: no database",
    "--wsgi old:app --workers 0": "workers",
}


def test_mistakes_are_said_in_words(project: pytest.Pytester) -> None:
    project.makepyfile(
        stopped="""
        async def app(scope, receive, send):
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no database"})
        """
    )
    test = f"""
        import pytest

        @pytest.fixture(params={list(MISTAKES)!r})
        def rsgi_args(request):
            return request.param

        def test_in_process(rsgi_client):
            pass

        def test_process(rsgi_server):
            pass
    """
    result = run(project, "", test)
    result.assert_outcomes(errors=2 * len(MISTAKES))
    text = result.stdout.str()
    for arguments, said in MISTAKES.items():
        assert text.count(f"rsgi serve {arguments}: ") >= 2
        assert said in text
    assert text.count("hint: ") >= 2 * len(MISTAKES)
    assert "no database" in text
    assert "pytest.fail" not in text


def test_a_django_project_with_a_database_is_one_application_of_both_kinds(project: pytest.Pytester) -> None:
    project.mkdir("site_")
    project.makepyfile(
        **{
            "site_/__init__": "",
            "site_/settings": """
                SECRET_KEY = "x"
                ROOT_URLCONF = "site_.urls"
                ALLOWED_HOSTS = ["*"]
                DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
                USE_TZ = True
            """,
            "site_/urls": """
                from django.http import JsonResponse
                from django.db import connection
                from django.urls import path

                def count(request):
                    with connection.cursor() as cursor:
                        cursor.execute("select 6 * 7")
                        kind = type(request).__name__
                        return JsonResponse({"answer": cursor.fetchone()[0], "request": kind})

                urlpatterns = [path("count/", count), path("reports/count/", count)]
            """,
            "site_/both": """
                import os
                os.environ["DJANGO_SETTINGS_MODULE"] = "site_.settings"
                from django.core.asgi import get_asgi_application
                from django.core.wsgi import get_wsgi_application
                wsgi, asgi = get_wsgi_application(), get_asgi_application()
            """,
        }
    )
    test = """
        def test_it(rsgi_client):
            assert rsgi_client.get("/count/").json() == {"answer": 42, "request": "WSGIRequest"}
            assert rsgi_client.get("/reports/count/").json() == {"answer": 42, "request": "ASGIRequest"}
    """
    arguments = "--wsgi site_.both:wsgi --asgi site_.both:asgi --route '/reports/{rest:path}=asgi'"
    run(project, f"rsgi_args = {arguments}", test).assert_outcomes(passed=1)


def test_a_project_without_these_fixtures_imports_nothing(project: pytest.Pytester) -> None:
    test = """
        import sys

        def test_it():
            loaded = {name for name in sys.modules if name.partition(".")[0] in ("rsgi", "click", "httpx", "flask")}
            assert loaded == {"rsgi", "rsgi.testing", "rsgi.testing.plugin"}
    """
    run(project, BOTH, test).assert_outcomes(passed=1)


def test_help_shows_the_setting_and_the_marker() -> None:
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null", "--help"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "rsgi_args (args)" in said
