"""`rsgi_wsgi_app`, below the test clients of Flask (Werkzeug), Django and WebTest.

The recipe `docs/recipes/tests.md` is run by `test_recipes.py`. Here is what it does not show, and its client for Django.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

RECIPE = Path(__file__).parents[2] / "docs/recipes/tests.md"

OLD = """
import flask
app = flask.Flask(__name__)

@app.route("/echo/<path:path>", methods=["GET", "PUT"])
def echo(path):
    response = flask.jsonify(
        method=flask.request.method, path=path, args=flask.request.args, body=flask.request.get_data(as_text=True),
        kind=flask.request.content_type, host=flask.request.host, scheme=flask.request.scheme,
        said=flask.request.headers.get("X-Said"),
    )
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    response.headers["X-Words"] = "caf\\xe9"
    return response
"""

NEW = """
import fastapi
app = fastapi.FastAPI()

@app.get("/new")
async def new(request: fastapi.Request):
    return {"cookies": request.cookies, "accept-encoding": request.headers.get("accept-encoding")}
"""

DJANGO = """
import django.conf, django.core.wsgi, django.http, django.urls
django.conf.settings.configure(
    ROOT_URLCONF=__name__, SECRET_KEY="x", ALLOWED_HOSTS=["testserver"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
)

def add(request):
    request.session["books"] = [*request.session.get("books", []), request.POST["book"]]
    return django.http.JsonResponse({"books": request.session["books"]})

urlpatterns = [django.urls.path("basket/", add)]
app = django.core.wsgi.get_wsgi_application()
"""


def run(pytester: pytest.Pytester, arguments: str, test: str) -> pytest.RunResult:
    # WebOb, below WebTest, imports `cgi`, which Python 3.11 and 3.12 warn about.
    warnings = "filterwarnings =\n    error\n    ignore:'cgi' is deprecated:DeprecationWarning"
    pytester.makeini(f"[pytest]\n{warnings}\nrsgi_args = {arguments}\n")
    pytester.makepyfile(test_it=test)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", timeout=120)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    for name in ("PYTEST_ADDOPTS", "RSGI_WSGI", "RSGI_ASGI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "0")
    pytester.makepyfile(old=OLD, new=NEW, site=DJANGO)
    return pytester


def test_what_a_client_says_arrives_and_what_both_answer_comes_back(project: pytest.Pytester) -> None:
    test = """
        from werkzeug.test import Client

        def test_it(rsgi_wsgi_app):
            client = Client(rsgi_wsgi_app)
            answer = client.put(
                "/echo/caf%C3%A9%20%2B/x?q=1&q=%26", data="b\\xe9" * 70000, content_type="text/plain; charset=utf-8",
                headers={"X-Said": "yes"}, base_url="https://shop.test:8443",
            )
            said = answer.json
            assert (said["method"], said["path"], said["args"]) == ("PUT", "caf\\xe9 +/x", {"q": "1"})
            assert (said["body"], said["kind"]) == ("b\\xe9" * 70000, "text/plain; charset=utf-8")
            assert (said["host"], said["scheme"], said["said"]) == ("shop.test:8443", "https", "yes")
            assert answer.headers["X-Words"] == "caf\\xe9"
            client = Client(rsgi_wsgi_app)
            answer = client.get("/echo/x")
            assert answer.headers.getlist("Set-Cookie") == ["a=1; Path=/", "b=2; Path=/"]
            assert answer.json["scheme"] == "http"
            assert client.get("/new").json == {"cookies": {"a": "1", "b": "2"}, "accept-encoding": None}
            head = client.head("/echo/x")
            assert (head.status_code, head.data, int(head.headers["Content-Length"]) > 50) == (200, b"", True)
            assert client.post("/new").status_code == 404
    """
    run(project, "--wsgi old:app --asgi new:app --trust-proxy 127.0.0.1", test).assert_outcomes(passed=1)


@pytest.mark.skipif(find_spec("webtest") is None, reason="needs WebTest (pip install webtest)")
def test_webtest(project: pytest.Pytester) -> None:
    test = """
        from webtest import TestApp

        def test_it(rsgi_wsgi_app):
            client = TestApp(rsgi_wsgi_app)
            client.get("/echo/x", status=200)
            assert client.get("/new").json["cookies"] == {"a": "1", "b": "2"}
            client.get("/nowhere", status=404)
    """
    run(project, "--wsgi old:app --asgi new:app", test).assert_outcomes(passed=1)


def test_the_django_client_of_the_recipe(project: pytest.Pytester) -> None:
    found = re.search(r"^```python\n# django_client.py\n(.*?)^```$", RECIPE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    project.makeconftest(f"import django_site\n{found[1]}")
    (project.path / "site.py").rename(project.path / "django_site.py")
    test = """
        def test_a_session_is_kept(client):
            assert client.post("/basket/", {"book": "7"}).json() == {"books": ["7"]}
            answer = client.post("/basket/", {"book": "8"})
            assert answer.json() == {"books": ["7", "8"]}
            assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
            assert answer.resolver_match.route == "basket/"

        def test_new_routes_are_there(client):
            assert client.get("/new").json()["cookies"] == {}
            assert client.get("/nowhere/").status_code == 404
    """
    run(project, "--wsgi django_site:app --asgi new:app", test).assert_outcomes(passed=2)
