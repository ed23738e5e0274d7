"""Reads a page as somebody who does what it says: writes its files, runs its commands, and compares what they print.

`test_recipes.py` and `test_example_pages.py` give it pages. A page begins in an empty folder, or in that of an example.
curl is the real one.
"""

from __future__ import annotations

import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

from command_reader import clean_environment, compare_page
from server import UVICORN_READY, Server

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The languages of blocks that are files, with the comment that names them in their first line.
FILES = {"python": "# ", "toml": "# ", "ini": "# ", "html": "<!-- ", "css": "/* ", "js": "// "}


class Reader:
    """Somebody who does what a recipe says, in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: Server | None = None
        self._codes: set[int] = set()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = str(free.getsockname()[1])

    def follow(self, block: re.Match[str]) -> str:
        """Do what one block says; returns what it should look like."""
        language, text = block[1], block[2]
        if language in FILES:
            self._write(language, text)
        elif language == "sh":
            for line in text.replace("\\\n", " ").splitlines():
                self._do(line)
        elif language == "console":
            told = re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)
            shown = "".join(f"$ {command}\n{self._awaited_output(command, output)}" for command, output in told)
            return f"```console\n{shown}```"
        elif language != "text":
            raise AssertionError(f"no test knows what to do with a block in {language}")
        return block[0]

    def _write(self, language: str, text: str) -> None:
        name = re.match(rf"{re.escape(FILES[language])}([\w./-]+)", text)
        assert name is not None, f"a block has no file name in its first line:\n{text}"
        path = self._folder / name[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("127.0.0.1:8000", f"127.0.0.1:{self._port}"))

    def _do(self, line: str) -> None:
        python = sys.executable
        match shlex.split(line):
            case ["rsgi", "serve", *words]:
                self._start([python, "-m", "rsgi", "serve", *words, "--port", self._port])
            case ["uvicorn", *words]:
                self._start([python, "-m", "uvicorn", *words, "--port", self._port], ready=UVICORN_READY)
            case ["python", "serve.py"]:
                script = self._folder / "serve.py"
                script.write_text(script.read_text().replace("port=8000", f"port={self._port}"))
                self._start([python, "serve.py"])
            case ["python" | "django-admin", *_]:
                found = self._run(line)
                assert found.returncode == 0, found.stdout + found.stderr
            case ["pip", "install", *_]:
                pass
            case _:
                raise AssertionError(f"no test knows how to run `{line}`")

    def _start(self, command: list[str], **options: re.Pattern[str]) -> None:
        self.stop()
        self._server = Server(command, folder=self._folder, start_timeout=90, **options)  # type: ignore[arg-type]
        # uvicorn ends with the signal that it was sent.
        self._codes = {0, -signal.SIGTERM} if options else {0}

    def _awaited_output(self, line: str, told: str) -> str:
        """What a command prints. Responses are compared beside the requests, so `rsgi diff` may have to wait for them."""
        if not line.startswith("rsgi diff"):
            return self._output(line)
        output = ""
        for _ in range(20):  # the command itself takes a moment
            output = self._output(line)
            if output == told:
                break
        return output

    def _output(self, line: str) -> str:
        found = self._run(line.replace("curl ", "curl --silent --show-error --max-time 30 ", 1))
        text = (found.stdout + found.stderr).replace("\r", "").replace(f"127.0.0.1:{self._port}", "127.0.0.1:8000")
        return "".join(f"{each.rstrip()}\n" for each in text.splitlines())

    def _run(self, line: str) -> subprocess.CompletedProcess[str]:
        environment = clean_environment()
        # A library that a page uses may warn of what another one will remove.
        environment["PYTHONWARNINGS"] = "ignore::UserWarning"
        # These commands are those of this interpreter, whose environment may have no scripts.
        line = re.sub(r"^django-admin ", "python -m django ", re.sub(r"^(rsgi|pytest) ", r"python -m \1 ", line))
        command = ["sh", "-c", line.replace("127.0.0.1:8000", f"127.0.0.1:{self._port}")]
        return subprocess.run(
            command, cwd=self._folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    def stop(self) -> None:
        if self._server is not None:
            log = self._server.log
            assert self._server.stop() in self._codes, log()
            assert "Traceback" not in log()
            self._server = None

    def compare(self, page: Path) -> None:
        """Follow a page to its end. With `UPDATE_DOCS=1`, its outputs are written anew."""
        text = page.read_text()
        try:
            told = BLOCK.sub(self.follow, text)
        finally:
            self.stop()
        assert "\n$ " in text, "a page shows that it works"
        compare_page(page, told)
