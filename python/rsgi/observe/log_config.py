"""Sets up Python's `logging` from a file, before an application is imported.

`log.py` is the server's own logger. This is the configuration of the operator.
"""

from __future__ import annotations

import json
import logging
import logging.config
import sys
from pathlib import Path
from typing import Any

from rsgi.errors import StartupError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_HINT = "it must have what `logging.config.dictConfig` takes, as JSON or TOML, with `version = 1`"


def set_up_from(path: str) -> None:
    """Set up `logging` as the file says. Our own logger stays as it is, unless the file names it.

    Raises:
        StartupError: when it cannot be read, or is not what `logging.config.dictConfig` takes.
    """
    settings = _read(path)
    try:
        logging.config.dictConfig(settings)
    except Exception as error:
        cause = f": {error.__cause__}" if error.__cause__ is not None else ""
        raise StartupError(f"the log configuration `{path}` is wrong: {error}{cause}", _HINT) from error
    # A file that does not name it switches it off without meaning to.
    logging.getLogger("rsgi").disabled = False


def _read(path: str) -> dict[str, Any]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise StartupError(f"the log configuration `{path}` cannot be read: {reason}", "see `--log-config`") from error
    try:
        settings = tomllib.loads(text) if Path(path).suffix == ".toml" else json.loads(text)
    except ValueError as error:  # of both kinds
        kind = "TOML" if Path(path).suffix == ".toml" else "JSON"
        raise StartupError(f"the log configuration `{path}` is not {kind}: {error}", _HINT) from error
    if not isinstance(settings, dict):
        raise StartupError(f"the log configuration `{path}` is not an object", _HINT)
    return settings
