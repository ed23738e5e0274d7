"""What `rsgi explain` says of rules with a share: which bucket a client is in, and who answers those in the others.

Apart from `explain.py` because a request without a bucket has not one answer but several: one for each part of the
clients that goes the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import click

from rsgi.cli.usage import HintedUsageError
from rsgi.shares import BUCKET_COOKIE, BUCKETS, write_share

if TYPE_CHECKING:
    from rsgi._rsgi import Explanation
    from rsgi.coverage import Survey

Fields: TypeAlias = list[tuple[str, str]]
# Method, URL, fields, whether it opens a WebSocket, and the client's address.
Asked: TypeAlias = tuple[str, str, Fields, bool, "str | None"]


@dataclass(frozen=True)
class Case:
    """Some of the clients, and who answers these.

    Attributes:
        explained: What the router says of them.
        fields: The fields of their requests.
        title: Which clients they are; empty for whoever sends the request.
        share: What a share had to do with it; empty for nothing.
    """

    explained: Explanation
    fields: Fields
    title: str
    share: str


def bucket_field(survey: Survey, bucket: int | None, context: click.Context) -> Fields:
    """The cookie of a client in `bucket`.

    Raises:
        click.UsageError: when the bucket is not in a cookie.
    """
    if bucket is None:
        return []
    by = survey.plan.share_by
    if by == "cookie":
        return [("cookie", f"{BUCKET_COOKIE}={bucket}")]
    hint = "say where it comes from: `--client 192.0.2.7`" if by == "client" else f"give that {_kind(by)} with `-H`"
    raise HintedUsageError(f"a bucket cannot be chosen: it goes by `{by}` (`share_by`)", hint, context)


def cases_of(survey: Survey, asked: Asked) -> list[Case]:
    """Who answers: one case, or more where the client has no bucket yet.

    Raises:
        ValueError: when there is no such request.
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
        return [Case(parts[0][1], fields, "", f"no bucket yet, and none that matters; {said}")]
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
        return f"a tester has chosen; {_of_rule(survey, explained)}"
    if explained.share_lot == "unknown":
        missing = "the client has no address here (`--client`)" if by == "client" else f"there is no {_kind(by)}"
        return f"no bucket: {missing}, so only a share of 100% is for it; {_of_rule(survey, explained)}"
    origin = {"cookie": f"from the cookie `{BUCKET_COOKIE}`", "client": f"of the address {client}"}
    return f"bucket {bucket}, {origin.get(by, f'of the {_kind(by)}')}; {_of_rule(survey, explained)}"


def _kind(by: str) -> str:
    """`header:X-User-Id` in words."""
    kind, _, name = by.partition(":")
    return f"{kind} `{name}`"


def _of_rule(survey: Survey, explained: Explanation) -> str:
    """For which buckets the first rule is that was asked."""
    rule = survey.plan.rules[explained.share_rule or 0]
    share = rule.share or 0
    whom = "no client" if share == 0 else "all clients" if share == BUCKETS else _range(0, share)
    return f"`{rule.shown}` is for {whom}"
