"""Reads shares of the clients, such as `5%`, and what clients are told apart by.

Apart from the rules that have a share, because settings, rules and `rsgi share` all read one; what it means for a request
is the router's (`src/route/share.rs`).
"""

from __future__ import annotations

import re

# So many buckets there are: a bucket is the smallest share, 0.01 %.
BUCKETS = 10_000

BUCKET_COOKIE = "rsgi_bucket"

_PERCENT = re.compile(r"(?P<whole>\d+)(?:\.(?P<part>\d+))?\s*%", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SECRET = re.compile(r"[!#$%&'()*+\-./0-9:<=>?@A-Z\[\]^_`a-z{|}~]+")


def parse_share(text: str) -> int:
    """How many buckets a share has: `5%` is 500.

    Raises:
        ValueError: when it is no share; says why in words that follow it.
    """
    found = _PERCENT.fullmatch(text.strip())
    if found is None:
        number = re.fullmatch(r"\d+(?:\.\d+)?", text.strip(), re.ASCII)
        raise ValueError(f"is no share: write `{text.strip()}%`" if number else "is no share: write for example `5%`")
    part = found["part"] or ""
    if len(part) > 2:
        raise ValueError("is finer than 0.01%, the smallest share")
    buckets = int(found["whole"]) * 100 + int(part.ljust(2, "0"))
    if buckets > BUCKETS:
        raise ValueError("is more than all clients: a share ends at 100%")
    return buckets


def write_share(buckets: int) -> str:
    """A share as people write it: the inverse of `parse_share`."""
    whole, part = divmod(buckets, 100)
    return f"{whole}.{part:02}".rstrip("0").rstrip(".") + "%" if part else f"{whole}%"


def idle_settings(has_share: bool, by: str, testers: str | None) -> list[str]:
    """Settings for shares, where no rule has one.

    Args:
        has_share: Whether a rule has one.
        by: What clients are told apart by.
        testers: The secret of testers.
    """
    given = [name for name, there in [("share_by", by != "cookie"), ("share_testers", testers is not None)] if there]
    return [f"`{name}` has no meaning: no rule has a share" for name in given if not has_share]


def share_by_problem(text: str) -> str | None:
    """What is wrong with what clients are told apart by, or `None`."""
    kind, colon, name = text.partition(":")
    if text in ("cookie", "client"):
        return None
    if not colon or kind not in ("header", "cookie"):
        return "write cookie, client, header:NAME or cookie:NAME"
    if not _NAME.fullmatch(name):
        return f"`{name}` is not the name of a {kind}; write for example {kind}:{_EXAMPLES[kind]}"
    if kind == "header" and "_" in name:
        return f"header fields whose names have `_` are dropped; write header:{name.replace('_', '-')}"
    return None


_EXAMPLES = {"header": "X-User-Id", "cookie": "sessionid"}


def secret_problem(text: str) -> str | None:
    """What is wrong with the secret of testers, or `None`: it has to fit into a cookie."""
    if _SECRET.fullmatch(text):
        return None
    return "it has to fit into a cookie: visible ASCII characters but quotes, commas, semicolons and backslashes"
