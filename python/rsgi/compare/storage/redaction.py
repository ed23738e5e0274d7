"""Removes secrets from requests and responses before they are stored.

Header fields, query parameters, form fields and JSON members are redacted by their names. The names of the fields stay.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from rsgi.compare.content.decoding import Body, body_of
from rsgi.compare.content.masks import masked, parse_masks
from rsgi.compare.differences import Difference
from rsgi.compare.exchange import RequestRecord, ResponseRecord

REDACTED = "[redacted]"

# Parts of names, without case and separators.
_SECRET_PARTS = (
    "password passwd passphrase token secret csrf xsrf apikey accesskey privatekey credential authorization "
    "sessionid sessionkey cardnumber creditcard signature"
).split()

# Short words, which are also parts of other words.
_SECRET_WORDS = frozenset("pwd auth jwt otp pin cvv cvc iban ssn sid".split())

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_SECRET_HEADERS = frozenset(("cookie", "set-cookie", "authorization", "proxy-authorization", "authentication-info"))

# A segment of a path or a word that looks like a token: long, with letters and digits, and no UUID.
_TOKEN = re.compile(
    r"(?<![\w-])(?![0-9a-fA-F]{8}-[0-9a-fA-F]{4}-)(?=[A-Za-z_-]*\d)(?=[\d_-]*[A-Za-z])[\w-]{32,}(?:\.[\w-]{8,}){0,2}"
)
_PAIR = re.compile(
    r"""(?P<name>"(?:[^"\\]|\\.){1,100}")(?P<colon>\s*:\s*)(?P<value>"(?:[^"\\]|\\.)*"?|[^\s,{}\[\]"]+)"""
)
_INPUT = re.compile(r"<(?:input|meta)\b[^<>]*>", re.IGNORECASE)
_INPUT_NAME = re.compile(r"""\b(?:name|id|type)\s*=\s*["']?([\w.:-]+)""", re.IGNORECASE)
_INPUT_VALUE = re.compile(r"""(?<=\s)((?:value|content)\s*=\s*)(?:"[^"]*"|'[^']*'|[^\s"'<>]+)""", re.IGNORECASE)
_MASKS = parse_masks(("csrf", "nonce"))


@dataclass(frozen=True)
class Redaction:
    """What is removed.

    Attributes:
        names: Further names of secret fields.
    """

    names: tuple[str, ...] = ()

    def is_secret(self, name: str) -> bool:
        """Whether the value of a field with this name is never stored."""
        words = [each.lower() for each in _WORD.findall(name)]
        plain = "".join(words)
        if not _SECRET_WORDS.isdisjoint(words) or any(each in plain for each in _SECRET_PARTS):
            return True
        return name.lower() in {each.lower() for each in self.names}

    def request(self, request: RequestRecord) -> RequestRecord:
        """The request without secrets. Only a body that is text is kept."""
        media = next((value for name, value in request.headers if name.lower() == "content-type"), "")
        headers = (("content-type", media),)
        body = self.response(ResponseRecord(200, headers, request.body, len(request.body), True, None, 0.0)).body
        return replace(request, target=self.target(request.target), headers=self.headers(request.headers), body=body)

    def response(self, response: ResponseRecord) -> ResponseRecord:
        """The response without secrets. A text is kept without its content coding, and of other bodies only the hash."""
        body, headers = body_of(response), self.headers(response.headers)
        if body.content == "bytes":
            digest = response.sha256 or (hashlib.sha256(response.body).hexdigest() if response.complete else None)
            return replace(response, headers=headers, body=b"", complete=False, sha256=digest)
        if body.content == "nothing":
            return replace(response, headers=headers)
        raw = self._text(body, response).encode("utf-8", "backslashreplace")
        kept = tuple(
            (name, _as_utf8(value) if name.lower() == "content-type" else value)
            for name, value in headers
            if name.lower() not in ("content-encoding", "content-length")
        )
        return replace(response, headers=kept, body=raw, complete=body.complete)

    def headers(self, headers: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """The header fields without secret values. Cookies keep their names."""
        return tuple((name, self._header(name.lower(), value)) for name, value in headers)

    def _header(self, name: str, value: str) -> str:
        if name == "cookie":
            return "; ".join(f"{each.partition('=')[0].strip()}={REDACTED}" for each in value.split(";"))
        if name == "set-cookie":
            pair, semicolon, attributes = value.partition(";")
            return f"{pair.partition('=')[0].strip()}={REDACTED}{semicolon}{attributes}"
        if name in _SECRET_HEADERS or self.is_secret(name):
            return REDACTED
        return self.target(value) if name in ("location", "referer", "content-location", "link") else value

    def target(self, target: str) -> str:
        """A URL without secret values in its query, and without tokens in its path."""
        path, question, query = target.partition("?")
        path = _TOKEN.sub(REDACTED, path)
        return f"{path}{question}{self._form(query)}" if question else path

    def _form(self, text: str) -> str:
        """A query or a form."""
        return "&".join(self._parameter(each) for each in text.split("&"))

    def _parameter(self, pair: str) -> str:
        name, equals, value = pair.partition("=")
        if equals and self.is_secret(unquote(name)):
            return f"{name}={REDACTED}" if value else pair
        return name + equals + _TOKEN.sub(REDACTED, value)

    def _text(self, body: Body, response: ResponseRecord) -> str:
        text = body.text
        if body.content == "JSON":
            try:
                if body.complete:
                    return json.dumps(self.value(json.loads(text)), ensure_ascii=False)
            except (ValueError, RecursionError):
                pass
        elif body.content == "HTML":
            return masked(_INPUT.sub(self._input, text), _MASKS)
        elif "form-urlencoded" in next(
            (value for name, value in response.headers if name.lower() == "content-type"), ""
        ):
            return self._form(text)
        return _PAIR.sub(self._pair, text)

    def value(self, value: Any) -> Any:  # noqa: ANN401
        """A JSON value without secret members."""
        if isinstance(value, dict):
            return {name: _hidden(each) if self.is_secret(name) else self.value(each) for name, each in value.items()}
        return [self.value(each) for each in value] if isinstance(value, list) else value

    def _pair(self, found: re.Match[str]) -> str:
        """A member in text that is no whole JSON document."""
        hidden = self.is_secret(found["name"].strip('"'))
        return f'{found["name"]}{found["colon"]}"{REDACTED}"' if hidden else found[0]

    def _input(self, found: re.Match[str]) -> str:
        if not any(self.is_secret(name) for name in _INPUT_NAME.findall(found[0])):
            return found[0]
        return _INPUT_VALUE.sub(rf'\1"{REDACTED}"', found[0])

    def difference(self, each: Difference) -> Difference:
        """A difference without secret values. The path names the field; an input of HTML has its name elsewhere."""
        names = re.findall(r"[\w-]+", each.path)
        hidden = each.path.endswith(("input @value", "meta @content")) or any(self.is_secret(name) for name in names)
        field = each.path.removeprefix("header ") if each.path.startswith("header ") else ""
        primary, shadow = (self._shown(value, field, hidden=hidden) for value in (each.primary, each.shadow))
        return replace(each, primary=primary, shadow=shadow)

    def _shown(self, text: str | None, field: str, *, hidden: bool) -> str | None:
        if text is None or hidden:
            return text if text is None else REDACTED
        if field:
            return self._header(field, text)
        return _TOKEN.sub(REDACTED, _PAIR.sub(self._pair, text))


def _hidden(value: object) -> object:
    """What stands for a secret value. Nothing is no secret, and whether it is there may matter."""
    return value if value is None or value == "" else REDACTED


def _as_utf8(content_type: str) -> str:
    return re.sub(r"(?i)(charset\s*=\s*)\"?[\w-]+\"?", r"\1utf-8", content_type)


def is_redacted(headers: Sequence[tuple[str, str]] | Mapping[str, str]) -> bool:
    """Whether a value was removed from header fields."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return any(REDACTED in value for _, value in pairs)
