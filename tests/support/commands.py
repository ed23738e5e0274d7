"""Runs commands that print something and end, such as `rsgi routes`; `server.py` starts those that serve."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
STEPS = EXAMPLES / "flask_to_fastapi"


def run(
    *arguments: str, folder: Path = STEPS, columns: int | None = None, color: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run `rsgi ARGUMENTS` with no settings from outside."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RSGI_", "COLUMNS"))}
    environment |= {} if columns is None else {"COLUMNS": str(columns)}
    environment |= {"FORCE_COLOR": "1"} if color else {}
    command = [sys.executable, "-m", "rsgi", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False, encoding="utf-8"
    )
