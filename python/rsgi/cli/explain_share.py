"""What `rsgi explain` says about rules with a share: the bucket of the client, and who answers the other buckets.

A request without a bucket has several results: one for each group of buckets with the same result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import click

from rsgi.cli.usage import HintedUsageError
from rsgi.settings.shares import BUCKET_COOKIE, BUCKETS, write_share

if TYPE_CHECKING:
    from rsgi._rsgi import Explanation
    from rsgi.routing.coverage import Survey

Fields: TypeAlias = list[tuple[str, str]]
# Method, URL, fields, whether it opens a WebSocket, and the client's address.
Asked: TypeAlias = tuple[str, str, Fields, bool, "str | None"]


@dataclass(frozen=True)
class Case:
    """A group of clients, and who answers them.

    Attributes:
        explained: The result of the router.
        fields: The header fields of their requests.
        title: Which clients they are; empty if there is only one group.
        share: How a share was applied; empty if none was.
    """

    explained: Explanation
    fields: Fields
    title: str
    share: str


def bucket_field(survey: Survey, bucket: int | None, context: click.Context) -> Fields:
    """Return the cookie of a client in `bucket`.

    Raises:
        click.UsageError: when buckets do not come from our cookie.
    """
    if bucket is None:
        return []
    by = survey.plan.share_by
    if by == "cookie":
        return [("cookie", f"{BUCKET_COOKIE}={bucket}")]
    hint = "give the address: `--client 192.0.2.7`" if by == "client" else f"give the {_kind(by)} with `-H`"
    raise HintedUsageError(f"you cannot choose a bucket: it comes from `{by}` (`--share-by`)", hint, context)


def cases_of(survey: Survey, asked: Asked) -> list[Case]:
    """Return who answers: one case, or several if the client has no bucket yet.

    Raises:
        ValueError: when the request is not valid.
    """
    method, url, fields, websocket, client = asked
    explained = survey.router.explain(method, url, fields, websocket, client)
    if explained.share_lot != "drawn":
        return [Case(explained, fields, "", _share(survey, explained, client))]
    starts = sorted(
        {0, *(share for rule in survey.plan.rules if (share := rule.share) is not None and share < BUCKETS)}
    )
    parts: list[tuple[int, Explanation, Fields]] = []
    for start in starts:
        of_it = [*fields, ("cookie", f"{BUCKET_COOKIE}={start}")]
        found = survey.router.explain(method, url, of_it, websocket, client)
        if not parts or _deciding(parts[-1][1]) != _deciding(found):
            parts.append((start, found, of_it))
    ends = [*(start for start, _, _ in parts[1:]), BUCKETS]
    if len(parts) == 1:
        said = _of_rule(survey, parts[0][1])
        return [Case(parts[0][1], fields, "", f"no bucket yet, but the result is the same for all; {said}")]
    return [
        Case(found, of_it, f"{_range(start, end)}: {write_share(end - start)} of the clients", "")
        for (start, found, of_it), end in zip(parts, ends, strict=True)
    ]


def _deciding(explained: Explanation) -> tuple[str, int | None, int | None]:
    return explained.kind, explained.index, explained.app


def _range(start: int, end: int) -> str:
    return f"bucket {start}" if end == start + 1 else f"buckets {start} to {end - 1}"


def _share(survey: Survey, explained: Explanation, client: str | None) -> str:
    if explained.share_rule is None:
        return ""
    by, bucket = survey.plan.share_by, explained.bucket
    if explained.share_lot == "tester":
        return f"a tester chose the application; {_of_rule(survey, explained)}"
    if explained.share_lot == "unknown":
        missing = "the client has no address (`--client`)" if by == "client" else f"there is no {_kind(by)}"
        return f"no bucket: {missing}, so it is only in shares of 100%; {_of_rule(survey, explained)}"
    origin = {"cookie": f"from the cookie `{BUCKET_COOKIE}`", "client": f"from the address {client}"}
    return f"bucket {bucket}, {origin.get(by, f'from the {_kind(by)}')}; {_of_rule(survey, explained)}"


def _kind(by: str) -> str:
    """`header:X-User-Id` in words."""
    kind, _, name = by.partition(":")
    return f"{kind} `{name}`"


def _of_rule(survey: Survey, explained: Explanation) -> str:
    """Return the buckets of the first rule whose share was checked."""
    rule = survey.plan.rules[explained.share_rule or 0]
    share = rule.share or 0
    whom = "no client" if share == 0 else "all clients" if share == BUCKETS else _range(0, share)
    return f"`{rule.shown}` is for {whom}"
