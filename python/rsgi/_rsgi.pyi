"""The compiled part of rsgi: what Python may use of it."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Literal, final

from rsgi._types import Message, WSGIApp
from rsgi.config import Config
from rsgi.plan import Plan

__all__ = [
    "SETTINGS",
    "VERSION",
    "Admin",
    "AdminLine",
    "AsyncBody",
    "BodySpool",
    "BridgeCall",
    "BridgeRequest",
    "ClientDisconnected",
    "Explanation",
    "Listeners",
    "LoopDriver",
    "RequestBodyError",
    "Router",
    "Server",
    "StoredBody",
    "WsgiBridge",
    "WsgiInput",
    "WsgiPool",
    "adopt_orphans",
    "build_environ",
    "check_access_log_format",
    "metrics",
    "name_process",
    "write_json",
]

VERSION: str
SETTINGS: list[str]

class ClientDisconnected(OSError):
    """The client has gone: what was not read is lost and what is sent goes nowhere."""

class RequestBodyError(OSError):
    """The request body broke off: malformed, too large or too slow. It must not be taken for a whole one."""

@final
class AsyncBody:
    """The response of a WSGI call whose body comes from an async iterator."""

    def write(self, piece: bytes, /) -> bool:
        """Send a piece; blocks while the client is slow. Gives whether more is wanted.

        Raises:
            ClientDisconnected: when the client has left.
        """
    def abandoned(self) -> bool:
        """Whether the client has left. Never blocks."""

@final
class Router:
    """Who answers what, by a plan; binds nothing and calls no application."""

    def __new__(cls, plan: Plan) -> Router:
        """Compile the plan.

        Raises:
            StartupError: when its rules and routes make no sense.
        """
    def explain(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]] = ...,
        websocket: bool = False,
        client: str | None = None,
    ) -> Explanation:
        """Say who would answer a request, and what decides it.

        Args:
            method: The method; case counts.
            url: A path, or an absolute URL, percent-encoded; the query does not count.
            headers: The fields of the request; values are ASCII.
            websocket: Whether it opens a WebSocket.
            client: The address of the client. One without a bucket is in the last one, which is in no share but that of all.

        Raises:
            ValueError: when no request could look like that.
        """
    def static_folder(self, url: str) -> int | None:
        """The folder of static files that `url` is looked for in, as a place in the plan's; `None` without one.

        Raises:
            ValueError: when no request could have it.
        """

@final
class Explanation:
    """Who would answer a request.

    What decides is one of: a `rule`; a `mount` (a prefix); the `table` of an application's routes; `probe`, where the ASGI
    application is asked first; `websocket`, where HTTP goes to WSGI and WebSocket to ASGI; `only`, the one application
    without a prefix; `none`, when nobody answers.
    """

    @property
    def kind(self) -> Literal["rule", "mount", "table", "probe", "websocket", "only", "none"]:
        """What decides."""
    @property
    def index(self) -> int | None:
        """The place of what decides; `None` when no row does.

        In `Plan.rules`, `Plan.apps`, or the table of the application that answers: `Plan.table` for the ASGI one,
        `Plan.wsgi_table` for the WSGI one.
        """
    @property
    def detail(self) -> str | None:
        """The text of the rule, the prefix, or the path of the route."""
    @property
    def reason(self) -> str:
        """All of that in words."""
    @property
    def app(self) -> int | None:
        """Who answers, as a place in `Plan.apps`."""
    @property
    def then(self) -> int | None:
        """Who answers in `probe` mode when the first has no such route."""
    @property
    def script_name(self) -> str:
        """What the application sees as its mount point (`SCRIPT_NAME`, `root_path`), decoded."""
    @property
    def path_info(self) -> str:
        """The rest of the path (`PATH_INFO`), decoded."""
    @property
    def share_rule(self) -> int | None:
        """The first rule with a share that fits in all else, in `Plan.rules`; `None` when no share was asked."""
    @property
    def share_lot(self) -> Literal["cookie", "hash", "tester", "drawn", "unknown"] | None:
        """What the share went by; `drawn` is a bucket that the client has yet to get, `unknown` nothing at all."""
    @property
    def bucket(self) -> int | None:
        """The client's bucket, when it has one."""

@final
class LoopDriver:
    """Drives the sockets of a server from the thread of its event loop."""

    def wait(self, timeout: float | None, /) -> bool:
        """Serve until there is something for the loop to do, or `timeout` seconds are over; `None` is for ever.

        What the server has for the loop is done when this returns.

        Returns:
            Whether the application's own descriptors are to be looked at.

        Raises:
            RuntimeError: when the server has ended.
        """
    def close(self) -> None:
        """Leave the selector's descriptor alone, before it is closed."""

def check_access_log_format(format: str) -> None:
    """Say what is wrong with a format of the access log.

    Raises:
        StartupError: when something is.
    """

def write_json() -> None:
    """Make each line that this process writes to stderr from Rust a JSON object, from now on."""

def adopt_orphans() -> None:
    """Make this process the parent of every process below it whose own parent has ended.

    Raises:
        OSError: where the system cannot do that.
    """

def name_process(name: str) -> None:
    """Put `name` before every line that this process writes to stderr from Rust; only the first call counts."""

@final
class Listeners:
    """Sockets that are bound and listen, with nobody who accepts yet."""

    def __new__(cls) -> Listeners:
        """None yet."""
    def listen(self, address: str, config: Config) -> None:
        """Bind one address: `host:port`, `unix:/path` or `unix:@name`; `config` says how.

        Raises:
            StartupError: when it cannot be had.
        """
    def add_stdin(self) -> None:
        """Add a copy of the socket that is standard input, which another process has bound.

        Raises:
            OSError: when it is not a socket with an address.
        """
    def take_admin_line(self) -> None:
        """Take a copy of the socket that is standard input for the line to the supervisor's admin listener.

        Raises:
            OSError: when there are no descriptors left.
        """
    def release(self) -> None:
        """Close the sockets in this process; the files of Unix sockets stay until the end of this object."""
    def close(self) -> None:
        """Close those that nobody has taken; socket files of our making are removed."""
    @property
    def descriptors(self) -> list[int]:
        """The numbers of the descriptors, to be handed to a child."""
    def urls(self, encrypted: bool) -> list[str]:
        """Where they listen, such as `http://127.0.0.1:8000`; TCP with TLS if it is `encrypted`."""

@final
class Admin:
    """The admin listener of a process whose workers serve. Without `--admin` it does nothing."""

    def __new__(cls, config: Config, listeners: Listeners) -> Admin:
        """Bind the address that `config` names, if it names one, and answer from now on.

        Raises:
            StartupError: when it cannot be had, or anybody could look.
        """
    def line(self) -> AdminLine:
        """A place for a worker that is about to be started.

        Raises:
            OSError: when there are no descriptors left.
        """
    def wanted(self, number: int) -> None:
        """Say how many workers there should be."""
    def restarted(self, reason: str) -> None:
        """Count a worker that was replaced; `reason` is one of a few words, for the label."""
    def serving(self) -> None:
        """Say that the first workers are all ready."""
    def draining(self) -> None:
        """Say that all workers are to end."""
    def stop(self) -> None:
        """Answer no more."""

@final
class AdminLine:
    """A worker as the admin listener sees it."""

    @property
    def descriptor(self) -> int | None:
        """The descriptor that the worker is to inherit, until it has; `None` without an admin listener."""
    def inherited(self) -> None:
        """Say that the process runs, and has its descriptor."""
    def serving(self) -> None:
        """Say that the worker accepts connections."""
    def leaving(self) -> None:
        """Say that the worker was told to end."""
    def ended(self) -> None:
        """Say that the process has ended."""

def metrics() -> list[tuple[str, str, str, list[str], str]]:
    """Every metric: name, type, unit, labels, meaning."""

@final
class Server:
    """One server: made, started and finished once."""

    def __new__(cls, config: Config, plan: Plan, listeners: Listeners, shared: bool) -> Server:
        """Start the WSGI threads.

        Args:
            config: All settings.
            plan: Who serves what.
            listeners: What to accept from, taken out of it.
            shared: Whether other processes accept from them, too. Then it is not said where the server listens.

        Raises:
            StartupError: when something in the settings cannot be.
        """
    def wait_until_ready(self) -> bool:
        """Wait until connections are accepted; `False` when the server ends before. Called once."""
    @property
    def io(self) -> Literal["thread", "loop", "pool"]:
        """Who drives the sockets: a thread of the server's own, the event loop, or the WSGI threads."""
    def loop_driver(self, selector: int) -> LoopDriver:
        """What the selector of the event loop waits with, when the loop drives the sockets.

        Args:
            selector: The descriptor of the selector that has the application's own descriptors.

        Raises:
            OSError: when it cannot be watched.
        """
    def start(
        self,
        event_loop: asyncio.AbstractEventLoop | None,
        on_end: Callable[[], object],
        on_started: Callable[[], object] | None = None,
    ) -> None:
        """Start serving.

        Args:
            event_loop: Runs the ASGI applications; the caller runs it. `None` when there is none of them.
            on_end: Called on another thread when the server has ended.
            on_started: Called in the loop when the applications have started, before the first request is taken. What it
                raises ends the server; `finish` raises it.
        """
    def reroute(self, plan: Plan) -> None:
        """Go by another plan for the same applications; what has begun stays where it is.

        Raises:
            StartupError: when its rules and routes make no sense; then nothing changes.
            ValueError: when its applications are others.
        """
    def wait_until_worn(self) -> str | None:
        """Wait until there is a reason to replace this process, and give it.

        `None` when the server ends before, and at once where no supervisor would do it. Called once.
        """
    def beat(self, descriptor: int, every: float) -> None:
        """Say in a pipe that the sockets are driven, for as long as they are.

        Args:
            descriptor: The writing end. It is opened anew, so that this one may be closed.
            every: How often, in seconds.

        Raises:
            OSError: when it is no pipe.
        """
    def stop(self) -> None:
        """Stop accepting; what runs may finish within the grace time."""
    def reload_tls(self) -> bool:
        """Read certificates and keys again, for the connections that come.

        Returns:
            False when the server has none.

        Raises:
            StartupError: when something is wrong with them; the old ones stay.
        """
    def reopen_access_log(self) -> bool:
        """Open the file of the access log again by its name; `False` when there is none."""
    def detach(self, event_loop: asyncio.AbstractEventLoop) -> None:
        """Take nothing more to the loop, before its remaining tasks are cancelled."""
    def finish(self) -> None:
        """Wait for the server to end.

        Raises:
            StartupError: when the startup of an application failed.
        """
    @staticmethod
    def wait_for_calls(patience: float) -> int:
        """Wait up to `patience` seconds for the WSGI calls of this process to end; the number that still run."""
    @property
    def admin_address(self) -> str | None:
        """Where the admin listener of this process is, such as `http://127.0.0.1:9090`; `None` without one."""
    @property
    def addresses(self) -> list[str]:
        """Where the server listens, such as `http://127.0.0.1:8000`."""

@final
class WsgiPool:
    """Threads that run WSGI applications, and a bounded queue in front of them.

    Several `rsgi.WsgiToAsgi` may share one. The threads start with the first call of each process. When all are busy, some
    of them with calls whose clients have left or do not read, spare threads take their places: a quarter as many as
    `threads` at most, and none where `threads` is 1, because its applications are promised to be alone.

    Args:
        threads: How many threads.
        queue: How many calls may wait for one.

    Raises:
        ValueError: when either is below 1.
    """

    def __new__(cls, threads: int, queue: int = 1024) -> WsgiPool: ...
    @property
    def threads(self) -> int:
        """How many threads it has."""
    @property
    def queue(self) -> int:
        """How many calls may wait for one."""
    @property
    def running(self) -> int:
        """How many calls run, in this process."""
    @property
    def waiting(self) -> int:
        """How many calls wait for a thread."""
    @property
    def orphaned(self) -> int:
        """How many calls run on after their clients have left: a thread cannot be stopped."""
    @property
    def stalled(self) -> int:
        """How many calls had to wait for a client that does not read the answer."""
    @property
    def spare(self) -> int:
        """How many threads stand in for orphaned and stalled ones."""
    def busy_threads(self) -> list[int]:
        """The `threading.get_ident()` of each thread that runs a call."""

@final
class WsgiInput:
    """A `wsgi.input` of its own: the same calls give the same results as those of `io.BytesIO`.

    Args:
        body: All of it, or an iterable that is asked for more when more is read.
    """

    def __new__(cls, body: bytes | Iterable[bytes]) -> WsgiInput: ...
    def read(self, size: int | None = None, /) -> bytes:
        """Read `size` bytes, fewer only at the end; all without `size`.

        Raises:
            OSError: when the body broke off.
        """
    def readline(self, size: int | None = None, /) -> bytes:
        """Read one line with its end; at most `size` bytes of it."""
    def readlines(self, hint: int | None = None, /) -> list[bytes]:
        """Read lines until the end, or until their bytes reach `hint`."""
    def __iter__(self) -> WsgiInput: ...
    def __next__(self) -> bytes: ...

def build_environ(
    scope: dict[str, Any],
    input: object | None = None,
    *,
    content_length: int | None = None,
    multithread: bool = True,
    multiprocess: bool = False,
) -> dict[str, Any]:
    """The `environ` that a WSGI application gets for an ASGI HTTP scope, for a bridge of one's own.

    Args:
        scope: Of type `http`.
        input: What `wsgi.input` is to be; an empty one without it.
        content_length: The length of the body in bytes, where no header says it.
        multithread: Whether several threads call the application.
        multiprocess: Whether several processes do.

    Raises:
        ValueError: when the scope holds what is no request.
    """

@final
class BodySpool:
    """A request body that is kept whole: in memory, then in a temporary file."""

    def __new__(cls) -> BodySpool: ...
    def add(self, chunk: bytes) -> bool:
        """Take a piece; `True` says that `flush` should be called before the next one."""
    def flush(self) -> None:
        """Write what is in memory to the file. Blocks."""
    @property
    def length(self) -> int:
        """Bytes taken so far."""

@final
class BridgeRequest:
    """One request that was read from its scope."""

    @property
    def refusal(self) -> tuple[int, str] | None:
        """Status and reason, when it must not reach the application."""
    @property
    def streams(self) -> bool:
        """Whether the body is handed on while it comes."""
    @property
    def expects_continue(self) -> bool:
        """Whether nothing may be received before the application reads."""
    @property
    def has_length(self) -> bool:
        """Whether the length of the body is known."""

@final
class WsgiBridge:
    """A WSGI application and the pool that runs it, for `rsgi.WsgiToAsgi`, whose attributes are its settings."""

    def __new__(cls, app: WSGIApp, name: str, pool: WsgiPool, settings: object) -> WsgiBridge: ...
    def request(self, scope: dict[str, Any]) -> BridgeRequest:
        """Read an HTTP scope.

        Raises:
            ValueError: when it holds what is no request.
        """
    def call(
        self,
        request: BridgeRequest,
        event_loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
        body: bytes | BodySpool | None,
    ) -> BridgeCall | None:
        """Start the call; `None` when the queue is full.

        Args:
            request: The request, once.
            event_loop: The loop that awaits it.
            context: What the application runs in.
            body: All of the body; `None` when it will be fed.
        """

@final
class BridgeCall:
    """One call that runs in the pool."""

    def feed(self, chunk: bytes) -> Awaitable[None]:
        """Give it a piece of the request body; awaiting waits for room."""
    def wanted(self) -> Awaitable[bool]:
        """Wait until the application reads (`True`), or has ended."""
    def finish_body(self) -> None:
        """Say that the request body is complete."""
    def disconnect(self) -> None:
        """Say that the client has gone: reading raises, and sending ends the call."""
    def over(self) -> Coroutine[Any, Any, None]:
        """Wait until the thread is done with the call, `close()` of the iterable included."""
    def messages(self) -> Awaitable[list[Message | StoredBody] | None]:
        """The next ASGI messages to send, or where they are; `None` at the end.

        Raises:
            Exception: what the application raised.
            RuntimeError: when the response breaks off.
        """

@final
class StoredBody:
    """A part of a response body that is in a file, because the host took the body too slowly."""

    def read(self) -> Message | None:
        """The message with the next piece; `None` at the end. Blocks.

        Raises:
            RuntimeError: when the file cannot be read.
        """
