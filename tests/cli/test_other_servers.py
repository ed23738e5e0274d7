"""What is known of other servers' command lines is true: compared with what they print themselves.

Apart from `test_translate.py`, which is about what is made of it. A server that is not installed is left out.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys

import pytest

from rsgi.cli.serve import serve_command
from rsgi.migrate.flag import OtherServer
from rsgi.migrate.servers import SERVERS

READ = [server for server in SERVERS if server.programs]

# The versions whose flags are all in the tables. Others may have more; none may have fewer.
COMPLETE = {"gunicorn": "27.0.1", "uvicorn": "0.54.0", "granian": "2.8.9", "hypercorn": "0.18.0", "daphne": "4.2.3"}
COMPLETE |= {"waitress": "3.0.2"}

# What a server takes and does not list.
UNLISTED = {
    "waitress": {"--app"}
    | {f"--{no}{name}-untrusted-proxy-headers" for name in ("log", "clear") for no in ("", "no-")}
    | {f"--trusted-proxy{name}" for name in ("", "-count", "-headers")}
}

OURS = {name for option in serve_command.params for name in (*option.opts, *option.secondary_opts)} | {"--help"}


def name_of(server: OtherServer) -> str:
    return server.name.lower()


@functools.cache
def listed(name: str) -> dict[str, bool]:
    """The flags in a server's `--help`, and whether each takes a value."""
    if name == "uwsgi":
        command = [shutil.which("uwsgi", path=f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}") or ""]
        if not command[0]:
            pytest.skip("uwsgi is not installed")
    else:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
        command = [sys.executable, "-m", name]
    environment = {**os.environ, "COLUMNS": "200", "LINES": "50"}
    ran = subprocess.run([*command, "--help"], env=environment, capture_output=True, text=True, timeout=30, check=False)
    found: dict[str, bool] = {}
    for line in (ran.stdout + ran.stderr).splitlines():
        defined = re.match(r" {2,4}(-\S+.*?)(?: {2,}|\t|$)", line)
        if defined is not None:
            found |= _flags_of(defined[1].replace("|", ", "))
    assert len(found) > 10, ran.stdout + ran.stderr
    return found


def _flags_of(text: str) -> dict[str, bool]:
    """`-w INT, --workers INT`, `--log / --no-log`, `--[no-]log` or `--port=PORT`."""
    takes_value = re.search(r"-[\w\[\]-]+[ =][^\s,/-]", text) is not None
    names = {name for name in re.findall(r"(?<![\w\[\]-])--?[\w\[][\w\[\]-]*", text)}
    spelled = {spelled for name in names for spelled in (name.replace("[no-]", ""), name.replace("[no-]", "no-"))}
    return dict.fromkeys(spelled, takes_value)


@pytest.mark.parametrize("server", READ, ids=name_of)
def test_every_flag_in_the_table_is_one_of_the_server(server: OtherServer) -> None:
    known = {name for flag in server.flags for name in flag.names}
    assert known - listed(name_of(server)).keys() - UNLISTED.get(name_of(server), set()) - {"--version"} == set()


@pytest.mark.parametrize("server", [each for each in READ if each.name != "uWSGI"], ids=name_of)
def test_flags_take_a_value_where_the_server_says_so(server: OtherServer) -> None:
    theirs = listed(name_of(server))
    wrong = {
        name for flag in server.flags for name in flag.names if theirs.get(name, bool(flag.value)) != bool(flag.value)
    }
    assert wrong == set()


@pytest.mark.parametrize("server", [each for each in READ if each.name != "uWSGI"], ids=name_of)
def test_every_flag_of_the_server_is_in_the_table(server: OtherServer) -> None:
    theirs = listed(name_of(server))
    version = importlib.metadata.version(name_of(server))
    if version != COMPLETE[name_of(server)]:
        pytest.skip(f"the table is that of {COMPLETE[name_of(server)]}, not of {version}")
    assert theirs.keys() - {name for flag in server.flags for name in flag.names} - {"-h", "--help"} == set()


@pytest.mark.parametrize("server", SERVERS, ids=name_of)
def test_each_flag_stands_once(server: OtherServer) -> None:
    names = [name for flag in server.flags for name in flag.names]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("server", SERVERS, ids=name_of)
def test_ours_are_flags_that_there_are(server: OtherServer) -> None:
    """What a table sends people to has to be there: in what is carried, and in what is said instead."""
    told = [text for flag in server.flags for text in (f"`{flag.ours}`", flag.note, flag.differs)]
    told += [*server.differs, *(default.note for default in server.defaults)]
    for text in told:
        for words in re.findall(r"`([^`]*)`", text):
            if "rsgi --version" in words or "env-file" in words:
                continue  # the command's own, and Docker's
            for name in re.findall(r"(?<![\w-])--[a-z][\w-]+", words):
                assert name in OURS, text


@pytest.mark.parametrize("server", READ, ids=name_of)
def test_no_flag_is_called_missing_that_we_have(server: OtherServer) -> None:
    """When a setting comes that another server has under the same name, its line in the table changes with it."""
    missing = {name for flag in server.flags if not flag.ours for name in flag.names if name in OURS}
    # Ours is something else: a version of HTTP, not a parser or an address; a file of our own; and text or JSON, where
    # uWSGI has the format of its access log.
    others = {"--http", "--config", "--log-format"}
    assert missing - others == set(), "say in `python/rsgi/migrate/servers/` that the flag is there now"
