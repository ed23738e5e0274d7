"""Parses shares of the clients, such as `5%`, and the settings for shares.

Settings, rules and `rsgi share` all use this file. The router applies shares to requests (`src/route/share.rs`).
"""

from __future__ import annotations

import re

# The number of buckets. One bucket is the smallest share, 0.01 %.
BUCKETS = 10_000

BUCKET_COOKIE = "rsgi_bucket"

_PERCENT = re.compile(r"(?P<whole>\d+)(?:\.(?P<part>\d+))?\s*%", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SECRET = re.compile(r"[!#$%&'()*+\-./0-9:<=>?@A-Z\[\]^_`a-z{|}~]+")


def parse_share(text: str) -> int:
    """Return the number of buckets of a share: `5%` is 500.

    Raises:
        ValueError: when it is not a share. The message follows the text in a sentence.
    """
    found = _PERCENT.fullmatch(text.strip())
    if found is None:
        number = re.fullmatch(r"\d+(?:\.\d+)?", text.strip(), re.ASCII)
        raise ValueError(
            f"is not a share: write `{text.strip()}%`" if number else "is not a share: write for example `5%`"
        )
    part = found["part"] or ""
    if len(part) > 2:
        raise ValueError("is too precise: shares have steps of 0.01%")
    buckets = int(found["whole"]) * 100 + int(part.ljust(2, "0"))
    if buckets > BUCKETS:
        raise ValueError("is more than 100%")
    return buckets


def write_share(buckets: int) -> str:
    """Format a share: the inverse of `parse_share`."""
    whole, part = divmod(buckets, 100)
    return f"{whole}.{part:02}".rstrip("0").rstrip(".") + "%" if part else f"{whole}%"


def idle_settings(has_share: bool, by: str, testers: str | None) -> list[str]:
    """Return one warning for each setting that has no effect because no rule has a share.

    Args:
        has_share: Whether a rule has a share.
        by: The setting `share_by`.
        testers: The setting `share_testers`.
    """
    given = [name for name, there in [("share_by", by != "cookie"), ("share_testers", testers is not None)] if there]
    return [f"`{name}` has no effect: no rule has a share" for name in given if not has_share]


def share_by_problem(text: str) -> str | None:
    """Return what is wrong with a value of `share_by`, or `None`."""
    kind, colon, name = text.partition(":")
    if text in ("cookie", "client"):
        return None
    if not colon or kind not in ("header", "cookie"):
        return "write cookie, client, header:NAME or cookie:NAME"
    if not _NAME.fullmatch(name):
        return f"`{name}` is not the name of a {kind}; write for example {kind}:{_EXAMPLES[kind]}"
    if kind == "header" and "_" in name:
        return f"rsgi drops header fields with `_` in their names; write header:{name.replace('_', '-')}"
    return None


_EXAMPLES = {"header": "X-User-Id", "cookie": "sessionid"}


def secret_problem(text: str) -> str | None:
    """Return what is wrong with the secret of testers, or `None`. It must fit into a cookie."""
    if _SECRET.fullmatch(text):
        return None
    return (
        "use visible ASCII characters without quotes, commas, semicolons and backslashes, so that it fits into a cookie"
    )
