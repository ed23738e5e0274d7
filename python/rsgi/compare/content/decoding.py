"""Makes text of the body of a response: content codings, character sets, and what kind of content it is.

Spec: RFC 9110, sections 8.3 and 8.4; RFC 8259; the `+json` suffix of RFC 6839.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rsgi.compare.exchange import ResponseRecord

Content: TypeAlias = Literal["JSON", "HTML", "text", "bytes", "nothing"]

# A small compressed body can become a large one.
_MOST = 16 * 1024 * 1024

_JSON = re.compile(r"application/(?:[\w.-]+\+)?json|text/json", re.IGNORECASE)
_HTML = re.compile(r"text/html|application/xhtml\+xml", re.IGNORECASE)
_TEXT = re.compile(
    r"text/.*|application/(?:[\w.-]+\+)?xml|image/svg\+xml|application/(?:javascript|ecmascript|x-ndjson|yaml|x-yaml"
    r"|x-www-form-urlencoded|jsonl|json-seq)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Body:
    """A body without its content coding.

    Attributes:
        content: What it is.
        raw: Its bytes, decoded where the coding is known.
        complete: Whether all of it is there.
        coding: The coding that could not be removed.
        charset: The character set that the header names.
    """

    content: Content
    raw: bytes
    complete: bool
    coding: str | None
    charset: str

    @property
    def text(self) -> str:
        """The body as text. No byte makes it fail."""
        raw = self.raw if self.complete else _without_half_character(self.raw)
        for charset in (self.charset, "utf-8"):
            try:
                return raw.decode(charset).removeprefix("\ufeff")
            except (LookupError, ValueError):
                continue
        return raw.decode("latin-1")


def body_of(response: ResponseRecord) -> Body:
    """Decode the body of a response."""
    media, charset = _content_type(header(response, "content-type") or "")
    raw, complete, coding = _decoded(response)
    content = "nothing" if not raw and not response.size else _kind_of(media, raw, coding)
    return Body(content, raw, complete, coding, charset)


def header(response: ResponseRecord, name: str) -> str | None:
    """The value of a header field; several are joined with commas."""
    values = [value for each, value in response.headers if each.lower() == name]
    return ", ".join(values) if values else None


def _content_type(value: str) -> tuple[str, str]:
    media, *parameters = (part.strip() for part in value.split(";"))
    for parameter in parameters:
        name, _, said = parameter.partition("=")
        if name.strip().lower() == "charset":
            return media, said.strip().strip("\"'")
    return media, "utf-8"


def _kind_of(media: str, raw: bytes, coding: str | None) -> Content:
    if coding is not None:
        return "bytes"
    if _JSON.fullmatch(media):
        return "JSON"
    if _HTML.fullmatch(media):
        return "HTML"
    if _TEXT.fullmatch(media):
        return "text"
    return "JSON" if not media and raw.lstrip()[:1] in (b"{", b"[") else "bytes"


def _decoded(response: ResponseRecord) -> tuple[bytes, bool, str | None]:
    """The bytes, whether they are all there, and the coding that stays."""
    raw, complete = response.body, response.complete
    codings = [each.strip().lower() for each in (header(response, "content-encoding") or "").split(",")]
    for coding in reversed([each for each in codings if each not in ("", "identity")]):
        bits = {"gzip": 31, "x-gzip": 31, "deflate": 47}.get(coding)
        if bits is None or not raw:
            return raw, complete, coding if response.size else None
        decoder = zlib.decompressobj(bits)
        try:
            raw = decoder.decompress(raw, _MOST)
        except zlib.error:
            return response.body, response.complete, coding
        complete = complete and decoder.eof
    return raw, complete, None


def _without_half_character(raw: bytes) -> bytes:
    """Cut the beginning of a UTF-8 character at the end."""
    for back in range(1, min(4, len(raw)) + 1):
        byte = raw[-back]
        if byte & 0xC0 != 0x80:
            needed = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
            return raw[:-back] if needed > back else raw
    return raw
