"""Flask's tagged JSON: JSON that can also hold tuples, bytes, UUIDs, dates and safe HTML.

It is written anew here because Flask is not installed any more when the migration is over, and old cookies still are.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from datetime import datetime, timezone
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from uuid import UUID

_TAGS = (" di", " t", " b", " m", " u", " d")


class TaggedJson:
    """What itsdangerous calls a serializer."""

    @staticmethod
    def dumps(value: object) -> str:
        """The text for a value."""
        return json.dumps(_tag(value), separators=(",", ":"), sort_keys=True)

    @staticmethod
    def loads(text: str | bytes) -> Any:  # noqa: ANN401 - as `json.loads`
        """The value of a text."""
        return _untag(json.loads(text))


def _tag(value: object) -> object:
    if isinstance(value, dict):
        only = next(iter(value)) if len(value) == 1 else None
        if only in _TAGS:
            return {" di": {f"{only}__": _tag(value[only])}}
        return {key: _tag(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return {" t": [_tag(each) for each in value]}
    if isinstance(value, list):
        return [_tag(each) for each in value]
    if isinstance(value, bytes):
        return {" b": b64encode(value).decode("ascii")}
    if callable(safe := getattr(value, "__html__", None)):
        return {" m": str(safe())}
    if isinstance(value, UUID):
        return {" u": value.hex}
    if isinstance(value, datetime):
        return {" d": _date(value)}
    return value


def _date(value: datetime) -> str:
    aware = value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)
    return format_datetime(aware, usegmt=True)


def _untag(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, list):
        return [_untag(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {key: _untag(each) for key, each in value.items()}
    only = next(iter(found)) if len(found) == 1 else None
    return found if only not in _TAGS else _from_tag(only, found[only])


def _from_tag(tag: object, inner: Any) -> Any:  # noqa: ANN401
    match tag:
        case " di":
            ((key, value),) = inner.items()
            return {key.removesuffix("__"): value}
        case " t":
            return tuple(inner)
        case " b":
            return b64decode(inner)
        case " m":
            return _markup(inner)
        case " u":
            return UUID(inner)
        case _:
            return parsedate_to_datetime(inner)


def _markup(text: str) -> str:
    try:
        from markupsafe import Markup
    except ModuleNotFoundError:
        return text
    return Markup(text)  # noqa: S704 - the session was signed
