"""Starts a framework's application under rsgi, or under the server that its users usually take."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from behaviours.hosts import GUNICORN_READY
from matrix.frameworks import Framework
from server import RSGI_READY, UVICORN_READY, Server

APPS = Path(__file__).with_name("apps")
_PACKAGE = Path(__file__).parents[1] / "python"
_START_TIMEOUT = 300.0  # some import half of the scientific stack, and Wagtail makes its database

Name = Literal["rsgi", "uvicorn", "gunicorn"]


class FrameworkServer(Server):
    """A server process with a folder for what its application leaves behind.

    Attributes:
        scratch: That folder.
    """

    def __init__(self, name: Name, framework: Framework, python: Path, scratch: Path) -> None:
        self.scratch = scratch
        scratch.mkdir(parents=True, exist_ok=True)
        arguments = {
            "rsgi": ["rsgi", "serve", f"--{framework.interface}", framework.target, "--port", "0"],
            "uvicorn": ["uvicorn", "--port", "0", framework.target],
            "gunicorn": ["gunicorn", "-b", "127.0.0.1:0", "-k", "gthread", "--threads", "4", framework.target],
        }[name]
        super().__init__(
            [str(python), "-W", "ignore", "-m", *arguments],
            ready={"rsgi": RSGI_READY, "uvicorn": UVICORN_READY, "gunicorn": GUNICORN_READY}[name],
            environment={
                "MATRIX_FOLDER": str(scratch),
                "PYTHONPATH": str(_PACKAGE),
                "HOME": str(scratch),  # some write settings there
                "GRADIO_ANALYTICS_ENABLED": "False",
                "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
            },
            folder=APPS,
            start_timeout=_START_TIMEOUT,
        )
