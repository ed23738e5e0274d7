"""Reading route tables: Bottle, compared with what its own router matches."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

bottle = pytest.importorskip("bottle")

from route_lines import lines, table
from server import APPS

GOLDEN = """
http GET,HEAD /flask/ index flask_app.index
http POST /flask/form form flask_app.form
http POST /flask/upload upload flask_app.upload
http POST /flask/json echo_json flask_app.echo_json
http POST /flask/raw raw flask_app.raw
http GET,HEAD /flask/visits visits flask_app.visits
http GET,HEAD /flask/stream stream flask_app.stream
http GET,HEAD /flask/file file flask_app.file
http GET,HEAD /flask/go go flask_app.go
http GET,HEAD /flask/boom boom flask_app.boom
http GET,HEAD,POST,PUT /flask/users/{name} users flask_app.users
http GET,HEAD,POST /flask/items items flask_app.items
http GET,HEAD /flask/url url flask_app.url
http GET,HEAD / - bottle_app.hello
http GET,HEAD /inner/deep - bottle_app.deep
http GET,HEAD /hello/{name} - bottle_app.hello
http GET,HEAD /items/{number:int} - bottle_app.item
  /items/{number:int}
  /items/-{number:int}
http DELETE /items/{number:int} - bottle_app.item
  /items/{number:int}
  /items/-{number:int}
http POST /price/{amount} price bottle_app.price
  /price/-{amount}
  /price/{amount}
http GET,HEAD /files/{name:path} - bottle_app.files
  /files/{name}
  /files/{name}/{name_2:path}
  /files//{name:path}
http GET,HEAD /objects/{kind} - bottle_app.objects
  /objects/cats
  /objects/cat
  /objects/dogs
  /objects/dog
http * /any - bottle_app.anything
"""


@pytest.fixture
def bottle_app(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(APPS))
    import bottle_app

    return bottle_app


def test_every_kind_of_wildcard(bottle_app: ModuleType) -> None:
    found = table(bottle_app.app)
    assert (found.framework, found.complete, found.why) == ("Bottle", True, None)
    assert lines(found) == GOLDEN.strip("\n").splitlines()


def test_a_mount_that_cannot_be_read_owns_all_below() -> None:
    app = bottle.Bottle()
    app.mount("/old", lambda environ, start_response: [])
    assert [(route.path, route.opaque) for route in table(app).routes] == [("/old", True), ("/old/{path:path}", True)]


def test_an_escaped_wildcard_is_text() -> None:
    app = bottle.Bottle()
    app.route("/x/\\<name>", callback=lambda: "")
    assert [route.path for route in table(app).routes] == ["/x/<name>"]


def test_a_copy_of_bottle_in_another_package_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """As pypiserver has one."""
    copy = ModuleType("carrier.bottle")
    copy.__file__ = bottle.__file__
    monkeypatch.setitem(sys.modules, "carrier.bottle", copy)
    exec(compile(Path(bottle.__file__).read_text(encoding="utf-8"), "carrier/bottle.py", "exec"), copy.__dict__)
    app = copy.Bottle()
    app.route("/x/<name>", callback=lambda name: name)
    found = table(app)
    assert not isinstance(app, bottle.Bottle)
    assert (found.framework, found.complete, [route.path for route in found.routes]) == ("Bottle", True, ["/x/{name}"])
