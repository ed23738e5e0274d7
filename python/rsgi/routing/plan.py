"""Who serves what, as data: applications, rules, and how requests are divided among them.

A `Plan` has no socket and no thread. The Rust side reads its attributes by name and divides the requests. `planning.py`
makes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from rsgi._rsgi import WsgiBridge
from rsgi._types import Interface
from rsgi.bridge import WsgiToAsgi
from rsgi.routing.introspect import Route
from rsgi.routing.shadow import ShadowRule
from rsgi.routing.static_folders import StaticFolder
from rsgi.settings.rollback import Rollback
from rsgi.settings.rules import FieldCondition, PathKind, Scheme
from rsgi.settings.shares import write_share

Mode: TypeAlias = Literal["mounts", "table", "probe", "websocket"]


@dataclass(frozen=True)
class App:
    """One application that is served.

    Attributes:
        name: Its name in the configuration file, else the text of its target.
        interface: The protocol it speaks.
        prefix: Where it is mounted: empty, or `/api` without a slash at the end.
        application: The callable.
        target: The text of its target.
        limit_concurrency: How many requests it may have at the same time.
        request_timeout: How long it may take until its response begins, in seconds.
        own_threads: How many threads it has for itself; `None` when it shares those of all.
    """

    name: str
    interface: Interface
    prefix: str
    application: object
    target: str
    limit_concurrency: int | None = None
    request_timeout: float | None = None
    own_threads: int | None = None

    @property
    def bridge(self) -> WsgiBridge | None:
        """What the server calls instead, when the application is a `rsgi.WsgiToAsgi`."""
        return self.application.bridge if isinstance(self.application, WsgiToAsgi) else None


@dataclass(frozen=True)
class Rule:
    """One routing rule, resolved. All but `app` is as in `ParsedRule`.

    Attributes:
        app: The place of its application in `Plan.apps`.
    """

    methods: tuple[str, ...] | None
    host: str | None
    kind: PathKind
    path: str
    fields: tuple[FieldCondition, ...]
    scheme: Scheme | None
    websocket: bool | None
    app: int
    text: str
    source: str
    share: int | None = None
    rollback: Rollback | None = None

    @property
    def shown(self) -> str:
        """The text of the rule with its share."""
        return self.text if self.share is None else f"{self.text}:{write_share(self.share)}"


@dataclass(frozen=True)
class Plan:
    """Who serves what.

    Attributes:
        apps: All applications, in the order given.
        rules: The route rules; the first that matches wins over all else.
        mode: How the applications without a prefix share the rest. `mounts`: there is at most one. `table`: the ASGI
            application has what is in `table`, the WSGI application the rest. `probe`: the ASGI application is asked
            first. `websocket`: HTTP goes to the WSGI application, WebSocket to the ASGI one.
        table: The routes of the ASGI application without a prefix, in `table` mode.
        reason: Why this mode, for people.
        wsgi_table: The routes of the WSGI application without a prefix, when it is preferred: HTTP that they own goes there
            before the mode is asked. `None` when the ASGI application is preferred.
        warnings: What is probably not meant, one sentence each.
        notes: What cannot be seen from here, one sentence each.
        static_folders: The folders of static files, which come before all applications.
        share_by: What the bucket of a client is made from, for rules with a share.
        share_testers: The secret of testers, who may choose an application.
        app_routes: The rows of the routes of each application, for its numbers and for `--name-routes`. `None` where they
            cannot be read. Empty when nobody asks.
        shadow: The requests that a second application gets too.
    """

    apps: tuple[App, ...]
    rules: tuple[Rule, ...]
    mode: Mode
    table: tuple[Route, ...]
    reason: str
    wsgi_table: tuple[Route, ...] | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    static_folders: tuple[StaticFolder, ...] = ()
    share_by: str = "cookie"
    share_testers: str | None = field(default=None, repr=False)
    app_routes: tuple[tuple[Route, ...] | None, ...] = field(default=(), repr=False)
    shadow: tuple[ShadowRule, ...] = ()
