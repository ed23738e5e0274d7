"""`rsgi share`: shows and changes the shares of a running server.

`admin_client.py` talks to the server, which knows its rules by their text. On the command line you can also name them by
path or by application.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import click

from rsgi.cli.admin_client import AdminClient, Share
from rsgi.cli.environment import warn_of_variables
from rsgi.cli.parameters import SectionedCommand, config_from, options
from rsgi.cli.usage import HintedUsageError
from rsgi.errors import StartupError
from rsgi.observe.console import say
from rsgi.settings.shares import parse_share, write_share

_HELP = """Show the shares of a running server, or change them.

\b
    rsgi share                                      list the rules with a share
    rsgi share new=25%                              set all rules of the application `new`
    rsgi share '/checkout/{rest:path}=25%'          set the rules for this path
    rsgi share 'GET /checkout/{rest:path}=new:25%'  set one rule, as it is listed
    rsgi share new=5% --advance                     let it rise from there again

This command talks to the admin listener of the server. Name it as for `rsgi serve`: with `--admin`, RSGI_ADMIN or the
configuration file. A share that you set stays until the server ends, or until the configuration file has another share
for the rule. rsgi does not write it to the file.
"""

_OPTIONS = ("config", "env_file", "app_dir", "admin", "admin_token", "debug")
_SET = re.compile(r"(?P<which>.+)[=:](?P<share>[^=:]*)", re.DOTALL)


def _share(*, sets: tuple[str, ...], advance: bool, as_json: bool, **_: object) -> int:
    context = click.get_current_context()
    wanted = [_parse(text, context) for text in sets]
    if advance and not wanted:
        hint = "name the rules and the share from which they rise: `rsgi share new=5% --advance`"
        raise HintedUsageError("`--advance` needs a share", hint, context)
    warn_of_variables()
    client = AdminClient(config_from(context))
    shares = client.shares()
    late = ""
    if wanted:
        changes: dict[str, object] = {}
        for which, share in wanted:
            changes |= dict.fromkeys(
                _rules(which, shares, advance), {"share": share, "advance": True} if advance else share
            )
        shares, took, workers = client.set_shares(changes)
        if took < workers:
            late = f"{took} of {workers} workers use the new share; the others will as soon as they respond"
    if as_json:
        listed = [{key: value for key, value in each.__dict__.items() if value is not None} for each in shares]
        click.echo(json.dumps({"shares": listed}, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_lines(shares)))
    if late:
        say(f"warning: {late}")
    return 0


def _rules(which: str, shares: Sequence[Share], advance: bool) -> list[str]:
    """Return the texts of the rules that `which` names.

    Raises:
        StartupError: when there are none, or they should rise and cannot.
    """
    named = _named(which, shares)
    for each in named:
        if advance and not (each.rollback or {}).get("steps"):
            hint = 'add it in the configuration file: `advance = { steps = ["5%", "25%", "100%"], after = "10m" }`'
            raise StartupError(f"the rule `{each.rule}` has no `advance`", hint)
    return [each.rule for each in named]


def _parse(text: str, context: click.Context) -> tuple[str, str]:
    """Split `new=25%`, or a rule with its share."""
    found = _SET.fullmatch(text.strip())
    if found is None:
        hint = "write the rules and their share: `rsgi share new=25%`"
        raise HintedUsageError(f"`{text}` has no share", hint, context)
    try:
        return found["which"].strip(), write_share(parse_share(found["share"]))
    except ValueError as error:
        hint = "write `5%` or `0.25%`, from 0% to 100%"
        raise HintedUsageError(f"`{found['share'].strip()}` {error}", hint, context) from error


def _named(which: str, shares: Sequence[Share]) -> list[Share]:
    """Return the rules that `which` names: by their text, path or application.

    Raises:
        StartupError: when there are none.
    """
    if not shares:
        hint = (
            "add a share to a rule first: `--route '/checkout=asgi:0%'`, or `share = \"0%\"` in the configuration file"
        )
        raise StartupError("no rule of the server has a share", hint)
    for found in (
        [each for each in shares if each.rule == which],
        [each for each in shares if which in (each.path, each.pattern)],
        [each for each in shares if which in (each.app, each.named)],
    ):
        if found:
            return found
    rules = ", ".join(f"`{each.rule}`" for each in shares)
    raise StartupError(f"`{which}` names no rule with a share", f"the rules with a share are {rules}")


def _lines(shares: Sequence[Share]) -> list[str]:
    if not shares:
        return ["no rule has a share"]
    width = max(len(each.share) for each in shares)
    return [f"{each.share:>{width}}  {each.rule}{_more(each)}" for each in shares]


def _more(share: Share) -> str:
    said = [f"{share.configured} in the settings"] if share.share != share.configured else []
    rollback = share.rollback or {}
    if rollback.get("reason"):
        said.append(f"rolled back {rollback['at']}: {rollback['reason']}")
    if rollback.get("next"):
        said.append(f"next {rollback['next']}")
    return f" ({'; '.join(said)})" if said else ""


share_command = SectionedCommand(
    name="share",
    callback=_share,
    params=[
        *(each for each in options() if each.name in _OPTIONS),
        click.Option(
            ("--advance",),
            is_flag=True,
            help="Let the shares rise from there by the `advance` of their rules. Without it, they stay.",
        ),
        click.Option(("--json", "as_json"), is_flag=True, help="Write the shares to stdout as JSON."),
        click.Argument(("sets",), nargs=-1, metavar="[WHICH=SHARE]..."),
    ],
    help=_HELP,
    short_help="Show or change the shares of a running server.",
)
