"""What the command line shows on a terminal and what it gives to shells: colours, folded lines, versions, completion.

Apart from `test_cli.py` because these tests need a pseudo-terminal or a shell.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from rsgi._rsgi import VERSION
from server import APPS

RSGI = [sys.executable, "-m", "rsgi"]
COLUMNS = 80


def on_terminal(*arguments: str, until: bytes = b"", **variables: str) -> bytes:
    """What `rsgi` writes to a terminal of 80 columns, until it ends or has written `until`."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
    process = subprocess.Popen(
        [*RSGI, *arguments],
        cwd=APPS,
        env={**kept, "TERM": "xterm-256color", **variables},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    text, deadline = b"", time.monotonic() + 60
    try:
        while time.monotonic() < deadline and not (until and until in text):
            if not select.select([ours], [], [], 1)[0]:
                continue
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other side is closed
                break
            text += piece
            if not piece:
                break
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        os.close(ours)
    assert until in text, text
    return text


def test_errors_have_colours_on_a_terminal_only() -> None:
    coloured = on_terminal("serve", "--prot", "1")
    assert b"\x1b[31m\x1b[1merror\x1b[0m: `rsgi serve` has no option" in coloured
    assert b"\x1b[36m\x1b[1mhint\x1b[0m: did you mean `--port`?" in coloured
    piped = subprocess.run([*RSGI, "serve", "--prot", "1"], capture_output=True, check=False, timeout=60)
    assert b"\x1b" not in piped.stderr


@pytest.mark.parametrize("arguments", [("serve", "--prot", "1"), ("doctor",), ("config",), ("serve", "missing:app")])
def test_no_color_is_obeyed_on_a_terminal(arguments: tuple[str, ...]) -> None:
    assert b"\x1b[3" not in on_terminal(*arguments, NO_COLOR="1")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_lines_at_start_fit_a_terminal(workers: str) -> None:
    arguments = ["--wsgi", "flask_app:app", "--asgi", "fastapi_app:app", "--request-timeout", "20s"]
    arguments += ["--limit-concurrency", "1000", "--workers", workers, "--port", "0"]
    text = on_terminal("serve", *arguments, until=b"listening on").decode()
    shown = text.partition("listening on")[0].splitlines()
    assert len(shown) > 5
    assert [line for line in shown if len(line) > COLUMNS] == []
    assert "rsgi " + VERSION in text


def test_lines_in_a_pipe_stay_whole() -> None:
    from server import start_rsgi

    server = start_rsgi("--wsgi", "flask_app:app", "--asgi", "fastapi_app:app", "--limit-concurrency", "1000")
    assert re.search(r"^  asgi .*loop, lifespan auto, at most 1000 at a time$", server.log(), re.MULTILINE)
    assert server.stop() == 0


def test_the_version_says_what_a_report_needs() -> None:
    made = subprocess.run([*RSGI, "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    lines = made.splitlines()
    assert lines[0] == f"rsgi {VERSION}"
    said = dict(line.strip().split(": ", 1) for line in lines[1:])
    assert list(said) == ["python", "build", "features", "libraries", "extras"]
    assert said["build"].split(",")[0] in ("release", "debug")
    lock = (Path(__file__).parents[2] / "Cargo.lock").read_text()
    for name, version in (each.split(" ") for each in said["libraries"].split(", ")):
        assert f'name = "{name}"\nversion = "{version}"\n' in lock
    assert "HTTP/2" in said["features"]


def asked(words: str, index: int, shell: str = "bash") -> list[str]:
    """What the command line offers for a word of a line, in its answer to a script."""
    env = {**os.environ, "COMP_WORDS": words, "COMP_CWORD": str(index), "_RSGI_COMPLETE": f"{shell}_complete"}
    made = subprocess.run([*RSGI], env=env, capture_output=True, text=True, check=False, timeout=60)
    return made.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "index", "offered"),
    [
        ("rsgi che", 1, ["plain,check"]),
        ("rsgi serve --tls-c", 2, ["plain,--tls-cert", "plain,--tls-client-ca", "plain,--tls-client-auth"]),
        ("rsgi serve --loop ", 3, ["plain,auto", "plain,asyncio", "plain,uvloop"]),
        ("rsgi serve --loop uv", 3, ["plain,uvloop"]),
        ("rsgi serve --config rs", 3, ["file,rs"]),
        ("rsgi serve --app-dir ", 3, ["dir,"]),
        ("rsgi completion ", 2, ["plain,bash", "plain,zsh", "plain,fish"]),
    ],
)
def test_words_are_completed(words: str, index: int, offered: list[str]) -> None:
    assert asked(words, index) == offered


def script(shell: str, folder: Path) -> Path:
    made = subprocess.run([*RSGI, "completion", shell], capture_output=True, check=True, timeout=60)
    path = folder / f"completion.{shell}"
    path.write_bytes(made.stdout)
    return path


def test_bash_completes_with_the_script(tmp_path: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    (tmp_path / "rsgi").write_text(f'#!/bin/sh\nexec {sys.executable} -m rsgi "$@"\n')
    (tmp_path / "rsgi").chmod(0o755)
    lines = [
        f"source {script('bash', tmp_path)}",
        "COMP_WORDS=(rsgi serve --io po)",
        "COMP_CWORD=3",
        f"_rsgi_completion {tmp_path}/rsgi",
        'echo "${COMPREPLY[*]}"',
    ]
    made = subprocess.run(["bash", "-c", "\n".join(lines)], capture_output=True, text=True, check=True, timeout=60)
    assert made.stdout == "pool\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_are_valid(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    path = script(shell, tmp_path)
    made = subprocess.run([shell, "-n", str(path)], capture_output=True, text=True, check=False, timeout=60)
    assert (made.returncode, made.stderr) == (0, "")


def test_an_unknown_shell_is_named() -> None:
    made = subprocess.run([*RSGI, "completion", "tcsh"], capture_output=True, text=True, check=False, timeout=60)
    assert made.returncode == 2
    assert "'tcsh' is not one of bash, zsh, fish" in made.stderr
