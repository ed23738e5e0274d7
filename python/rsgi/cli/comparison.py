"""What `rsgi diff` and `rsgi replay` share: how they print results, and their exit code.

`rsgi.compare` has the results. The commands get them in different ways.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rsgi.cli.usage import HintedUsageError
from rsgi.compare.results.verdict import parse_percent
from rsgi.errors import StartupError
from rsgi.observe.console import say

if TYPE_CHECKING:
    from rsgi.compare.results.report import RouteReport

BELOW = 1

# The width if there is no terminal and no COLUMNS.
_WIDTH_OF_A_PIPE = 120


@dataclass(frozen=True)
class Output:
    """What a command was asked to print.

    Attributes:
        as_json: Whether to print JSON.
        page: Where to write the page.
        pairs: How many samples of each route to show.
        fail_under: The match that each route needs, from 0 to 1.
        min_samples: How many samples each route needs.
    """

    as_json: bool
    page: str | None
    pairs: int
    fail_under: float | None
    min_samples: int

    def show(self, reports: Sequence[RouteReport]) -> None:
        """Print the results."""
        if self.page is not None:
            self._write_page(self.page, reports)
        if self.as_json:
            click.echo(json.dumps({"routes": [each.to_json() for each in reports]}, indent=2, ensure_ascii=False))
        elif self.page is None:
            from rsgi.compare.results.terminal import lines_of

            width = shutil.get_terminal_size((_WIDTH_OF_A_PIPE, 24)).columns
            click.echo("\n".join(lines_of(reports, pairs=self.pairs, width=min(max(width, 60), 160))))

    def _write_page(self, path: str, reports: Sequence[RouteReport]) -> None:
        from rsgi.compare.results.page import to_page

        try:
            Path(path).write_text(to_page(reports), encoding="utf-8", errors="replace")
        except OSError as error:
            message = f"`{path}` cannot be written: {error.strerror or error}"
            raise StartupError(message, "name a file in an existing folder") from error
        say(f"wrote {path}")

    def judge(self, reports: Sequence[RouteReport]) -> int:
        """Return the exit code, and say why."""
        from rsgi.compare.results.verdict import judge

        if self.fail_under is None:
            return 0
        verdict = judge(reports, self.fail_under, self.min_samples)
        for note in verdict.notes:
            say(f"note: {note}")
        for failure in verdict.failures:
            say(f"below: {failure}")
        return BELOW if verdict.failures else 0


def output_of(context: click.Context) -> Output:
    """What the options of a command ask for."""
    given = context.params
    return Output(given["as_json"], given["page"], given["pairs"], given["fail_under"], given["min_samples"])


def _percent(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return parse_percent(text)
    except ValueError as error:
        raise HintedUsageError(f"{parameter.opts[0]}: `{text}` {error}", "for example `99%`", context) from error


def output_options(fail_under: str | None) -> list[click.Parameter]:
    """The options for what is printed.

    Args:
        fail_under: The default of `--fail-under`.
    """
    shown = f"  [default: {fail_under}]" if fail_under else ""
    return [
        click.Option(("--json", "as_json"), is_flag=True, help="Write the results to stdout as JSON."),
        click.Option(("--html", "page"), metavar="FILE", help="Write the results as one self-contained web page."),
        click.Option(
            ("--pairs",),
            type=click.IntRange(0, 5),
            default=1,
            metavar="N",
            help="How many differing samples of each route to print.  [default: 1]",
        ),
        click.Option(
            ("--fail-under",),
            metavar="PERCENT",
            default=fail_under,
            callback=_percent,
            help=f"Exit with 1 if less of a route matches, or if nothing was compared.{shown}",
        ),
        click.Option(
            ("--min-samples",),
            type=click.IntRange(1),
            default=1,
            metavar="N",
            help="With --fail-under: how many samples each route needs.  [default: 1]",
        ),
    ]
