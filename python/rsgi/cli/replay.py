"""`rsgi replay`: sends the requests of a recording to an application in this process, and compares the responses.

CI runs it: it needs no server, no port and no second application. `rsgi.compare.replaying.replay` does the work.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import click

from rsgi.cli.comparison import output_of, output_options
from rsgi.cli.environment import warn_of_variables
from rsgi.cli.parameters import SectionedCommand, SettingOption, config_from, options
from rsgi.cli.usage import HintedUsageError
from rsgi.errors import StartupError
from rsgi.observe.console import say

if TYPE_CHECKING:
    from rsgi._types import ASGIApp
    from rsgi.compare.comparer import Comparer
    from rsgi.compare.results.report import RouteReport
    from rsgi.compare.storage.recording import Recorded, Recording
    from rsgi.routing.plan import App
    from rsgi.settings.config import Config

_HELP = """Send recorded requests to an application, and compare its responses with the recorded ones.

\b
    rsgi serve --wsgi old:app --record old.jsonl
    rsgi replay old.jsonl --asgi new:app
    rsgi replay old.jsonl --asgi new:app --ignore '$.items[*].updated'

The application runs in this process: rsgi binds no address. The exit code is 1 if a response differs. Cookies and tokens
are not recorded; --header sets them. See docs/record-and-replay.md.
"""

_OPTIONS = ("wsgi", "asgi", "config", "env_file", "app_dir", "loop", "lifespan_timeout", "debug")
_APPS = ("wsgi", "asgi")

# How many tracebacks of the application are printed.
_TRACEBACKS = 3
_FRAMES = 4


def _replay(*, file: str, **_: object) -> int:
    context = click.get_current_context()
    warn_of_variables()
    output, comparer = output_of(context), _comparer(context)
    headers = [_header(text, context) for text in context.params["headers"]]
    config = config_from(context)
    try:
        recording = _read(file)
        with contextlib.redirect_stdout(sys.stderr):  # what the application prints is no part of the results
            reports, errors = _run(recording, _application(config, context), config, comparer, headers)
    except StartupError as error:
        if config.debug:
            traceback.print_exception(error.__cause__ or error, file=sys.stderr)
        raise
    output.show(reports)
    _tell(recording.requests, headers, errors, whole=config.debug)
    return output.judge(reports)


def _read(path: str) -> Recording:
    from rsgi.compare.storage.recording import read_recording

    recording = read_recording(path)
    if not recording.requests:
        raise StartupError(f"`{path}` has no requests", "send requests to the server while it records")
    return recording


def _application(config: Config, context: click.Context) -> App:
    """The one application to send requests to, as an ASGI application."""
    from rsgi.apps.importer import load_target, target_name
    from rsgi.apps.interface import check_interface
    from rsgi.bridge.wsgi_to_asgi import WsgiToAsgi
    from rsgi.routing.plan import App

    given = [each for interface in _APPS for each in context.params[interface]]
    if len(given) != 1:
        what = "no application is given" if not given else "more than one application is given"
        raise HintedUsageError(what, f"for example `{context.command_path} FILE --asgi new:app`", context)
    (asked,) = given
    application = load_target(asked.target, config.app_dir)
    check_interface(application, asked.interface, asked.target)
    if asked.interface == "wsgi" and not isinstance(application, WsgiToAsgi):
        application = WsgiToAsgi(application)  # type: ignore[arg-type]
    return App(target_name(asked.target), "asgi", asked.prefix.rstrip("/"), application, asked.target)


def _run(
    recording: Recording, app: App, config: Config, comparer: Comparer, headers: Sequence[tuple[str, str]]
) -> tuple[list[RouteReport], dict[str, BaseException]]:
    from rsgi.cli.startup import started
    from rsgi.compare.replaying.client import Client
    from rsgi.compare.replaying.replay import Replay
    from rsgi.compare.storage.redaction import Redaction

    given = click.get_current_context().params
    lifespan = given["run_lifespan"]
    with started([app] if lifespan != "off" else [], config, required=lifespan == "on") as running:
        state = running.states[0] if running.states else {}
        client = Client(cast("ASGIApp", app.application), state, app.prefix, given["scheme"], given["timeout"])
        replay = Replay(client, app.name, comparer, Redaction(recording.redact), headers)
        with _progress(len(recording.requests)) as advance:
            reports = running.loop.run_until_complete(replay.run(recording.requests, advance))
    return reports, replay.errors


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on stderr, if it is a terminal."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)


def _tell(
    requests: Sequence[Recorded],
    headers: Sequence[tuple[str, str]],
    errors: dict[str, BaseException],
    *,
    whole: bool,
) -> None:
    """Say on stderr what explains differences: exceptions, and what was not recorded."""
    for error in list(errors.values())[:_TRACEBACKS]:
        # The frames of the framework come first, and those of the application are the last.
        say("".join(traceback.format_exception(error, limit=None if whole else -_FRAMES, chain=whole)).rstrip())
    if len(errors) > _TRACEBACKS:
        say(f"note: the application raised {len(errors) - _TRACEBACKS} more exceptions")
    redacted = sum(each.redacted for each in requests)
    if redacted and not headers:
        lost = "1 request has" if redacted == 1 else f"{redacted} requests have"
        say(f"note: {lost} no cookies or tokens, because they are not recorded; `--header 'Cookie: …'` sets them")


def _comparer(context: click.Context) -> Comparer:
    from rsgi.compare.comparer import Comparer
    from rsgi.compare.options import DEFAULT_HEADERS, Comparison

    given = context.params
    headers = (*DEFAULT_HEADERS, *given["compare_headers"])
    try:
        return Comparer(Comparison(headers, given["ignore"], given["unordered"], given["masks"] or None))
    except ValueError as error:
        hint = "write for example `--ignore '$.items[*].updated'` or `--mask 'build=v[0-9.]+'`"
        raise HintedUsageError(str(error), hint, context) from error


def _header(text: str, context: click.Context) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or not (text.isprintable() and text.isascii()):
        raise HintedUsageError(f"`{text}` is not a header", "write for example `--header 'Cookie: session=1'`", context)
    return name.strip(), value.strip()


def _option(*declarations: str, **details: Any) -> click.Option:  # noqa: ANN401
    return click.Option(declarations, **details)


def _settings() -> list[click.Parameter]:
    """The options that are settings. Those for the applications say what they are here."""
    taken = [each for each in options() if each.name in _OPTIONS]
    for each in taken:
        if isinstance(each, click.Option) and each.name in _APPS:
            a_kind = {"wsgi": "a WSGI", "asgi": "an ASGI"}[each.name]
            each.help = f"Send the requests to {a_kind} application: `module:attr` or `module:factory()`."
    return taken


replay_command = SectionedCommand(
    name="replay",
    callback=_replay,
    params=[
        *_settings(),
        SettingOption(
            "--lifespan",
            "run_lifespan",
            section="Applications",
            type=click.Choice(["auto", "on", "off"]),
            default="auto",
            metavar="auto|on|off",
            help="Run the startup and the shutdown of the application. on fails if it has no lifespan.  [default: auto]",
        ),
        _option(
            "--header", "-H", "headers", multiple=True, metavar="HEADER", help="Set this request header. Repeatable."
        ),
        _option(
            "--scheme",
            type=click.Choice(["http", "https"]),
            default="http",
            metavar="http|https",
            help="The scheme that the application sees.  [default: http]",
        ),
        _option(
            "--timeout",
            type=click.FloatRange(0, min_open=True),
            default=30.0,
            metavar="SECONDS",
            help="How long a response may take.  [default: 30]",
        ),
        _option(
            "--ignore",
            multiple=True,
            metavar="PATH",
            help="Do not compare this JSON path: `$.items[*].updated`. Repeatable.",
        ),
        _option(
            "--unordered", multiple=True, metavar="PATH", help="Do not compare the order of this JSON list. Repeatable."
        ),
        _option(
            "--mask",
            "masks",
            multiple=True,
            metavar="MASK",
            help="Do not compare this in text: the name of a built-in mask, or NAME=REGEX. Repeatable. The default is all "
            "built-in masks.",
        ),
        _option(
            "--compare-header",
            "compare_headers",
            multiple=True,
            metavar="NAME",
            help="Also compare this response header. Repeatable.",
        ),
        *output_options("100%"),
        click.Argument(("file",)),
    ],
    help=_HELP,
    short_help="Send recorded requests to an application, and compare the responses.",
)
