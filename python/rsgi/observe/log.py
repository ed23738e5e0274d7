"""The `rsgi` logger: errors of applications, with a time, the client and the request.

`console.py` writes lines about the server itself. An application may set up logging for the whole process at any time.
Its errors are logged even if it disables this logger.
"""

from __future__ import annotations

import logging
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
    handler = logging.StreamHandler(sys.stderr)
    if writes_json():
        handler.setFormatter(_JsonFormatter())
    else:
        handler.setFormatter(_Formatter(f"{process_name()}%(asctime)s %(levelname)s: %(message)s"))
    return handler
