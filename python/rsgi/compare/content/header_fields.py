"""Compares header fields by what they mean.

Spec: RFC 9110, sections 8.3 (Content-Type), 10.2.2 (Location), 5.6.1 (lists); RFC 6265, section 4.1 (Set-Cookie).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rsgi.compare.differences import Difference, Kind, difference
from rsgi.compare.exchange import RequestRecord, ResponseRecord

# Lists whose order does not matter.
_LISTS = frozenset(("allow", "vary", "cache-control", "access-control-allow-methods", "access-control-allow-headers"))


def header_differences(
    request: RequestRecord, primary: ResponseRecord, shadow: ResponseRecord, names: Sequence[str]
) -> list[Difference]:
    """The differences between the header fields that are compared."""
    found = []
    for name in dict.fromkeys(each.lower() for each in names):
        mine, other = _meanings(request, primary, name), _meanings(request, shadow, name)
        for part in dict.fromkeys((*mine, *other)):
            if mine.get(part) != other.get(part):
                kind: Kind = "missing" if part not in other else "added" if part not in mine else "value"
                found.append(difference(f"header {part}", kind, mine.get(part), other.get(part)))
    return found


def _meanings(request: RequestRecord, response: ResponseRecord, name: str) -> dict[str, str]:
    """What a field says, by the path of each part: all its values together, but each cookie for itself."""
    values = [value.strip() for each, value in response.headers if each.lower() == name]
    if name == "set-cookie":
        return dict(_cookie(value) for value in values)
    if not values:
        return {}
    value = ", ".join(values)
    if name in _LISTS:
        value = ", ".join(sorted(part.strip().lower() for part in value.split(",") if part.strip()))
    elif name == "content-type":
        value = _content_type(value)
    elif name in ("location", "content-location"):
        value = _relative(request, value)
    return {name: value}


def _content_type(value: str) -> str:
    """The type without differences in case and quotes; JSON is always UTF-8, so its charset says nothing."""
    media, *parameters = (part.strip() for part in value.lower().split(";"))
    said = sorted(re.sub(r'\s*=\s*"?([^"]*)"?', r"=\1", each) for each in parameters if each)
    if media.endswith(("/json", "+json")):
        said = [each for each in said if not each.startswith("charset=")]
    return "; ".join((media, *said))


def _relative(request: RequestRecord, value: str) -> str:
    """A location without the host that the client asked."""
    host = next((value for name, value in request.headers if name.lower() == "host"), "")
    found = re.match(r"https?://([^/?#]*)", value, re.IGNORECASE)
    if found is None or found[1].lower() != host.lower():
        return value
    return value[found.end() :] or "/"


def _cookie(value: str) -> tuple[str, str]:
    """The path of a cookie, and its attributes without its value and its time."""
    pair, *attributes = (part.strip() for part in value.split(";"))
    kept = (re.sub(r"\s*=\s*", "=", each.lower()) for each in attributes)
    said = sorted(each for each in kept if each and not each.startswith(("expires=", "max-age=")))
    return f"set-cookie {pair.partition('=')[0].strip()}", "; ".join(said)
