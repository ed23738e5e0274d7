"""`--env-file`: what a file of variables may look like, what is refused, and whom its values reach."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rsgi.errors import StartupError
from rsgi.settings import env_file
from rsgi.settings.env_file import apply_env_file, place_of
from server import APPS, Server, run_rsgi
from wire import get, post


@pytest.fixture(autouse=True)
def _environment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(env_file, "_ours", {})
    yield


def read(folder: Path, text: str) -> dict[str, str]:
    """The variables that a file with this text adds."""
    (folder / ".env").write_text(text)
    before = dict(os.environ)
    apply_env_file(str(folder / ".env"))
    return {name: value for name, value in os.environ.items() if before.get(name) != value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("A=1", "1"), ("A=1\n", "1"), ("A=1\r\n", "1"), ("export A=1", "1"), ("  A = 1  ", "1"), ("A=", "")],
        *[("A=a b", "a b"), ("A=a # note", "a"), ("A=a#b", "a#b"), ("A=#b", "#b"), ("A= # note", ""), ("A=a=b", "a=b")],
        *[("A='a # $b ${c} \\n'", "a # $b ${c} \\n"), ("A='a' # note", "a"), ("A=''", ""), ('A=""', "")],
        *[('A="a # b"', "a # b"), (r'A="1\n2\t\"\\\$\q"', '1\n2\t"\\$\\q'), ('A="one\ntwo" # note\n', "one\ntwo")],
        *[(r"A=C:\new", r"C:\new"), ("A=it's", "it's"), ("A=$b", "$b"), ("\ufeffA=1", "1"), ("A=ü", "ü")],
        *[
            ("A=1\nA=2", "2"),
            ("# A=0\n\n \t\nA=1 \n#", "1"),
            ("A=${HOME_OF}/x", "/home/x"),
            ('A="${HOME_OF}"', "/home"),
        ],
        *[
            ("A=${NOWHERE:-x y}", "x y"),
            ("A=${EMPTY:-x}", "x"),
            ("A=${NOWHERE:-}", ""),
            (r'A="\${HOME_OF}"', "${HOME_OF}"),
        ],
    ],
)
def test_what_a_line_means(tmp_path: Path, text: str, value: str) -> None:
    os.environ.update(HOME_OF="/home", EMPTY="")
    assert read(tmp_path, text) == {"A": value}


def test_a_value_may_refer_to_one_above_and_the_environment_wins(tmp_path: Path) -> None:
    os.environ["HOST_OF"] = "outside"
    made = read(tmp_path, "USER_OF=me\nHOST_OF=inside\nURL=pg://${USER_OF}@${HOST_OF}/db\n")
    assert made == {"USER_OF": "me", "URL": "pg://me@outside/db"}


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("A=1\nB\n", 2, "`B` is not a variable"),
        ("A=1\n\n# x\nwith space=1\n", 4, "`with space=1` is not a variable"),
        ("1A=1", 1, "`1A=1` is not a variable"),
        ("=1", 1, "`=1` is not a variable"),
        ("export A", 1, "`export A` is not a variable"),
        ("A='1\nB=2\n", 1, "the quote of the value of `A` is not closed"),
        ('A="a\nb"\nB="1\n', 3, "the quote of the value of `B` is not closed"),
        ("A='a' b", 1, "`b` follows the value of `A`"),
        ("A='a'#b", None, None),
        ("A=${B}", 1, "the value of `A` refers to `B`, which is not set"),
        ("A=1\nB=${A", 2, "`${` in the value of `B` does not start a variable"),
        ("A=a\0b", 1, "`A` contains a zero byte"),
    ],
)
def test_a_mistake_names_file_and_line_and_changes_nothing(
    tmp_path: Path, text: str, line: int | None, problem: str | None
) -> None:
    if problem is None:
        assert read(tmp_path, text) == {"A": "a"}
        return
    before = dict(os.environ)
    with pytest.raises(StartupError) as raised:
        read(tmp_path, text)
    assert raised.value.message == f"{tmp_path / '.env'}, line {line}: {problem}"
    assert raised.value.hint
    assert os.environ == before


def test_what_is_set_stays_even_when_it_is_empty(tmp_path: Path) -> None:
    os.environ["A"] = ""
    assert read(tmp_path, "A=1\nB=2\n") == {"B": "2"}
    assert place_of("A") is None
    assert place_of("B") == f"{tmp_path / '.env'}, line 2"


def test_read_again_the_file_changes_what_it_has_set(tmp_path: Path) -> None:
    os.environ["A"] = "outside"
    read(tmp_path, "A=1\nB=2\nC=3\nD=4\n")
    (tmp_path / ".env").write_text("A=9\nB=9\nD=4\nE=5\n")
    assert apply_env_file(str(tmp_path / ".env")) == ["B", "C", "E"]
    assert [os.environ.get(name) for name in "ABCDE"] == ["outside", "9", None, "4", "5"]


def test_a_file_that_cannot_be_read_is_a_start_up_error(tmp_path: Path) -> None:
    ended = run_rsgi("--wsgi", "variables_app:app", "--env-file", str(tmp_path / "nowhere"))
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"error: cannot read the environment file `{tmp_path / 'nowhere'}`: No such file")
    (tmp_path / "latin").write_bytes(b"A=\xe4")
    ended = run_rsgi("--wsgi", "variables_app:app", "--env-file", str(tmp_path / "latin"))
    assert "it is not UTF-8" in ended.stderr


def test_a_mistake_in_the_file_is_a_start_up_error(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nnothing\n")
    ended = run_rsgi("--wsgi", "variables_app:app", "--env-file", str(tmp_path / ".env"))
    assert ended.returncode == 1
    assert ended.stderr == (
        f"error: {tmp_path / '.env'}, line 2: `nothing` is not a variable\n\n"
        "hint: write NAME=value; the name has letters, digits and `_`\n"
    )


@pytest.mark.parametrize("more", [(), ("--workers", "2"), ("--reload",)], ids=["alone", "workers", "reload"])
def test_values_reach_the_application_and_the_settings(
    tmp_path: Path, start: Callable[..., Server], more: tuple[str, ...]
) -> None:
    (tmp_path / "vars").write_text("FROM_FILE=yes\nSET_BEFORE=file\nRSGI_MAX_BODY=77\nRSGI_WSGI=variables_app:app\n")
    shutil.copy(APPS / "variables_app.py", tmp_path)
    server = start(
        *("--app-dir", str(tmp_path), "--env-file", "vars", *more),
        folder=tmp_path,
        environment={"SET_BEFORE": "outside"},
    )
    assert get(server, "/FROM_FILE").json() == ["yes", "yes"]
    assert get(server, "/SET_BEFORE").json() == ["outside", "outside"]

    assert post(server, "/", b"x" * 78).status == 413


def test_flags_and_the_environment_win_over_the_file(tmp_path: Path, start: Callable[..., Server]) -> None:
    (tmp_path / "vars").write_text("RSGI_WSGI_THREADS=2\nRSGI_WSGI_QUEUE=2\nRSGI_GRACE=1\n")
    server = start(
        *("--wsgi", "variables_app:app", "--wsgi-threads", "3"),
        environment={"RSGI_ENV_FILE": str(tmp_path / "vars"), "RSGI_WSGI_QUEUE": "3"},
    )
    assert "3 threads, queue 3" in server.log()


def test_hup_and_a_reload_read_the_file_again(tmp_path: Path, start: Callable[..., Server]) -> None:
    path = tmp_path / ".env"
    path.write_text("FROM_FILE=one\nRSGI_WSGI_QUEUE=5\n")
    rolling = start("--wsgi", "variables_app:app", "--env-file", str(path), "--workers", "2")
    reloading = start("--wsgi", "variables_app:app", "--env-file", str(path), "--reload", "--reload-dir", str(tmp_path))
    path.write_text("FROM_FILE=two\nRSGI_WSGI_QUEUE=6\n")
    rolling.send_signal(signal.SIGHUP)
    rolling.wait_for_log("all workers were replaced", 20)
    reloading.wait_for_log("restarted in", 10)
    for server in (rolling, reloading):
        assert f"warning: `RSGI_WSGI_QUEUE` changed in {path}: this needs a restart" in server.log()
        assert get(server, "/FROM_FILE").json() == ["two", "two"]
    mark = reloading.log_mark()
    path.write_text("FROM_FILE=three\nnothing\n")
    log = reloading.wait_for_log("hint:", 10, since=mark)
    assert (
        f"error: {path} was not reloaded, and nothing has changed: {path}, line 2: `nothing` is not a variable" in log
    )
    assert get(reloading, "/FROM_FILE").json() == ["two", "two"]


def test_from_python(tmp_path: Path) -> None:
    import rsgi

    (tmp_path / ".env").write_text("FROM_FILE=yes\n")
    for door in ({"env_file": str(tmp_path / ".env")}, rsgi.Config(env_file=str(tmp_path / ".env"))):
        os.environ.pop("FROM_FILE", None)
        env_file._ours.clear()
        with pytest.raises(StartupError, match="no application"):
            rsgi.serve(**door) if isinstance(door, dict) else rsgi.serve(door)  # type: ignore[arg-type]
        assert os.environ["FROM_FILE"] == "yes"


def test_a_configuration_file_cannot_name_it(tmp_path: Path) -> None:
    (tmp_path / "rsgi.toml").write_text('\nenv_file = ".env"\n')
    ended = run_rsgi("--wsgi", "variables_app:app", "--config", str(tmp_path / "rsgi.toml"))
    assert ended.returncode == 1
    assert "line 2: there is no setting `env_file` in a file" in ended.stderr
    assert "hint: use `--env-file`" in ended.stderr
