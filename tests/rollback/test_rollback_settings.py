"""The settings `rollback` and `advance` of a rule: what they can be, and what commands show of them.

Apart from `test_rollback.py`, which serves.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rsgi.errors import StartupError
from rsgi.settings.rollback import Advance, Rollback
from rsgi.settings.rules import ParsedRule, rule_from_table

APPS = Path(__file__).parents[1] / "apps"
ADVANCE = {"steps": ["5%", "50%", "100%"], "after": "10m"}

FILE = """\
[apps.old]
wsgi = "share_apps:old"
[apps.new]
asgi = "share_apps:new"
prefix = "/new"
[[routes]]
path = "/x"
app = "new"
share = "5%"
rollback = { window = "1m", minimum = 50, failures = "2%", p99 = false, command = ["page", "s3cret"] }
advance = { steps = ["5%", "50%"], after = "10m" }
"""
SAID = (
    "rollback at 2% more failures, in windows of 60s and 50 requests; calls page; advance to 5%, 50%, after 600s each"
)


def rule(**keys: object) -> ParsedRule:
    return rule_from_table({"path": "/x", "app": "new", "share": "5%", **keys}, "rsgi.toml, line 7")


def test_what_is_not_said_has_a_default() -> None:
    assert rule().rollback is None
    assert rule(rollback=False).rollback is None
    assert rule(rollback=True).rollback == rule(rollback={}).rollback == Rollback()
    assert Rollback() == Rollback(window=30, minimum=100, failures=0.01, p99=2, command=None, url=None, advance=None)


def test_all_of_it_can_be_said() -> None:
    table = {"window": "90s", "minimum": 10, "failures": "0.5%", "p99": 3, "url": "http://localhost:9000/hook?x=1"}
    found = rule(rollback=table, advance=ADVANCE).rollback
    advance = Advance((500, 5000, 10_000), 600)
    assert found == Rollback(90, 10, 0.005, 3, None, "http://localhost:9000/hook?x=1", advance)
    found = rule(rollback={"command": ["page", "--team", "web"], "p99": False}).rollback
    assert found is not None
    assert (found.command, found.p99) == (("page", "--team", "web"), None)


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://127.9.9.9:1", "http://[::1]:9000/x", "http://localhost"])
def test_urls_of_this_machine(url: str) -> None:
    found = rule(rollback={"url": url}).rollback
    assert found is not None
    assert found.url == url


@pytest.mark.parametrize(
    ("keys", "error", "hint"),
    [
        ({"rollback": "yes"}, "`rollback` is a table, or true or false, not 'yes'", "rollback = true"),
        ({"rollback": {"windows": "30s"}}, "`rollback` has no key `windows`", "did you mean `window`?"),
        ({"rollback": {"x": 1}}, "`rollback` has no key `x`", "window, minimum, failures, p99, command, url"),
        ({"rollback": True, "share": None}, "a rule with `rollback` needs a `share`", 'share = "5%"'),
        ({"rollback": {"window": "0.5s"}}, "`window` cannot be 0.5s", "write 1s to 1h"),
        ({"rollback": {"window": "2h"}}, "`window` cannot be 2h", "write 1s to 1h"),
        ({"rollback": {"window": True}}, "`window` is a duration, not True", "write 1s to 1h"),
        ({"rollback": {"window": "soon"}}, "`window`: 'soon' is not a duration", "write 1s to 1h"),
        ({"rollback": {"minimum": 9}}, "`minimum` is a number of requests, at least 10, not 9", "chance decides"),
        ({"rollback": {"minimum": "100"}}, "at least 10, not '100'", "chance decides"),
        ({"rollback": {"failures": 1}}, "`failures` must be text with a percent sign, not 1", 'for example "5%"'),
        ({"rollback": {"failures": "101%"}}, "`failures` `101%` is more than 100%", 'for example "5%"'),
        ({"rollback": {"p99": 1.0}}, "`p99` is a factor of at least 1.1, or false, not 1.0", "p99 = 2.0"),
        ({"rollback": {"p99": True}}, "or false, not True", "p99 = false"),
        ({"rollback": {"p99": float("nan")}}, "or false, not nan", "p99 = 2.0"),
        ({"rollback": {"command": "page web"}}, "`command` is a list of a program and its arguments", "no shell"),
        ({"rollback": {"command": []}}, "`command` is a list", "no shell reads it"),
        ({"rollback": {"command": ["a", 1]}}, "`command` is a list", "no shell reads it"),
        ({"rollback": {"command": ["a\0"]}}, "`command` cannot contain a NUL character", "remove it"),
        (
            {"rollback": {"command": ["a"], "url": "http://localhost/"}},
            "`rollback` has one of `command` and `url`, not both",
            "remove one of them",
        ),
        ({"rollback": {"url": 5}}, "`url` is text, not 5", "127.0.0.1"),
        ({"advance": ADVANCE}, "`advance` needs a `rollback`", "add `rollback = true`"),
        ({"rollback": False, "advance": ADVANCE}, "`advance` needs a `rollback`", "add `rollback = true`"),
        ({"rollback": True, "advance": True}, "`advance` is a table, not True", "for example `advance = {"),
        ({"rollback": True, "advance": {"steps": ["5%"]}}, "`advance` needs `after`", "for example"),
        ({"rollback": True, "advance": {**ADVANCE, "step": 1}}, "`advance` has no key `step`", "did you mean `steps`?"),
        ({"rollback": True, "advance": {**ADVANCE, "steps": "5%"}}, "are a list of shares, not '5%'", "for example"),
        ({"rollback": True, "advance": {**ADVANCE, "steps": []}}, "are a list of shares, not []", "for example"),
        ({"rollback": True, "advance": {**ADVANCE, "steps": [5]}}, "a step must be text with a percent", '"5%"'),
        ({"rollback": True, "advance": {**ADVANCE, "steps": ["5%", "5%"]}}, "must rise, and begin above 0%", "for"),
        ({"rollback": True, "advance": {**ADVANCE, "steps": ["0%", "5%"]}}, "must rise, and begin above 0%", "for"),
        ({"rollback": True, "advance": {**ADVANCE, "after": "0s"}}, "`after` cannot be 0s", "write 1s to 30d"),
    ],
)
def test_what_cannot_be_used_has_a_hint(keys: dict[str, object], error: str, hint: str) -> None:
    table = {key: value for key, value in {"share": "5%", **keys}.items() if value is not None}
    with pytest.raises(StartupError) as raised:
        rule_from_table({"path": "/x", "app": "new", **table}, "rsgi.toml, line 7")
    assert raised.value.message.startswith("rsgi.toml, line 7: ")
    assert error in raised.value.message
    assert hint in str(raised.value.hint)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://127.0.0.1/",
        "http://example.com/",
        "http://10.0.0.1:9000/",
        "http://127.0.0.1@example.com/",
        "http://user@127.0.0.1/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:x/",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/\r\nX: 1",
        "http://127.0.0.1/#x",
        "http://127.0.0.1?x",
        "http://[::1/",
        "http://localhost.example.com/",
        "127.0.0.1:9000",
        "http:///x",
        "http://127.0.0.1\\@example.com/",
    ],
)
def test_urls_of_other_machines_are_refused(url: str) -> None:
    with pytest.raises(StartupError) as raised:
        rule(rollback={"url": url})
    assert "`url` must be an http:// URL of this machine" in raised.value.message
    assert "use a `command` for other machines" in str(raised.value.hint)


def run(*arguments: str, folder: Path) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RSGI_")}
    command = [sys.executable, "-m", "rsgi", *arguments]
    ended = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def test_commands_show_it_where_they_show_shares(tmp_path: Path) -> None:
    file = tmp_path / "rsgi.toml"
    file.write_text(FILE)
    shown = run("config", "--config", str(file), folder=APPS)
    assert f"\t/x=new:5% ({SAID})\t" in shown
    explained = run("explain", "--config", str(file), "/x", folder=APPS)
    assert explained.count(f"\n  rollback   {SAID.removeprefix('rollback ')}\n") == 2, "inside and outside the share"
    assert "rollback" not in run("explain", "--config", str(file), "/y", folder=APPS)
    assert "s3cret" not in shown + explained
