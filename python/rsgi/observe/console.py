"""Lines for the operator on standard error.

Several processes may write to the same terminal, so a line can start with its process. If a program reads the lines, each
one is a JSON object.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time

_name = ""
_json = False

_LEVEL = re.compile(r"(error|warning|hint|debug): ")


def name_process(name: str) -> None:
    """Put `name` before every line of this process from now on, those of the compiled part too."""
    global _name
    from rsgi import _rsgi

    _name = name
    _rsgi.name_process(name)


def process_name() -> str:
    """What stands before every line: empty for a process that is alone."""
    return _name


def write_json() -> None:
    """Make every line of this process a JSON object from now on, those of the compiled part too."""
    global _json
    from rsgi import _rsgi

    _json = True
    _rsgi.write_json()


def writes_json() -> bool:
    """Whether every line is a JSON object."""
    return _json


def columns() -> int | None:
    """The width of the terminal that lines go to; `None` if a program reads them."""
    if _json or not sys.stderr.isatty():
        return None
    return shutil.get_terminal_size().columns


def json_line(seconds: float, level: str, message: str, **more: object) -> str:
    """One line of the log as a JSON object; `seconds` is the time since 1970."""
    whole, milliseconds = divmod(int(seconds * 1000), 1000)
    moment = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{milliseconds:03}Z"
    return json.dumps({"time": moment, "level": level, "process": os.getpid(), "message": message, **more}, default=str)


def say(text: str) -> None:
    """Write `text`, of one line or several; the level is the word that it begins with."""
    if _json:
        level = _LEVEL.match(text)
        line = json_line(time.time(), level[1] if level else "info", text[level.end() :] if level else text)
    else:
        line = f"{_name}{text}"
    print(line, file=sys.stderr, flush=True)
