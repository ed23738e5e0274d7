"""Says how many database connections the applications of a plan can need, for the banner and `rsgi check`.

`apps/databases.py` finds the databases. This file knows how many threads and requests there are.
"""

from __future__ import annotations

import sys

from rsgi.apps.databases import Callers, databases, default_executor_threads
from rsgi.bridge import WsgiToAsgi
from rsgi.routing.introspect.channels import answers_http_with_django
from rsgi.routing.introspect.django import is_django_asgi
from rsgi.routing.plan import App, Plan
from rsgi.settings.config import Config

# How many threads anyio has, in which Starlette and FastAPI run handlers that are not `async`.
_ANYIO_THREADS = 40


def database_lines(config: Config, plan: Plan) -> list[str]:
    """One line for each database; none without one."""
    return [each.line for each in databases(_callers(config, plan))]


def _callers(config: Config, plan: Plan) -> Callers:
    asgi = [app for app in plan.apps if app.interface == "asgi"]
    executor = _ANYIO_THREADS if "starlette" in sys.modules else default_executor_threads()
    return Callers(_wsgi_threads(config, plan), executor if asgi else 0, _asgi_requests(plan, asgi), config.workers)


def _wsgi_threads(config: Config, plan: Plan) -> int:
    """The threads of all pools: the shared one, those of single applications, and those of bridges."""
    wsgi = [app for app in plan.apps if app.interface == "wsgi"]
    shared = config.wsgi_threads if any(app.own_threads is None for app in wsgi) else 0
    bridges = {id(each.pool): each.pool.threads for app in plan.apps if isinstance(each := app.application, WsgiToAsgi)}
    return shared + sum(app.own_threads or 0 for app in wsgi) + sum(bridges.values())


def _asgi_requests(plan: Plan, asgi: list[App]) -> int | None:
    """How many requests Django's ASGI handler can have at a time; `None` without a limit."""
    total = 0
    for place, app in enumerate(plan.apps):
        is_django = app in asgi and (is_django_asgi(app.application) or answers_http_with_django(app.application))
        gets_http = plan.mode != "websocket" or app.prefix or any(rule.app == place for rule in plan.rules)
        if is_django and gets_http:
            if app.limit_concurrency is None:
                return None
            total += app.limit_concurrency
    return total
