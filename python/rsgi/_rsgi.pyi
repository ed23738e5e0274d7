"""The Python interface of the compiled part of rsgi."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Literal, final

from rsgi._types import Message, ShadowRequest, ShadowResponse, WSGIApp
from rsgi.routing.plan import Plan
from rsgi.settings.config import Config
from rsgi.settings.shadow_rules import ParsedShadow

__all__ = [
    "LIBRARIES",
    "PROFILE",
    "SETTINGS",
    "VERSION",
    "Admin",
    "AdminLine",
    "AsyncBody",
    "BodySpool",
    "BridgeCall",
    "BridgeRequest",
    "ClientDisconnected",
    "Dashboard",
    "Explanation",
    "Listeners",
    "LoopDriver",
    "RequestBodyError",
    "Router",
    "Server",
    "ShadowExchanges",
    "StoredBody",
    "WsgiBridge",
    "WsgiInput",
    "WsgiPool",
    "adopt_orphans",
    "build_environ",
    "check_access_log_format",
    "metrics",
    "name_process",
    "publish",
    "write_json",
]

VERSION: str
LIBRARIES: str
PROFILE: str
SETTINGS: list[str]

class ClientDisconnected(OSError):
    """The client has left. Unread data is lost, and nothing can be sent."""

class RequestBodyError(OSError):
    """The request body is incomplete: malformed, too large or too slow. Do not treat it as a complete body."""

@final
class AsyncBody:
    """The response of a WSGI call whose body comes from an async iterator."""

    def write(self, piece: bytes, /) -> bool:
        """Send a piece. Blocks while the client is slow. Returns whether more is wanted.

        Raises:
            ClientDisconnected: when the client has left.
        """
    def abandoned(self) -> bool:
        """Whether the client has left. Never blocks."""

@final
class Router:
    """Decides which application answers a request, by a plan. Binds no address and calls no application."""

    def __new__(cls, plan: Plan) -> Router:
        """Compile the plan.

        Raises:
            StartupError: when its rules or routes are invalid.
        """
    def explain(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]] = ...,
        websocket: bool = False,
        client: str | None = None,
    ) -> Explanation:
        """Return which application would answer a request, and what decides it.

        Args:
            method: The method, case-sensitive.
            url: A path or an absolute URL, percent-encoded. The query is ignored.
            headers: The fields of the request; values are ASCII.
            websocket: Whether the request opens a WebSocket.
            client: The address of the client. A client without a bucket counts as in bucket 9999.

        Raises:
            ValueError: when this is not a valid request.
        """
    def static_folder(self, url: str) -> int | None:
        """The index in the plan of the static folder for `url`, or `None`.

        Raises:
            ValueError: when this is not a valid URL of a request.
        """

@final
class Explanation:
    """Which application would answer a request, and why.

    One of these decides: a `rule`; a `mount` (a prefix); the `table` of an application's routes; `probe`, which asks the
    ASGI application first; `websocket`, which sends HTTP to WSGI and WebSocket to ASGI; `only`, the one application without
    a prefix; `none`, when nobody answers.
    """

    @property
    def kind(self) -> Literal["rule", "mount", "table", "probe", "websocket", "only", "none"]:
        """What decides."""
    @property
    def index(self) -> int | None:
        """The index of the deciding row, or `None`.

        It is an index in `Plan.rules`, in `Plan.apps`, or in the table of the application that answers: `Plan.table` for the
        ASGI application, `Plan.wsgi_table` for the WSGI application.
        """
    @property
    def detail(self) -> str | None:
        """The text of the rule, the prefix, or the path of the route."""
    @property
    def reason(self) -> str:
        """The same in words."""
    @property
    def app(self) -> int | None:
        """The application that answers, as an index in `Plan.apps`."""
    @property
    def then(self) -> int | None:
        """The application that answers in `probe` mode if the first one has no such route."""
    @property
    def script_name(self) -> str:
        """What the application sees as its mount point (`SCRIPT_NAME`, `root_path`), decoded."""
    @property
    def path_info(self) -> str:
        """The rest of the path (`PATH_INFO`), decoded."""
    @property
    def share_rule(self) -> int | None:
        """The index in `Plan.rules` of the first rule whose share was checked; `None` if none was."""
    @property
    def share_lot(self) -> Literal["cookie", "hash", "tester", "drawn", "unknown"] | None:
        """The source of the bucket. `drawn`: the client has none yet. `unknown`: it gets none."""
    @property
    def bucket(self) -> int | None:
        """The bucket of the client, if it has one."""

@final
class LoopDriver:
    """Drives the sockets of a server from the thread of its event loop."""

    def wait(self, timeout: float | None, /) -> bool:
        """Serve until the loop has work, or for `timeout` seconds. `None` means without a limit.

        Work of the server for the loop is done when this returns.

        Returns:
            Whether the descriptors of the application must be checked.

        Raises:
            RuntimeError: when the server has ended.
        """
    def close(self) -> None:
        """Stop watching the selector's descriptor, before it is closed."""

def check_access_log_format(format: str) -> None:
    """Check a format of the access log.

    Raises:
        StartupError: when it is invalid.
    """

def write_json() -> None:
    """From now on, write each line from Rust to stderr as a JSON object."""

def adopt_orphans() -> None:
    """Make this process the parent of descendants whose own parent has ended (a subreaper).

    Raises:
        OSError: when the system does not support it.
    """

def name_process(name: str) -> None:
    """Put `name` before every line from Rust to stderr. Only the first call has an effect."""

@final
class Listeners:
    """Sockets that are bound and listen, but do not accept yet."""

    def __new__(cls) -> Listeners:
        """Create an empty collection."""
    def listen(self, address: str, config: Config) -> None:
        """Bind one address: `host:port`, `unix:/path` or `unix:@name`, with the settings of `config`.

        Raises:
            StartupError: when it cannot be bound.
        """
    def add_stdin(self) -> None:
        """Add a copy of the socket on standard input, which another process has bound.

        Raises:
            OSError: when it is not a socket with an address.
        """
    def take_admin_line(self) -> None:
        """Use a copy of the socket on standard input for the connection to the supervisor's admin listener.

        Raises:
            OSError: when there are no descriptors left.
        """
    def release(self) -> None:
        """Close the sockets in this process. The files of Unix sockets stay until this object ends."""
    def close(self) -> None:
        """Close the unused sockets and remove the socket files that rsgi created."""
    @property
    def descriptors(self) -> list[int]:
        """The descriptor numbers, for a child process."""
    def urls(self, encrypted: bool) -> list[str]:
        """Where they listen, such as `http://127.0.0.1:8000`. With `encrypted`, TCP addresses use https."""

@final
class Admin:
    """The admin listener of a process whose workers serve. Without `--admin` it does nothing."""

    def __new__(cls, config: Config, listeners: Listeners) -> Admin:
        """Bind the address of `config`, if it has one, and start to answer.

        Raises:
            StartupError: when it cannot be bound, or would be public without a token.
        """
    def line(self) -> AdminLine:
        """Create the connection for a worker that is about to start.

        Raises:
            OSError: when there are no descriptors left.
        """
    def wanted(self, number: int) -> None:
        """Set the target number of workers."""
    def restarted(self, reason: str) -> None:
        """Count a replaced worker. `reason` is the label, one of a few words."""
    def serving(self) -> None:
        """Report that the first workers are all ready."""
    def draining(self) -> None:
        """Report that all workers drain."""
    def counters(self) -> str:
        """All counters so far, as JSON, for the history."""
    def show_history(self, text: str) -> None:
        """Show this history on the dashboard. It is JSON.

        Raises:
            ValueError: when it is something else.
        """
    def stop(self) -> None:
        """Stop answering."""

@final
class AdminLine:
    """The connection of the admin listener to a worker."""

    @property
    def descriptor(self) -> int | None:
        """The descriptor that the worker inherits, until it has it. `None` without an admin listener."""
    def inherited(self) -> None:
        """Report that the process runs and has its descriptor."""
    def serving(self) -> None:
        """Report that the worker accepts connections."""
    def leaving(self) -> None:
        """Report that the worker drains."""
    def ended(self) -> None:
        """Report that the process has ended."""

@final
class Dashboard:
    """What a serving process has for the dashboard, here or at its supervisor."""

    def show_routes(self, text: str) -> None:
        """Show these routes. They are JSON."""
    def counters(self) -> str:
        """All counters so far, as JSON, for the history."""
    def show_history(self, text: str) -> None:
        """Show this history. It is JSON.

        Raises:
            ValueError: when it is something else.
        """

def metrics() -> list[tuple[str, str, str, list[str], str]]:
    """Every metric: name, type, unit, labels, meaning."""

def publish(items: str) -> None:
    """Publish GRIP items to the held clients of all processes.

    Args:
        items: JSON, as `POST /publish/` of the admin listener takes it.

    Raises:
        RuntimeError: when no server of this process has `--grip`.
        ValueError: when the items are invalid.
    """

@final
class Server:
    """One server. Create, start and finish it once."""

    def __new__(cls, config: Config, plan: Plan, listeners: Listeners, shared: bool) -> Server:
        """Start the WSGI threads.

        Args:
            config: All settings.
            plan: Which application serves what.
            listeners: The sockets to accept from. The server takes them out of this object.
            shared: Whether other processes accept from them too. Then the server does not print where it listens.

        Raises:
            StartupError: when a setting is invalid.
        """
    def wait_until_ready(self) -> bool:
        """Wait until connections are accepted. Returns `False` when the server ends first. Call it once."""
    @property
    def io(self) -> Literal["thread", "loop", "pool"]:
        """Which thread drives the sockets: a separate thread, the event loop, or the WSGI threads."""
    def loop_driver(self, selector: int) -> LoopDriver:
        """The object with which the selector waits, if the event loop drives the sockets.

        Args:
            selector: The descriptor of the selector with the application's own descriptors.

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
            event_loop: The loop of the ASGI applications. The caller runs it. `None` if there are none.
            on_end: Called on another thread when the server has ended.
            on_started: Called in the loop when the applications have started, before the first request. If it raises, the
                server ends, and `finish` raises the exception.
        """
    def reroute(self, plan: Plan) -> None:
        """Use another plan for the same applications. Requests that have begun do not change.

        Raises:
            StartupError: when its rules or routes are invalid. Then nothing changes.
            ValueError: when it has other applications.
        """
    def show_openapi(self, text: str) -> None:
        """Show this OpenAPI document at the path of `openapi`, instead of an earlier one. Without `openapi`, do nothing."""
    def wait_until_worn(self) -> str | None:
        """Wait until there is a reason to replace this process, and return it.

        Returns `None` when the server ends first, and at once without a supervisor. Call it once.
        """
    def beat(self, descriptor: int, every: float) -> None:
        """Write heartbeats to a pipe while the sockets are driven.

        Args:
            descriptor: The writing end. It is opened again, so you may close this one.
            every: How often, in seconds.

        Raises:
            OSError: when it is not a pipe.
        """
    def stop(self) -> None:
        """Stop accepting. Running calls may finish within the grace time."""
    def reload_tls(self) -> bool:
        """Read certificates and keys again, for new connections.

        Returns:
            False when the server has none.

        Raises:
            StartupError: when they are invalid. The old ones stay in use.
        """
    def reopen_access_log(self) -> bool:
        """Reopen the file of the access log by its name. Returns `False` when there is none."""
    def detach(self, event_loop: asyncio.AbstractEventLoop) -> None:
        """Submit nothing more to the loop, before its remaining tasks are cancelled."""
    def finish(self) -> None:
        """Wait for the server to end.

        Raises:
            StartupError: when the startup of an application failed.
        """
    @staticmethod
    def wait_for_calls(timeout: float) -> int:
        """Wait up to `timeout` seconds for the WSGI calls of this process. Returns how many still run."""
    def shadow_exchanges(self) -> ShadowExchanges | None:
        """Return where the comparison of shadow traffic takes exchanges from, once. `None` without shadow traffic."""
    @property
    def dashboard(self) -> Dashboard | None:
        """What the dashboard needs of this process; `None` without an admin listener."""
    @property
    def admin_address(self) -> str | None:
        """The address of the admin listener of this process, such as `http://127.0.0.1:9090`, or `None`."""
    @property
    def addresses(self) -> list[str]:
        """Where the server listens, such as `http://127.0.0.1:8000`."""

@final
class ShadowExchanges:
    """The exchanges of shadow traffic that wait for the comparison."""

    @property
    def over(self) -> bool:
        """Whether nothing is there, and nothing more comes."""
    def next(
        self, timeout: float
    ) -> (
        tuple[
            str,
            ShadowRequest,
            str,
            ShadowResponse,
            tuple[ParsedShadow, str, ShadowResponse, ShadowResponse | None] | None,
        ]
        | None
    ):
        """Wait up to `timeout` seconds for the next one.

        Returns:
            The route, the request, the first application and its response. For shadow traffic also: the rule, the second
            application and its response, and perhaps a second response of the first one. `None` if there is no exchange.
        """
    def publish(self, compared: int, differing: int, summary: str) -> None:
        """Show what was compared so far.

        Args:
            compared: How many exchanges were compared.
            differing: How many of them differ.
            summary: The rest, as JSON.
        """
    def close(self) -> None:
        """Take no more. What is there can still be taken."""

@final
class WsgiPool:
    """Threads that run WSGI applications, with a bounded queue.

    Several `rsgi.WsgiToAsgi` may share one pool. The threads start with the first call of each process. If all threads are
    busy, spare threads replace those whose clients have left or do not read. There are at most a quarter as many spare
    threads as `threads`. There are none if `threads` is 1, because then a call never runs beside another.

    Args:
        threads: How many threads.
        queue: How many calls may wait for a thread.

    Raises:
        ValueError: when either is below 1.
    """

    def __new__(cls, threads: int, queue: int = 1024) -> WsgiPool: ...
    @property
    def threads(self) -> int:
        """The number of threads."""
    @property
    def queue(self) -> int:
        """How many calls may wait for a thread."""
    @property
    def running(self) -> int:
        """How many calls run in this process."""
    @property
    def waiting(self) -> int:
        """How many calls wait for a thread."""
    @property
    def orphaned(self) -> int:
        """How many calls still run although their clients have left."""
    @property
    def stalled(self) -> int:
        """How many calls wait for a client that does not read the response."""
    @property
    def spare(self) -> int:
        """How many spare threads replace orphaned and stalled ones."""
    def busy_threads(self) -> list[int]:
        """The `threading.get_ident()` of each thread that runs a call."""

@final
class WsgiInput:
    """A standalone `wsgi.input`. Its methods return the same results as those of `io.BytesIO`.

    Args:
        body: The complete body, or an iterable of pieces that is read on demand.
    """

    def __new__(cls, body: bytes | Iterable[bytes]) -> WsgiInput: ...
    def read(self, size: int | None = None, /) -> bytes:
        """Read `size` bytes, or fewer at the end. Without `size`, read everything.

        Raises:
            OSError: when the body is incomplete.
        """
    def readline(self, size: int | None = None, /) -> bytes:
        """Read one line with its line end, at most `size` bytes."""
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
    """Build the `environ` of a WSGI application from an ASGI HTTP scope, for your own bridge.

    Args:
        scope: A scope of type `http`.
        input: The `wsgi.input`. The default is an empty one.
        content_length: The length of the body in bytes, if no header has it.
        multithread: Whether several threads call the application.
        multiprocess: Whether several processes call the application.

    Raises:
        ValueError: when the scope is not a valid request.
    """

@final
class BodySpool:
    """A complete request body: in memory first, then in a temporary file."""

    def __new__(cls) -> BodySpool: ...
    def add(self, chunk: bytes) -> bool:
        """Add a piece. If it returns `True`, call `flush` before the next one."""
    def flush(self) -> None:
        """Write the data in memory to the file. Blocks."""
    @property
    def length(self) -> int:
        """The number of bytes so far."""

@final
class BridgeRequest:
    """One request, parsed from its scope."""

    @property
    def refusal(self) -> tuple[int, str] | None:
        """Status and reason if the request must not reach the application."""
    @property
    def streams(self) -> bool:
        """Whether the body is passed on while it arrives."""
    @property
    def expects_continue(self) -> bool:
        """Whether to receive nothing before the application reads."""
    @property
    def has_length(self) -> bool:
        """Whether the length of the body is known."""

@final
class WsgiBridge:
    """A WSGI application and its pool. The attributes of `rsgi.WsgiToAsgi` are its settings."""

    def __new__(cls, app: WSGIApp, name: str, pool: WsgiPool, settings: object) -> WsgiBridge: ...
    def request(self, scope: dict[str, Any]) -> BridgeRequest:
        """Parse an HTTP scope.

        Raises:
            ValueError: when it is not a valid request.
        """
    def call(
        self,
        request: BridgeRequest,
        event_loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
        body: bytes | BodySpool | None,
    ) -> BridgeCall | None:
        """Start the call. Returns `None` when the queue is full.

        Args:
            request: The request. Each one can be used once.
            event_loop: The loop that awaits the call.
            context: The context for the application.
            body: The complete body, or `None` if you will use `feed`.
        """

@final
class BridgeCall:
    """One call that runs in the pool."""

    def feed(self, chunk: bytes) -> Awaitable[None]:
        """Pass a piece of the request body. Await it to wait for capacity."""
    def wanted(self) -> Awaitable[bool]:
        """Wait until the application reads (`True`) or has ended."""
    def finish_body(self) -> None:
        """Report that the request body is complete."""
    def disconnect(self) -> None:
        """Report that the client has left. Reading then raises, and sending ends the call."""
    def over(self) -> Coroutine[Any, Any, None]:
        """Wait until the thread is done with the call, including `close()` of the iterable."""
    def messages(self) -> Awaitable[list[Message | StoredBody] | None]:
        """The next ASGI messages to send, or the stored parts with them. `None` at the end.

        Raises:
            Exception: the exception of the application.
            RuntimeError: when the response is incomplete.
        """

@final
class StoredBody:
    """A part of a response body in a file, because the host was too slow."""

    def read(self) -> Message | None:
        """The message with the next piece, or `None` at the end. Blocks.

        Raises:
            RuntimeError: when the file cannot be read.
        """
