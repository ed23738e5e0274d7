"""Shares that rise step by step while both sides do well, and that people hold and let go.

Apart from `test_rollback.py`, where they fall.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_rollback import FILE, RULE, ask, ask_for_windows, share_at, status

from admin import Admin
from server import Server, wait_until

ADVANCE = '}\nadvance = { steps = ["40%", "50%", "100%"], after = "1s" '


@pytest.fixture
def serve(start: Callable[..., Server], tmp_path: Path) -> Callable[..., Server]:
    """Starts a server with a rule whose share rises."""

    def serve(*arguments: str, share: str = "40%") -> Server:
        file = tmp_path / "rsgi.toml"
        file.write_text(FILE.format(more=ADVANCE, share=share).replace("minimum = 20", "minimum = 10"))
        return start("--config", str(file), *arguments)

    return serve


def ask_until(server: Server, share: str, target: str = "/x") -> Any:
    """Asks until the rule has this share; gives what the admin listener says."""
    admin = Admin(server)

    def has_it() -> Any:
        ask(server, target)
        found = status(admin)
        return found if found["share"] == share else None

    return wait_until(has_it, 30, f"the share is {share}")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_share_rises_to_its_last_step(serve: Callable[..., Server], workers: str) -> None:
    server = serve("--workers", workers)
    assert status(Admin(server))["rollback"]["next"] == "50%"
    found = ask_until(server, "50%")
    assert (found["configured"], found["rollback"]["steps"]) == ("40%", ["40%", "50%", "100%"])
    assert ask_until(server, "100%")["rollback"]["next"] is None
    assert set(ask(server, "/x")) == {"new"}
    raised = [line for line in server.log().splitlines() if "raised the share" in line]
    assert raised == [
        f"raised the share of `{RULE}` from 40% to 50% (advance)",
        f"raised the share of `{RULE}` from 50% to 100% (advance)",
    ]


def test_a_step_that_fails_ends_it(serve: Callable[..., Server]) -> None:
    server = serve()
    ask_until(server, "50%")
    found = ask_until(server, "0%", "/x?fail=new")
    assert (found["rollback"]["state"], found["rollback"]["next"]) == ("rolled back", None)
    assert f"warning: rolled back the share of `{RULE}` from 50% to 0%" in server.log()
    ask_for_windows(server, "/x", 2, both=False)
    assert status(Admin(server))["share"] == "0%"


def test_who_sets_a_share_holds_it_until_it_may_rise(serve: Callable[..., Server]) -> None:
    server = serve()
    assert share_at(server, "new=30%").stdout == "30%  /x=new (40% in the settings)\n"
    ask_for_windows(server, "/x", 3)
    assert status(Admin(server))["share"] == "30%"
    made = share_at(server, "new=30%", "--advance")
    assert (made.returncode, made.stdout) == (0, "30%  /x=new (40% in the settings; next 40%)\n")
    assert f"set the share of `{RULE}` to 30%, from where it rises, (admin listener)" in server.log()
    ask_until(server, "40%")
    assert share_at(server, "new=0%", "--advance").stdout == "0%  /x=new (40% in the settings)\n"
    ask_for_windows(server, "/x", 2, both=False)
    assert status(Admin(server))["share"] == "0%", "nobody has it, so nothing proves that it works"


def test_only_a_rule_with_steps_can_rise(start: Callable[..., Server], tmp_path: Path) -> None:
    file = tmp_path / "rsgi.toml"
    file.write_text(FILE.format(more="", share="5%"))
    server = start("--config", str(file))
    ended = share_at(server, "new=5%", "--advance")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "error: the rule `/x=new` has no `advance`" in ended.stderr
    assert "hint: add it in the configuration file: `advance = {" in ended.stderr
    ended = share_at(server, "--advance")
    assert (ended.returncode, "`--advance` needs a share" in ended.stderr) == (2, True)
