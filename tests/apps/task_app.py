"""One ASGI application whose paths lean on asyncio and anyio: timeouts, groups, shields, cancelled waits.

Every response is what the application saw, as JSON. Written to run alike in every ASGI server.
"""

import asyncio
import contextvars
import inspect
import json
import sys
import threading
import weakref

import anyio
import anyio.from_thread
import anyio.to_thread
import async_timeout
import sniffio

HANDLERS = {}
_events = []


async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await broadcast(receive, send)
        return
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await HANDLERS[scope["path"].lstrip("/").partition("/")[0]](scope, receive, send)


def path(handler):
    HANDLERS[handler.__name__.replace("_", "-")] = handler
    return handler


async def start(send, *headers):
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def piece(send, data, more=True):
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def respond(send, value):
    await start(send)
    await piece(send, json.dumps(value).encode(), more=False)


@path
async def events(scope, receive, send):
    await respond(send, _events)


# Each waits for something, for as long as 50 ms, and says whether the time was over.


async def by_wait_for(waiting):
    try:
        return await asyncio.wait_for(waiting(), 0.05)
    except asyncio.TimeoutError:
        return None


async def by_timeout(waiting):
    try:
        async with asyncio.timeout(0.05):
            return await waiting()
    except TimeoutError:
        return None


async def by_async_timeout(waiting):
    try:
        async with async_timeout.timeout(0.05):
            return await waiting()
    except asyncio.TimeoutError:
        return None


async def by_wait(waiting):
    task = asyncio.create_task(waiting())
    done, _ = await asyncio.wait([task], timeout=0.05)
    if done:
        return await task
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        assert task.cancelled()
    return None


async def by_anyio(waiting):
    with anyio.move_on_after(0.05) as scope:
        return await waiting()
    assert scope.cancelled_caught
    return None


async def by_anyio_group(waiting):
    found = None

    async def wait():
        nonlocal found
        found = await waiting()
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.sleep(0.05)
        group.cancel_scope.cancel()
    return found


async def by_bare_anyio_group(waiting):
    """`receive` itself is what the group runs; its message is lost, so only a wait in vain can be asked."""
    async with anyio.create_task_group() as group:
        group.start_soon(waiting)
        await anyio.sleep(0.05)
        group.cancel_scope.cancel()


WAYS = {name: value for name, value in globals().items() if name.startswith("by_")}


@path
async def receive_in_time(scope, receive, send):
    """Give up waiting for the body, say so, and wait again: nothing of the body is lost."""
    wait = WAYS[scope["query_string"].decode()]
    assert await wait(receive) is None
    await start(send)
    await piece(send, b"late")
    await piece(send, (await receive())["body"], more=False)


@path
async def send_in_time(scope, receive, send):
    """Numbered pieces until a client that does not read makes one late; then the rest of them."""
    wait = WAYS[scope["query_string"].decode()]
    await start(send)
    late = None
    for number in range(10_000):

        async def one(number=number):
            await piece(send, b"%08d" % number * 8192)
            return True

        if await wait(one) is None:
            late = number
            _events.append("late")
            break
    await piece(send, b"%08d" % (late + 1) * 8192, more=False)


@path
async def current_task(scope, receive, send):
    task = asyncio.current_task()
    before = isinstance(task, asyncio.Task), task in asyncio.all_tasks(), isinstance(task.get_name(), str)
    await receive()
    await start(send)
    await asyncio.sleep(0)
    after = asyncio.current_task() is task, bool(task.get_stack()), "Task" in repr(task)
    await piece(send, json.dumps([*before, *after]).encode(), more=False)


_VARIABLE = contextvars.ContextVar("variable", default="none")
_kept = []


@path
async def leave_a_trace(scope, receive, send):
    """Leave something on the task, or keep something of it."""
    task = asyncio.current_task()
    await _TRACES[scope["query_string"].decode().replace("%20", " ")](task)
    await respond(send, "left")


async def _wait_and_keep(task):
    _kept.append(task)
    await asyncio.sleep(0)


async def _cancel(task):
    task.cancel()


async def _cancel_and_not(task):
    task.cancel()
    task.uncancel()


async def _attribute(task):
    task.trace = "left"


async def _variable(task):
    _VARIABLE.set("left")


async def _name(task):
    task.set_name("left")


async def _callback(task):
    task.add_done_callback(lambda task: _events.append(f"done {task.get_name()}"))
    task.set_name("called back")


async def _reference(task):
    _kept.append(task)


async def _weak_reference(task):
    _kept.append(weakref.ref(task))


async def _context(task):
    _kept.append(contextvars.copy_context())
    _kept.append(_VARIABLE.set("in a token"))


async def _coroutine(task):
    _kept.append(task.get_coro())


_TRACES = {
    "attribute": _attribute,
    "variable": _variable,
    "name": _name,
    "callback": _callback,
    "reference": _reference,
    "weak reference": _weak_reference,
    "context": _context,
    "coroutine": _coroutine,
    "cancel": _cancel,
    "wait": _wait_and_keep,
}
if sys.version_info >= (3, 11):
    _TRACES["cancel and not"] = _cancel_and_not


@path
async def traces(scope, receive, send):
    """What the task of this request has of others."""
    task = asyncio.current_task()
    found = {
        "attribute": hasattr(task, "trace"),
        "variable": _VARIABLE.get(),
        "name": task.get_name() in ("left", "called back"),
        "cancelling": task.cancelling() if sys.version_info >= (3, 11) else 0,
        "kept": any(kept is task for kept in _kept),
        "alive": [kept() is task for kept in _kept if isinstance(kept, weakref.ref)],
        "done": [kept.done() for kept in _kept if isinstance(kept, asyncio.Task)],
        "listed": sum(each is task for each in asyncio.all_tasks()),
        "current": sum(each.get_coro() is task.get_coro() for each in asyncio.all_tasks()),
        "frames": len(task.get_stack()) > 0,
    }
    _kept.clear()
    await respond(send, found)


@path
async def names(scope, receive, send):
    await respond(send, asyncio.current_task().get_name())


@path
async def how_many_tasks(scope, receive, send):
    """With a task that has waited, so that no request is in its first step."""
    await asyncio.sleep(0.01)
    await respond(send, [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()])


@path
async def cancel_before_the_wait(scope, receive, send):
    """Cancelled in its first step, and then it waits: what it waits for is cancelled, too, if that can be."""
    task = asyncio.current_task()
    work = asyncio.ensure_future(asyncio.sleep(0.02, "worked"))
    waits = {
        "sleep": lambda: asyncio.sleep(10),
        "bare": lambda: asyncio.sleep(0),
        "future": asyncio.get_running_loop().create_future,
        "event": asyncio.Event().wait,
        "task": lambda: work,
        "shield": lambda: asyncio.shield(work),
        "gather": lambda: asyncio.gather(work, asyncio.sleep(10)),
        "stubborn": lambda: _Stubborn(loop=asyncio.get_running_loop()),
        "stubborn failure": lambda: _Stubborn(failing=True, loop=asyncio.get_running_loop()),
    }
    wait = waits[scope["query_string"].decode().replace("%20", " ")]
    task.cancel("because")
    try:
        seen = ["went on", repr(await wait())]
    except asyncio.CancelledError as error:
        seen = ["cancelled", *error.args]
    except Exception as error:
        seen = ["raised", repr(error)]
    if hasattr(task, "uncancel"):
        task.uncancel()
    await asyncio.wait([work])
    await asyncio.sleep(0)
    await respond(send, [*seen, "cancelled" if work.cancelled() else work.result(), task.cancelled()])


class _Stubborn(asyncio.Future):
    """Cannot be cancelled; is done a moment later."""

    def __init__(self, *, failing=False, loop):
        super().__init__(loop=loop)
        done = (lambda: self.set_exception(ValueError("failed"))) if failing else (lambda: self.set_result("done"))
        loop.call_later(0.01, done)

    def cancel(self, msg=None):
        return False


@path
async def task_group(scope, receive, send):
    """The first failure cancels the others, also one that waits in `receive`."""
    seen = []

    async def waits():
        try:
            await receive()  # the body
            await receive()  # waits for the client to leave
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def fails():
        await asyncio.sleep(0.01)
        raise ValueError("failed")

    group = asyncio.TaskGroup() if sys.version_info >= (3, 11) else anyio.create_task_group()
    begin = group.create_task if sys.version_info >= (3, 11) else lambda coroutine: group.start_soon(lambda: coroutine)
    try:
        async with group:
            begin(waits())
            begin(fails())
    except BaseException as error:
        seen += [type(each).__name__ for each in error.exceptions]
    seen.append(asyncio.current_task().cancelled())
    await respond(send, seen)


@path
async def shield(scope, receive, send):
    """What is shielded goes on when the wait for it is over."""
    done = asyncio.Event()
    release = asyncio.Event()

    async def work():
        await release.wait()
        await piece(send, b"shielded ")
        done.set()

    await start(send)
    working = asyncio.ensure_future(work())
    try:
        await asyncio.wait_for(asyncio.shield(working), 0.02)
    except asyncio.TimeoutError:
        await piece(send, b"late ")
    release.set()
    await asyncio.wait_for(done.wait(), 5)
    await piece(send, str(working.cancelled()).encode(), more=False)


@path
async def cancelled_from_inside(scope, receive, send):
    """A sub-task cancels the application's own task, which cleans up and answers all the same."""
    task = asyncio.current_task()
    asyncio.get_running_loop().call_later(0.01, task.cancel)
    try:
        await receive()
        await receive()
    except asyncio.CancelledError:
        if hasattr(task, "uncancel"):
            assert task.uncancel() == 0
        await respond(send, "cancelled, and answered")


@path
async def cancelled_while_it_waits(scope, receive, send):
    """A task that waits in `receive` hears why it was cancelled, in its own context."""

    async def waits():
        _VARIABLE.set("its own")
        try:
            await receive()  # the body
            await receive()  # waits for the client to leave
        except asyncio.CancelledError as error:
            return [*error.args, _VARIABLE.get()]

    task = asyncio.create_task(waits())
    await asyncio.sleep(0.01)
    await respond(send, [task.cancel("because"), *await task, _VARIABLE.get()])


@path
async def woken(scope, receive, send):
    """What the task is while it goes on after a wait for the client, and how far another task has come."""
    _VARIABLE.set("its own")
    task, steps = asyncio.current_task(), []

    async def other():
        while len(steps) < 1000:
            steps.append(asyncio.current_task() is not task)
            await asyncio.sleep(0.001)

    beside = asyncio.create_task(other())
    await start(send)
    for _ in range(3):
        seen = []
        while b"\n" not in (body := (await receive())["body"]):
            assert body
        seen += [asyncio.current_task() is task, _VARIABLE.get(), all(steps) and bool(steps)]
        await piece(send, json.dumps(seen).encode())
    beside.cancel()
    await piece(send, b"", more=False)


@path
async def anyio_finds_its_way(scope, receive, send):
    here = threading.get_ident()
    there, back = await anyio.to_thread.run_sync(_in_a_thread)
    found = {
        "library": sniffio.current_async_library(),
        "other thread": there != here,
        "and back": back == here,
        "cancelled": anyio.get_cancelled_exc_class() is asyncio.CancelledError,
        "task": isinstance(anyio.get_current_task().id, int),
    }
    await respond(send, found)


def _in_a_thread():
    async def ident():
        return threading.get_ident()

    return threading.get_ident(), anyio.from_thread.run(ident)


@path
async def two_listeners(scope, receive, send):
    """Two tasks wait for the client to leave, as middleware around a streaming response does; both are told."""
    assert (await receive())["type"] == "http.request"

    async def listen(name):
        _events.append(f"{name} {(await receive())['type']}")

    listening = [asyncio.create_task(listen(name)) for name in ("first", "second")]
    await start(send)
    await piece(send, b"listening")
    await asyncio.wait_for(asyncio.gather(*listening), 5)


@path
async def two_senders(scope, receive, send):
    """Two tasks send to one client, which is slow; both go on when there is room again."""
    await start(send)

    async def pieces(letter):
        for _ in range(200):
            await piece(send, letter * 32768)
        _events.append("sent")

    _events.append("sending")
    await asyncio.wait_for(asyncio.gather(pieces(b"a"), pieces(b"b")), 10)
    await piece(send, b"", more=False)


@path
async def two_early_listeners(scope, receive, send):
    """The same before the response has begun."""
    assert (await receive())["type"] == "http.request"
    _events.append("listening")

    async def listen(name):
        _events.append(f"{name} {(await receive())['type']}")

    await asyncio.wait_for(asyncio.gather(listen("first"), listen("second")), 5)


def in_its_first_step(scope, receive, send):
    """No `async def`: what runs before the coroutine is made runs in the task, too."""
    task = asyncio.current_task()
    return respond(send, isinstance(task, asyncio.Task) and inspect.isawaitable(task))


HANDLERS["in-its-first-step"] = in_its_first_step


def plain_callable(scope, receive, send):
    """An application that is no coroutine function, but a plain callable that returns an awaitable."""
    if scope["type"] != "http":
        return app(scope, receive, send)
    return HANDLERS["in-its-first-step"](scope, receive, send)


def gives_a_future(scope, receive, send):
    """An awaitable that is no coroutine."""
    return asyncio.ensure_future(app(scope, receive, send))


async def broadcast(receive, send):
    """Several tasks send to one WebSocket, as a chat does, and two receive."""
    await receive()
    await send({"type": "websocket.accept"})
    received = []

    async def listen():
        while (message := await receive())["type"] == "websocket.receive":
            received.append(message["text"])
            if len(received) == 100:
                await send({"type": "websocket.send", "text": json.dumps(received)})
                return
            await asyncio.sleep(0)

    async def speak(number):
        for _ in range(50):
            await send({"type": "websocket.send", "text": str(number) * 50_000})

    listening = [asyncio.create_task(listen()) for _ in range(2)]
    await asyncio.gather(*(speak(number) for number in range(4)))
    await send({"type": "websocket.send", "text": "all sent"})
    await asyncio.wait(listening, return_when=asyncio.FIRST_COMPLETED)
    for task in listening:
        task.cancel()
    await send({"type": "websocket.close"})
