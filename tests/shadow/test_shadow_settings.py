"""The settings of shadow traffic and recordings: what they mean, and what is said of mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shadowing import ADMIN, ALL, NEW, OLD, compared, count

from rsgi.compare.storage.recording import read_recording
from rsgi.errors import StartupError
from rsgi.routing.shadow import resolved
from rsgi.settings.config import Config
from rsgi.settings.config_file import load_config
from rsgi.settings.shadow_rules import parse_shadow, parsed_shadows
from server import Server, run_rsgi, wait_until
from wire import get, post

ONE: dict[str, Any] = {"path": "/x", "to": "new"}


def test_a_rule_of_the_command_line() -> None:
    parsed = parse_shadow("GET,POST /x/{id}=new:2.5%")
    assert (parsed.rule.methods, parsed.rule.path, parsed.rule.app) == (("GET", "POST"), "/x/{id}", "new")
    assert (parsed.sample, parsed.repeat, parsed.text) == (250, 1000, "GET,POST /x/{id}=new:2.5%")
    assert parse_shadow("/x=new:app").sample == 1000, "the default is 10 %"


def test_a_rule_of_a_file() -> None:
    (parsed,) = parsed_shadows(
        [{**ONE, "sample": "1%", "repeat": "0%", "headers": ["ETag"], "ignore": "$.a", "unordered": ["$.b"]}]
    )
    assert (parsed.sample, parsed.repeat, parsed.rule.methods) == (100, 0, ("GET", "HEAD"))
    assert (parsed.headers, parsed.ignore, parsed.unordered) == (("etag",), ("$.a",), ("$.b",))


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"path": "/x"}, "must name the application that gets the requests `to`"),
        ({"to": "new"}, "needs a `path`, a `prefix` or a `regex`"),
        ({**ONE, "sampel": "1%"}, "has no key `sampel`"),
        ({**ONE, "sample": 5}, "`sample` must be text with a percent sign"),
        ({**ONE, "sample": "120%"}, "the `sample` `120%` is more than 100%"),
        ({**ONE, "repeat": "x"}, "the `repeat` `x` is not a share"),
        ({**ONE, "ignore": ["$.a["]}, "`$.a[` in `ignore` cannot be used"),
        ({**ONE, "headers": 5}, "`headers` is a list of texts"),
        ({**ONE, "methods": ["CONNECT"]}, "names CONNECT"),
        ({**ONE, "path": "x"}, "does not start with `/`"),
    ],
)
def test_a_mistake_in_a_rule(table: dict[str, Any], problem: str) -> None:
    with pytest.raises(StartupError) as raised:
        resolved(parsed_shadows([table]), lambda _: 0)
    assert problem in raised.value.message
    assert raised.value.message.startswith("shadow rule 1: ")


def test_the_tables_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "rsgi.toml"
    file.write_text(
        """
        wsgi = "old:app"
        shadow_queue = 7
        shadow_limit = "1MiB"
        [[shadow]]
        prefix = "/x"
        to = "wsgi"
        [shadow_store]
        folder = "samples"
        redact = ["email"]
        samples = 50
        size = "2MiB"
        """
    )
    config = load_config({"config": str(file)})
    assert (config.shadow_queue, config.shadow_limit, config.shadow_store_size) == (7, 2**20, 2**21)
    assert (config.shadow_store_folder, config.shadow_store_redact, config.shadow_store_samples) == (
        "samples",
        ("email",),
        50,
    )
    (rule,) = config.shadow
    assert rule.text == "GET,HEAD /x/…=wsgi:10%"  # type: ignore[union-attr]
    file.write_text("[shadow_store]\nfolders = 'x'\n")
    with pytest.raises(StartupError, match=r"line 2: there is no setting `folders`") as raised:
        load_config({"config": str(file)})
    assert raised.value.hint == "did you mean `folder`?"


def test_a_rule_names_an_application_that_is_served() -> None:
    ended = run_rsgi(*OLD, *NEW, "--port", "0", "--shadow", "/x=newer")
    assert ended.returncode == 1
    assert "error: the shadow rule `/x=newer` names `newer`, which is not served" in ended.stderr


def test_a_hidden_rule_is_an_error() -> None:
    ended = run_rsgi(*OLD, *NEW, "--port", "0", "--shadow", "/{rest:path}=asgi", "--shadow", "/x=asgi")
    assert ended.returncode == 1
    assert "`/x=asgi`" in ended.stderr


@pytest.mark.parametrize("flag", ["--shadow-store-folder", "--record"])
def test_a_place_that_cannot_be_written(tmp_path: Path, flag: str) -> None:
    (tmp_path / "file").write_text("")
    place = str(tmp_path / "file" / "below")
    ended = run_rsgi(*OLD, *NEW, "--port", "0", "--shadow", "/x=asgi", flag, place)
    assert ended.returncode == 1, ended.stderr
    assert place in ended.stderr
    assert "hint: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_banner_shows_the_rules(start: Callable[..., Server]) -> None:
    assert "  shadow  /{rest:path}=asgi:100%\n" in start(*ALL).log()


def test_secrets_are_not_shown(start: Callable[..., Server]) -> None:
    server = start(*ALL)
    get(server, "/price/1?token=s3cret&a=1", ("Cookie", "sessionid=s3cret"), ("Authorization", "Bearer s3cret"))
    (route,) = compared(server, 1).values()
    assert route["pairs"], "a sample is shown"
    assert "s3cret" not in json.dumps(route)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_recording_has_safe_requests_with_their_responses(
    start: Callable[..., Server], tmp_path: Path, workers: str
) -> None:
    file = tmp_path / "recording.jsonl"
    server = start(*OLD, *NEW, *ADMIN, "--record", str(file), "--workers", workers)
    for number in range(10):
        assert get(server, f"/same/{number}?token=s3cret").status == 200
        post(server, f"/same/{number}", b"x")
    get(server, "/stream")
    assert server.stop() == 0
    requests = read_recording(file).requests
    assert sorted({each.route for each in requests}) == ["/same/{id}", "/stream"]
    assert len(requests) == 11
    assert {(each.request.method, each.app, each.response.status) for each in requests} == {
        ("GET", "shadow_apps:old", 200)
    }
    assert json.loads(requests[0].response.body)["name"] == "x"
    assert "s3cret" not in file.read_text()


def test_a_full_recording_is_said_once(start: Callable[..., Server], tmp_path: Path) -> None:
    file = tmp_path / "recording.jsonl"
    server = start(*OLD, *NEW, *ADMIN, "--record", str(file), "--record-size", "4KiB")
    for number in range(30):
        assert get(server, f"/same/{number}").status == 200
    server.wait_for_log("takes no more")
    assert server.stop() == 0
    assert server.log().count("warning: not all requests are recorded") == 1
    assert f"`{file}`: it has reached 4096 bytes (`--record-size`) and takes no more" in server.log()
    assert 3000 < file.stat().st_size <= 4096
    assert 0 < len(read_recording(file).requests) < 30


def test_a_request_is_recorded_and_sent_to_the_other_application(start: Callable[..., Server], tmp_path: Path) -> None:
    file = tmp_path / "recording.jsonl"
    server = start(*ALL, "--record", str(file))
    get(server, "/same/1")
    compared(server, 1)
    wait_until(lambda: len(read_recording(file).requests) == 1, 5, "it is recorded")
    assert count(server, "requests", app="shadow_apps:new") == 1


def test_the_limits_of_numbers() -> None:
    for name in ("shadow_concurrency", "shadow_queue", "shadow_limit", "shadow_timeout", "shadow_store_samples"):
        with pytest.raises(StartupError, match=f"the setting `{name}` cannot be 0"):
            Config(**{name: 0})
