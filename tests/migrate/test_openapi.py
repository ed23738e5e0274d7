"""`rsgi openapi`: one document for both applications, which says of each operation who answers it.

Apart from the tests of the map because here it is the text that matters; FastAPI's own model of OpenAPI reads it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.openapi.models import OpenAPI

from commands import STEPS, run

OLD = '''
from functools import wraps

from flask import Flask
from flask.views import MethodView

app = Flask(__name__)


def login_required(view):
    @wraps(view)
    def guarded(*arguments, **values):
        return view(*arguments, **values)

    return guarded


@app.get("/users/<int:number>")
def user(number):
    """Not to be seen: it has moved."""


@app.delete("/users/<int:number>")
@login_required
def delete_user(number):
    """Remove a user.

    Its orders stay.
    """


@app.get("/files/<path:name>")
def file(name):
    ...


@app.get("/prices/<float:price>/<uuid:id>")
def price(price, id):
    ...


class Orders(MethodView):
    """Orders."""

    def get(self):
        """List all orders."""

    def post(self):
        ...


app.add_url_rule("/orders", view_func=Orders.as_view("orders"))
'''

NEW = '''
from fastapi import FastAPI
from pydantic import BaseModel


class User(BaseModel):
    name: str


app = FastAPI(title="Shop", version="2")


@app.get("/users/{user_id}")
async def user(user_id: int) -> User:
    """A user."""


@app.get("/orders/{number}")
async def order(number: int): ...


@app.get("/prices")
async def prices(): ...
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "old.py").write_text(OLD)
    (tmp_path / "new.py").write_text(NEW)
    return tmp_path


def document(project: Path, *more: str) -> Any:
    found = run("openapi", "--wsgi", "old:app", "--asgi", "new:app", *more, folder=project)
    assert found.returncode == 0, found.stderr
    made = json.loads(found.stdout)
    OpenAPI.model_validate(made)
    operations = [each["operationId"] for item in made["paths"].values() for each in item.values()]
    assert len(operations) == len(set(operations))
    return made


def served_by(made: Any) -> dict[tuple[str, str], str]:
    return {(m.upper(), path): op["x-rsgi-app"] for path, item in made["paths"].items() for m, op in item.items()}


def test_each_operation_says_who_answers(project: Path) -> None:
    made = document(project)
    assert served_by(made) == {
        ("GET", "/users/{user_id}"): "new:app",
        ("DELETE", "/users/{user_id}"): "old:app",
        ("GET", "/orders/{number}"): "new:app",
        ("GET", "/prices"): "new:app",
        ("GET", "/files/{name}"): "old:app",
        ("GET", "/prices/{price}/{id}"): "old:app",
        ("GET", "/orders"): "old:app",
        ("POST", "/orders"): "old:app",
    }
    assert made["info"] == {"title": "Shop", "version": "2"}
    assert made["tags"] == [{"name": "old:app", "description": "Routes of the WSGI application, read from Flask"}]


def test_what_the_new_application_says_is_kept(project: Path) -> None:
    made = document(project)
    user = made["paths"]["/users/{user_id}"]["get"]
    assert user["description"] == "A user."
    assert user["responses"]["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/User"}
    assert "User" in made["components"]["schemas"]


def test_an_old_route_has_parameters_and_its_docstring(project: Path) -> None:
    made = document(project)
    assert made["paths"]["/users/{user_id}"]["delete"] == {
        "tags": ["old:app"],
        "summary": "Remove a user.",
        "description": "Its orders stay.",
        "operationId": "old_app_delete_user_delete",
        "parameters": [{"name": "user_id", "in": "path", "required": True, "schema": {"type": "integer"}}],
        "responses": {"default": {"description": "The response of old:app"}},
        "x-rsgi-app": "old:app",
        "x-rsgi-guards": ["login_required"],
    }
    kinds = [each["schema"] for each in made["paths"]["/prices/{price}/{id}"]["get"]["parameters"]]
    assert kinds == [{"type": "number"}, {"type": "string", "format": "uuid"}]
    (name,) = made["paths"]["/files/{name}"]["get"]["parameters"]
    assert name["description"] == "May contain slashes"
    assert made["paths"]["/files/{name}"]["get"]["summary"] == "file"
    orders = made["paths"]["/orders"]
    assert (orders["get"]["summary"], orders["post"]["summary"]) == ("List all orders.", "Orders.")


def test_a_rule_moves_an_operation(project: Path) -> None:
    made = served_by(document(project, "--route", "GET /users/{id}=old:app", "--route", "/prices=old:app"))
    assert made["GET", "/users/{user_id}" if ("GET", "/users/{user_id}") in made else "/users/{number}"] == "old:app"
    assert ("GET", "/prices") not in made


def test_a_prefix_is_in_the_paths(project: Path) -> None:
    found = run("openapi", "--wsgi", "/v1=old:app", "--asgi", "/v2=new:app", folder=project)
    made = served_by(json.loads(found.stdout))
    assert made["GET", "/v1/users/{number}"] == "old:app"
    assert made["GET", "/v2/users/{user_id}"] == "new:app"


def test_two_new_applications_become_one_document(project: Path) -> None:
    (project / "second.py").write_text(
        NEW.replace("Shop", "Second").replace("User(", "Account(").replace("> User", "> Account")
    )
    found = run("openapi", "--asgi", "new:app", "--asgi", "/second=second:app", folder=project)
    made = json.loads(found.stdout)
    OpenAPI.model_validate(made)
    assert made["info"]["title"] == "Shop"
    assert {"/users/{user_id}", "/second/users/{user_id}"} <= made["paths"].keys()
    assert {"User", "Account"} <= made["components"]["schemas"].keys()


def test_an_application_without_a_document_of_its_own(project: Path) -> None:
    found = run("openapi", "--wsgi", "old:app", folder=project)
    made = json.loads(found.stdout)
    OpenAPI.model_validate(made)
    assert made["info"] == {"title": "old:app", "version": "0"}
    assert set(served_by(made).values()) == {"old:app"}


def test_litestar_writes_its_own(project: Path) -> None:
    (project / "lite.py").write_text(
        """from litestar import Litestar, get


@get("/orders/{number:int}")
async def order(number: int) -> str:
    return ""


app = Litestar([order])
"""
    )
    found = run("openapi", "--wsgi", "old:app", "--asgi", "lite:app", folder=project)
    assert found.returncode == 0, found.stderr
    made = served_by(json.loads(found.stdout))
    assert made["GET", "/orders/{number}"] == "lite:app"
    assert made["GET", "/orders"] == "old:app"


def test_a_route_for_all_methods_is_listed_with_the_usual_ones(tmp_path: Path) -> None:
    (tmp_path / "site.py").write_text(
        """from django.conf import settings
from django.urls import path

settings.configure(ROOT_URLCONF="site", SECRET_KEY="x", ALLOWED_HOSTS=["*"])


def page(request, number):
    \"\"\"A page.\"\"\"


urlpatterns = [path("pages/<int:number>/", page)]

from django.core.wsgi import get_wsgi_application

app = get_wsgi_application()
""".replace('"site"', '"old_site"')
    )
    (tmp_path / "site.py").rename(tmp_path / "old_site.py")
    found = run("openapi", "--wsgi", "old_site:app", folder=tmp_path)
    assert found.returncode == 0, found.stderr
    made = json.loads(found.stdout)
    OpenAPI.model_validate(made)
    assert served_by(made) == {(method, "/pages/{number}/"): "old_site:app" for method in ("GET", "POST")}
    assert made["paths"]["/pages/{number}/"]["get"]["summary"] == "A page."


def test_a_document_that_fails_is_an_error(project: Path) -> None:
    with (project / "new.py").open("a") as file:
        file.write("\n\ndef fail():\n    raise ValueError('no model')\n\n\napp.openapi = fail\n")
    found = run("openapi", "--asgi", "new:app", folder=project)
    assert found.returncode == 1
    assert "error: the OpenAPI document of `new:app` failed: ValueError('no model')" in found.stderr
    assert "hint: " in found.stderr


def test_output_writes_a_file(tmp_path: Path) -> None:
    target = tmp_path / "openapi.json"
    found = run("openapi", "--wsgi", "old:app", "--asgi", "step2:app", "--output", str(target), folder=STEPS)
    assert (found.returncode, found.stdout) == (0, "")
    assert found.stderr == f"wrote {target}: {len(json.loads(target.read_text())['paths'])} paths\n"
    failed = run("openapi", "--wsgi", "old:app", "--output", str(tmp_path / "no/where"), folder=STEPS)
    assert failed.returncode == 1
    assert "hint: name a file in an existing folder" in failed.stderr
