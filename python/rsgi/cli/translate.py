"""`rsgi translate`: the rsgi command line for one of gunicorn, uvicorn, Granian, Hypercorn, waitress, Daphne or uWSGI.

`rsgi.migrate` translates. This file prints. Only the command goes to stdout, so a shell can run it.
"""

from __future__ import annotations

import re
import shlex

import click

from rsgi.cli.usage import HintedUsageError
from rsgi.migrate.command_line import UnknownCommand
from rsgi.migrate.translation import VARIABLE, Remark, translate

_HELP = """Translate the command line of another server for rsgi.

\b
    rsgi translate gunicorn app:app -w 4 -b :8000
    rsgi translate 'uvicorn main:app --host 0.0.0.0 --workers 4'

rsgi knows gunicorn, uvicorn, granian, hypercorn, daphne, waitress-serve and uwsgi, also with `python -m`. It prints the
command to stdout. It prints options that it cannot translate, and differences, to stderr. It imports and starts nothing.
"""


def _translate(*, words: tuple[str, ...]) -> int:
    context = click.get_current_context()
    if not words:
        raise HintedUsageError(
            "no command line is given", "for example `rsgi translate gunicorn app:app -w 4`", context
        )
    try:
        translation = translate(list(words))
    except UnknownCommand as error:
        hint = error.hint or "docs/coming-from.md has tables of the flags"
        raise HintedUsageError(str(error), hint, context) from error
    click.echo(" ".join(_quoted(word) for word in translation.words))
    _tell("not translated", translation.lost)
    _tell("not needed", translation.needless)
    _tell("different", translation.differs)
    return 0


def _quoted(word: str) -> str:
    """As a shell reads it; what is a variable to it, such as `$PORT`, stays one."""
    return f'"{word}"' if VARIABLE.search(word) and not re.search(r'["`\\]', word) else shlex.quote(word)


def _tell(title: str, remarks: tuple[Remark, ...]) -> None:
    if not remarks:
        return
    click.echo(f"\n{title}:", err=True)
    for each in remarks:
        click.echo(f"  {each.theirs}\n      {each.why}", err=True)


translate_command = click.Command(
    name="translate",
    callback=_translate,
    params=[click.Argument(("words",), nargs=-1, type=click.UNPROCESSED, metavar="COMMAND...")],
    help=_HELP,
    short_help="Translate the command line of another server.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
