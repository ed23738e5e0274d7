"""Compares two responses to the same request.

Each kind of body has its own file. This file decides which one applies, and what can be said of a body that is cut.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from rsgi.compare.content.decoding import Body, body_of, header
from rsgi.compare.content.header_fields import header_differences
from rsgi.compare.content.html_items import html_items
from rsgi.compare.content.json_body import NotJson, json_differences, parse_json
from rsgi.compare.content.json_path import PathPattern, parse_pattern
from rsgi.compare.content.masks import masked, parse_masks
from rsgi.compare.content.text_body import Item, item_differences, lines_of
from rsgi.compare.differences import Difference, difference
from rsgi.compare.exchange import RequestRecord, ResponseRecord
from rsgi.compare.options import Comparison


@dataclass(frozen=True)
class Result:
    """What the comparison of two responses found.

    Attributes:
        differences: The differences.
        partial: Why only a part was compared, or `None`.
        skipped: Why nothing was compared, or `None`. Such an exchange does not count.
    """

    differences: tuple[Difference, ...] = ()
    partial: str | None = None
    skipped: str | None = None


class Comparer:
    """Compares responses in one way.

    Args:
        comparison: How.

    Raises:
        ValueError: when a path or a mask cannot be read. The message is a whole sentence.
    """

    def __init__(self, comparison: Comparison) -> None:
        self._headers = comparison.headers
        self._ignore, self._unordered = _patterns(comparison.ignore), _patterns(comparison.unordered)
        self._masks = parse_masks(comparison.masks)

    def compare(self, request: RequestRecord, primary: ResponseRecord, shadow: ResponseRecord) -> Result:
        """Compare two responses to a request."""
        why = _not_comparable(request, primary, shadow)
        if why is not None:
            return Result(skipped=why)
        if shadow.error is not None and not _failed(shadow):
            return Result((difference("response", "missing", _status(primary), shadow.error),))
        status = []
        if _status_code(primary) != _status_code(shadow):
            status.append(difference("status", "value", _status(primary), _status(shadow)))
        if _failed(primary) or _failed(shadow) or _status_code(primary) // 100 != _status_code(shadow) // 100:
            return Result(tuple(status))  # the rest of an error page says nothing new
        found = [*status, *header_differences(request, primary, shadow, self._headers)]
        if request.method == "HEAD":
            return Result(tuple(found))
        body = self._compare_bodies(primary, shadow)
        return Result((*found, *body.differences), body.partial)

    def _compare_bodies(self, primary: ResponseRecord, shadow: ResponseRecord) -> Result:
        if _same_bytes(primary, shadow):
            return Result()
        mine, other = body_of(primary), body_of(shadow)
        if mine.coding != other.coding:
            return _not_decoded(mine.coding or other.coding)
        if mine.content != other.content:
            return Result((_other_content(mine, other),))
        if mine.content == "bytes":
            return _not_decoded(mine.coding) if mine.coding else _compare_bytes(primary, shadow)
        if mine.content == "JSON":
            return self._compare_json(mine, other)
        return self._compare_items(mine, other)

    def _compare_json(self, primary: Body, shadow: Body) -> Result:
        if not (primary.complete and shadow.complete):
            return Result(partial="the body was not compared: JSON can only be compared whole, and it was cut")
        try:
            documents = parse_json(primary.text), parse_json(shadow.text)
            return Result(tuple(json_differences(*documents, self._ignore, self._unordered)))
        except NotJson:
            return self._compare_items(primary, shadow)

    def _compare_items(self, primary: Body, shadow: Body) -> Result:
        whole = primary.complete and shadow.complete
        mine, other = masked(primary.text, self._masks), masked(shadow.text, self._masks)
        if mine == other and whole:
            return Result()
        cuts = {"cut_primary": not primary.complete, "cut_shadow": not shadow.complete}
        found = item_differences(_items(mine, primary), _items(other, shadow), **cuts)
        return Result(tuple(found), None if whole else "only the first part of the body was compared: it was cut")


def _items(text: str, body: Body) -> list[Item]:
    items = html_items(text) if body.content == "HTML" else lines_of(text)
    return items if body.complete else items[:-1]  # the last one may be cut


def _patterns(texts: tuple[str, ...]) -> tuple[PathPattern, ...]:
    found = []
    for text in texts:
        try:
            found.append(parse_pattern(text))
        except ValueError as error:
            raise ValueError(f"`{text}` {error}") from error
    return tuple(found)


def _not_comparable(request: RequestRecord, primary: ResponseRecord, shadow: ResponseRecord) -> str | None:
    """Why two responses say nothing about the applications."""
    if primary.error is not None and not _failed(primary):
        return f"the primary did not answer: {primary.error}"
    if shadow.error == "refused":
        return "the shadow was not asked: it had no capacity"
    if 304 in (primary.status, shadow.status) and primary.status != shadow.status:
        names = {name.lower() for name, _ in request.headers}
        if names & {"if-none-match", "if-modified-since"}:
            return "the request was conditional, and each application has its own validators"
    return None


def _failed(response: ResponseRecord) -> bool:
    """Whether the application raised an exception. Its client gets a 500."""
    return response.error is not None and response.error.startswith("exception")


def _status_code(response: ResponseRecord) -> int:
    return 500 if _failed(response) else response.status


def _status(response: ResponseRecord) -> str:
    if not _failed(response):
        return str(response.status)
    # The status was sent already if the application failed in the middle of the body.
    return f"{response.status}, then {response.error}" if response.status else f"500 ({response.error})"


def _same_bytes(primary: ResponseRecord, shadow: ResponseRecord) -> bool:
    if header(primary, "content-encoding") != header(shadow, "content-encoding"):
        return False
    if primary.complete and shadow.complete:
        return primary.body == shadow.body
    digest = _digest(primary)
    return digest is not None and digest == _digest(shadow)


def _digest(response: ResponseRecord) -> str | None:
    """The hash of the whole body, if it is known."""
    return response.sha256 or (hashlib.sha256(response.body).hexdigest() if response.complete else None)


def _other_content(primary: Body, shadow: Body) -> Difference:
    if primary.content == "nothing":
        return difference("body", "added", None, shadow.content)
    if shadow.content == "nothing":
        return difference("body", "missing", primary.content, None)
    return difference("body", "type", primary.content, shadow.content)


def _not_decoded(coding: str | None) -> Result:
    return Result(partial=f"the body was not compared: rsgi cannot decode the content coding `{coding}`")


def _compare_bytes(primary: ResponseRecord, shadow: ResponseRecord) -> Result:
    """Compare the length and the hash, or what is there of both."""
    whole = all(each.complete or each.sha256 is not None for each in (primary, shadow))
    most = min(len(primary.body), len(shadow.body))
    if whole or primary.body[:most] != shadow.body[:most]:
        return Result((difference("body", "value", _size_and_hash(primary), _size_and_hash(shadow)),))
    return Result(partial="only the first part of the body was compared: it was cut")


def _size_and_hash(response: ResponseRecord) -> str:
    digest = _digest(response)
    return f"{response.size} bytes" + (f", sha256 {digest[:16]}…" if digest else "")
