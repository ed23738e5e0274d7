"""The `rsgi` logger: errors of applications, with a time, the client and the request.

`console.py` writes lines about the server itself. An application may set up logging for the whole process at any time.
Its errors are logged even if it disables this logger.
"""

from __future__ import annotations

import logging
import os
import select
import sys
import time

from rsgi.observe.console import json_line, process_name, writes_json


class _Formatter(logging.Formatter):
    """`2026-01-31T12:00:00.123Z error: …`, with the time of the access log and the levels of our other lines."""

    converter = time.gmtime  # type: ignore[assignment]
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        """The text of one record."""
        level, record.levelname = record.levelname, record.levelname.lower()
        try:
            return super().format(record)
        finally:
            record.levelname = level


class _JsonFormatter(logging.Formatter):
    """One JSON object a record, with what the server knows of the request."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of one record."""
        more = dict(getattr(record, "rsgi", {}))
        if record.exc_info:
            more["traceback"] = self.formatException(record.exc_info)
        return json_line(record.created, record.levelname.lower(), record.getMessage(), **more)


class _StderrHandler(logging.StreamHandler):  # type: ignore[type-arg] # not subscriptable before 3.11
    """Writes to standard error, but does not wait for a reader that has stopped: its thread serves requests.

    A pipe that is ready takes 4096 bytes at once (`PIPE_BUF`).
    """

    _lost = 0

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, or count it as lost."""
        try:
            file = self.stream.fileno()
        except (OSError, ValueError):  # somebody has put something else there
            super().emit(record)
            return
        try:
            text = self.format(record) + self.terminator
            if self._lost:
                text = f"{process_name()}warning: {self._lost} records were lost, because stderr took none\n{text}"
            self._write(file, text.encode(errors="backslashreplace"))
        except Exception:
            self.handleError(record)

    def _write(self, file: int, data: bytes) -> None:
        waiting = select.poll()
        waiting.register(file, select.POLLOUT)
        self.flush()
        for at in range(0, len(data), select.PIPE_BUF):
            if not waiting.poll(0 if self._lost else _TIMEOUT):
                self._lost += 1
                return
            piece = data[at : at + select.PIPE_BUF]
            while piece:
                piece = piece[os.write(file, piece) :]
        self._lost = 0


# How long a record waits for standard error, in milliseconds; when one was lost, the next do not wait.
_TIMEOUT = 100


def set_up_logging(level: str) -> None:
    """Give the `rsgi` logger a handler, unless the applications have set up logging themselves."""
    logger = logging.getLogger("rsgi")
    logger.setLevel(level.upper())
    if not logger.handlers and not logging.getLogger().handlers:
        logger.addHandler(_stderr_handler())
        logger.propagate = False


def reporting_logger() -> logging.Logger:
    """The logger for what applications do wrong: `rsgi`, or one that writes to stderr where `rsgi` reaches nobody.

    `logging.config.dictConfig` and `fileConfig` disable every logger that they do not name, unless they are told not to.
    """
    logger = logging.getLogger("rsgi")
    if not logger.disabled and logger.hasHandlers():
        return logger
    unheard = logging.Logger("rsgi", logging.WARNING)
    unheard.addHandler(_stderr_handler())
    return unheard


def _stderr_handler() -> logging.Handler:
    handler = _StderrHandler()
    if writes_json():
        handler.setFormatter(_JsonFormatter())
    else:
        handler.setFormatter(_Formatter(f"{process_name()}%(asctime)s %(levelname)s: %(message)s"))
    return handler
