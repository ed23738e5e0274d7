"""Recordings: files with requests and the responses that an application gave.

`rsgi serve --record` writes them, and `rsgi replay` reads them. The first line is a header, and each further line is one
JSON object. Secrets are removed before anything is written.

Spec: https://jsonlines.org
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from rsgi.compare.exchange import RequestRecord, ResponseRecord
from rsgi.compare.storage.redaction import REDACTED, Redaction
from rsgi.compare.storage.sample import write_body
from rsgi.errors import StartupError

VERSION = 1
_MARK = "rsgi-recording"

MIB = 1024 * 1024

# Requests that may be sent again.
SAFE_METHODS = ("GET", "HEAD")

_HINT = "`rsgi serve … --record FILE` writes a recording"

# How often the same request is recorded, and how many different requests are remembered for that.
_SAME = 3
_REMEMBERED = 20_000

# Fields that are about one connection or one cache. A replay without them is more alike.
_NOT_RECORDED = frozenset(
    "connection keep-alive te upgrade transfer-encoding if-none-match if-modified-since if-range range".split()
)


@dataclass(frozen=True)
class Recorded:
    """One line of a recording.

    Attributes:
        line: Its number.
        route: What results are grouped by.
        app: The application that received.
        request: The request, without secrets.
        response: Its response, without secrets.
    """

    line: int
    route: str
    app: str
    request: RequestRecord
    response: ResponseRecord

    @property
    def redacted(self) -> bool:
        """Whether something is missing from the request."""
        return REDACTED in self.request.target or any(REDACTED in value for _, value in self.request.headers)


@dataclass(frozen=True)
class Recording:
    """A recording that was read.

    Attributes:
        redact: The names of further fields whose values are missing.
        requests: The requests with their responses.
    """

    redact: tuple[str, ...]
    requests: tuple[Recorded, ...]


class Recorder:
    """Writes a recording. Several processes may write to the same file.

    A request is recorded up to three times. What cannot be written is lost: recording must not disturb the server.

    Args:
        path: The file. If it is a recording already, it is continued.
        redact: Names of further secret fields.
        max_bytes: How large the file may become.

    Attributes:
        lost: How many requests were not written because the file is full or cannot be written.
        why: Why the last one was not written; empty if none was lost.

    Raises:
        StartupError: when the file cannot be written, or is another file.
    """

    def __init__(self, path: str | os.PathLike[str], redact: Sequence[str] = (), max_bytes: int = 64 * MIB) -> None:
        self._redaction, self._max_bytes = Redaction(tuple(redact)), max_bytes
        self._seen: Counter[tuple[str, str]] = Counter()
        self.lost, self.why = 0, ""
        try:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._file = os.open(path, flags, 0o600)  # other users of the machine must not read it
            _begin(self._file, os.fspath(path), self._redaction)
        except OSError as error:
            hint = "name a file in a folder that exists and can be written"
            raise StartupError(f"cannot write the recording `{os.fspath(path)}`: {error.strerror}", hint) from error

    def record(self, route: str, app: str, request: RequestRecord, response: ResponseRecord) -> bool:
        """Write a request with its response. Say whether it was written."""
        if request.method not in SAFE_METHODS or response.error is not None or response.status in (206, 304):
            return False
        same = (request.method, request.target)
        if self._seen[same] >= _SAME or (len(self._seen) >= _REMEMBERED and same not in self._seen):
            return False
        try:
            line = json.dumps(_entry(route, app, self._redaction, request, response), ensure_ascii=True) + "\n"
            if os.fstat(self._file).st_size + len(line) > self._max_bytes:
                self.why = f"it has reached {self._max_bytes} bytes (`--record-size`) and takes no more"
            elif _append(self._file, line.encode()):
                self._seen[same] += 1
                return True
            else:
                self.why = "the disk is full"
        except (OSError, ValueError, RecursionError) as error:
            self.why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        self.lost += 1
        return False

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):
            os.close(self._file)


def _begin(file: int, path: str, redaction: Redaction) -> None:
    """Write the first line if the file is empty. Otherwise see that it is a recording."""
    with _locked(file):
        if os.fstat(file).st_size == 0:
            created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            header = {_MARK: VERSION, "created": created, "redact": list(redaction.names)}
            os.write(file, json.dumps(header).encode() + b"\n")
            return
        os.lseek(file, 0, os.SEEK_SET)
        _read_header(os.read(file, 10_000).decode("utf-8", "replace").partition("\n")[0], path)


def _append(file: int, line: bytes) -> bool:
    """Append a line as a whole: other processes append, too."""
    with _locked(file):
        end = os.fstat(file).st_size
        if os.write(file, line) == len(line):
            return True
        os.ftruncate(file, end)  # the disk is full
        return False


@contextlib.contextmanager
def _locked(file: int) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:  # there are no locks of this kind on Windows, and no workers either
        yield
        return
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _entry(
    route: str, app: str, redaction: Redaction, request: RequestRecord, response: ResponseRecord
) -> dict[str, Any]:
    kept, kept_response = redaction.request(request), redaction.response(response)
    return {
        "route": route,
        "app": app,
        "request": {
            "method": kept.method,
            "target": kept.target,
            "headers": [[name, value] for name, value in kept.headers if name.lower() not in _NOT_RECORDED],
        },
        "response": {
            "status": kept_response.status,
            "headers": [list(pair) for pair in kept_response.headers],
            "body": write_body(kept_response.body),
            "size": kept_response.size,
            "complete": kept_response.complete,
            "sha256": kept_response.sha256,
            "seconds": round(kept_response.seconds, 6),
        },
    }


def read_recording(path: str | os.PathLike[str]) -> Recording:
    """Read a recording.

    Raises:
        StartupError: when it cannot be read, or a line is wrong. The message has its number.
    """
    shown = os.fspath(path)
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise StartupError(f"cannot read the recording `{shown}`: {error.strerror}", _HINT) from error
    except UnicodeDecodeError as error:
        raise StartupError(f"`{shown}` is not a recording: it is not UTF-8", _HINT) from error
    redact = _read_header(lines[0], shown)
    numbered = [(number, line) for number, line in enumerate(lines[1:], start=2) if line.strip()]
    return Recording(redact, tuple(_recorded(line, number, shown) for number, line in numbered))


def _read_header(line: str, path: str) -> tuple[str, ...]:
    """The names of further redacted fields, which the first line has."""
    try:
        header = json.loads(line)
        version, redact = header[_MARK], header.get("redact", [])
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise StartupError(f"`{path}` is not a recording: line 1 has no `{_MARK}`", _HINT) from error
    if version != VERSION:
        hint = f"this version of rsgi reads version {VERSION}: record again"
        raise StartupError(f"line 1 of `{path}`: the recording has version {version}", hint)
    if not isinstance(redact, list) or not all(isinstance(each, str) for each in redact):
        raise StartupError(f"line 1 of `{path}`: `redact` is not a list of names", _HINT)
    return tuple(redact)


def _recorded(line: str, number: int, path: str) -> Recorded:
    try:
        entry = json.loads(line)
        sent, received = entry["request"], entry["response"]
        request = RequestRecord(_text(sent["method"]), _text(sent["target"]), _pairs(sent["headers"]))
        response = ResponseRecord(
            status=_whole(received["status"]),
            headers=_pairs(received["headers"]),
            body=_body(received["body"]),
            size=_whole(received["size"]),
            complete=received["complete"] is True,
            sha256=received.get("sha256"),
            seconds=float(received.get("seconds", 0.0)),
        )
        if not request.target.startswith("/") and request.target != "*":
            raise ValueError("the target does not begin with `/`")
        return Recorded(number, str(entry["route"]), str(entry["app"]), request, response)
    except KeyError as error:
        why = f"it has no `{error.args[0]}`"
    except (ValueError, TypeError, AttributeError) as error:
        why = "it is not a JSON object" if isinstance(error, json.JSONDecodeError) else str(error)
    hint = "a line is cut if the disk was full or the file was edited: remove it"
    raise StartupError(f"line {number} of `{path}` is not a recorded request: {why}", hint)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{json.dumps(value)[:50]} is not text")
    value.encode("latin-1")  # a UnicodeEncodeError is a ValueError
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{json.dumps(value)[:50]} is not a whole number")
    return value


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list):
        raise TypeError("`headers` is not a list")
    return tuple((_text(name), _text(text)) for name, text in value)


def _body(value: object) -> bytes:
    if isinstance(value, dict):
        return base64.b64decode(cast("str", value["base64"]), validate=True)
    if not isinstance(value, str):
        raise TypeError("`body` is not text")
    return value.encode("utf-8")
