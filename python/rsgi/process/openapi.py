"""Makes the OpenAPI document of `--openapi` for a server, whenever its routes or rules change.

`rsgi.routing.coverage.openapi` is the document. `src/http/document.rs` serves it.
"""

from __future__ import annotations

import json
import threading

from rsgi._rsgi import Server
from rsgi.errors import StartupError
from rsgi.observe.console import say
from rsgi.routing.coverage import draw_map, survey_plan
from rsgi.routing.coverage.openapi import to_openapi
from rsgi.routing.plan import Plan
from rsgi.settings.config import Config


class OpenapiDocument:
    """The document of one server."""

    def __init__(self, server: Server) -> None:
        """Take the server that shows it."""
        self._server = server
        self._lock = threading.Lock()

    def make(self, config: Config, plan: Plan) -> None:
        """Make it anew, if it is to be served. The one before stays if that fails."""
        if config.openapi is None:
            return
        with self._lock:
            try:
                survey = survey_plan(plan, config)
                text = json.dumps(to_openapi(survey, draw_map(survey)), ensure_ascii=False)
            # Frameworks can raise anything, and the applications are served without a document, too.
            except Exception as error:
                why = error.message if isinstance(error, StartupError) else f"{type(error).__name__}: {error}"
                say(f"warning: the document of `--openapi {config.openapi}` cannot be made: {why}")
                return
            self._server.show_openapi(text)
