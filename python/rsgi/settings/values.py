"""Parses the values of settings: durations, sizes, numbers, addresses.

`config.py` lists the settings. This file does not know about settings.
"""

from __future__ import annotations

import ipaddress
import math
import re
from typing import Literal, TypeAlias

from rsgi.settings.cpus import usable_cpus

Unit: TypeAlias = Literal[
    "text",
    "words",
    "address",
    "mode",
    "path",
    "proxy",
    "share by",
    "secret word",
    "header name",
    "header value",
    "flag",
    "number",
    "processes",
    "size",
    "duration",
    "poll time",
    "apps",
    "rules",
    "folders",
    "shadows",
]

_SECONDS = {"": 1.0, "us": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {
    "": 1,
    "b": 1,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "k": 1024,
    "m": 1024**2,
    "g": 1024**3,
}
_AMOUNT = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)")
_PORT = re.compile(r"\d{1,5}")
_DESCRIPTOR = re.compile(r"\d{1,9}|[A-Za-z_][\w.-]*", re.ASCII)


class SettingValueError(ValueError):
    """A text is no value of the setting it was given for; says why in one sentence.

    Attributes:
        nearest: The allowed word that is most like it, or `None`.
    """

    def __init__(self, message: str, nearest: str | None = None) -> None:
        super().__init__(message)
        self.nearest = nearest


def parse_value(text: str, unit: Unit, *, optional: bool) -> object:
    """What `text` means as a value of `unit`.

    Args:
        text: What was written.
        unit: What kind of value it should be.
        optional: Whether `none` is a value too.

    Returns:
        `None`, `str`, `bool`, `int` (numbers and processes, and sizes in bytes), `float` (durations in seconds) or a `tuple`
        of words. A poll time is a `float` or the word `auto`.

    Raises:
        SettingValueError: when it is no such value.
    """
    if optional and text.strip().lower() == "none":
        return None
    if unit == "header value" and text.strip().lower() == "off":
        return None
    if unit == "words":
        return parse_words(text)
    if unit == "number":
        return parse_number(text)
    if unit == "processes":
        return parse_processes(text)
    if unit == "size":
        return parse_size(text)
    if unit == "duration":
        return parse_duration(text)
    if unit == "poll time":
        return parse_poll_time(text)
    if unit == "flag":
        return parse_flag(text)
    return text


def parse_words(text: str) -> tuple[str, ...]:
    """Words with commas between them, or `none`: `one,two`."""
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    return () if words == ("none",) else words


def parse_number(text: str) -> int:
    """A whole number: `8000`."""
    if not re.fullmatch(r"\s*[+-]?\d{1,18}\s*", text, re.ASCII):
        raise SettingValueError(f"{text!r} is not a whole number")
    return int(text)


def parse_processes(text: str) -> int:
    """A whole number, or `auto`: as many as there are processors to use."""
    return usable_cpus() if text.strip().lower() == "auto" else parse_number(text)


def parse_duration(text: str) -> float:
    """Seconds: `10`, `0.5`, `10s`, `250ms`, `2m`, `1h`."""
    found = _AMOUNT.fullmatch(text.strip())
    if found is None or found["unit"].lower() not in _SECONDS:
        raise SettingValueError(f"{text!r} is not a duration; write seconds, or for example 10s, 2m or 1h")
    seconds = float(found["number"]) * _SECONDS[found["unit"].lower()]
    if not math.isfinite(seconds) or seconds > 10**9:
        raise SettingValueError(f"{text!r} is too long")
    return seconds


def parse_poll_time(text: str) -> float | str:
    """A duration, or `auto`."""
    return "auto" if text.strip().lower() == "auto" else parse_duration(text)


def parse_size(text: str) -> int:
    """Bytes: `65536`, `64KiB`, `1.5MiB`, `1GiB`; `KB`, `MB` and `GB` are powers of 1000."""
    found = _AMOUNT.fullmatch(text.strip())
    if found is None or found["unit"].lower() not in _BYTES:
        raise SettingValueError(f"{text!r} is not a size; write bytes, or for example 64KiB, 16MiB or 1GiB")
    size = float(found["number"]) * _BYTES[found["unit"].lower()]
    if size >= 2**53:
        raise SettingValueError(f"{text!r} is too large")
    if size != int(size):
        raise SettingValueError(f"{text!r} is not a whole number of bytes")
    return int(size)


def parse_flag(text: str) -> bool:
    """A yes or a no, as environment variables say it."""
    word = text.strip().lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"0", "false", "no", "off", ""}:
        return False
    raise SettingValueError(f"{text!r} is neither true nor false")


def check_address(text: str) -> None:
    """See that `text` is an address to listen on: `host:port`, `[::1]:port`, `unix:/path`, `unix:@name` or `fd://3`.

    Raises:
        SettingValueError: when it is not.
    """
    if text.startswith("unix:"):
        if not text.removeprefix("unix:").removeprefix("@"):
            raise SettingValueError("`unix:` needs the path of the socket, for example unix:/run/rsgi.sock")
        return
    if text.startswith("fd:"):
        if not _DESCRIPTOR.fullmatch(text.removeprefix("fd://")):
            raise SettingValueError(
                f"{text!r} is not an inherited socket; write its number or its name, for example fd://3"
            )
        return
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if colon and not host and _PORT.fullmatch(port):
        raise SettingValueError(f"{text!r} has no host; write 0.0.0.0{text} for every interface, or 127.0.0.1{text}")
    if not colon or not host or (":" in host and not bracketed) or not _PORT.fullmatch(port):
        raise SettingValueError(f"{text!r} is not an address; write host:port, [::1]:port, unix:/path or fd://3")
    if int(port) > 65535:
        raise SettingValueError(f"{text!r}: ports end at 65535")


def check_mode(text: str) -> None:
    """See that `text` is the mode of a file, in octal digits.

    Raises:
        SettingValueError: when it is not.
    """
    if not re.fullmatch(r"0?[0-7]{3}", text):
        raise SettingValueError(f"{text!r} is not a mode; write three octal digits, for example 660")


def write_value(value: object, unit: Unit) -> str:
    """`value` the way a person would write it: the inverse of `parse_value`, for help texts."""
    if value is None:
        return "none"
    if unit == "words" and isinstance(value, tuple):
        return ",".join(value) or "none"
    if unit in ("duration", "poll time") and isinstance(value, float):
        return f"{value:g}s"
    if unit == "size" and isinstance(value, int):
        for name, factor in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
            if value >= factor and value % factor == 0:
                return f"{value // factor}{name}"
    return str(value)


def check_path(text: str) -> None:
    """See that `text` is the path of a URL as it stands in a request.

    Raises:
        SettingValueError: when it is none.
    """
    if not text.startswith("/") or not text.isascii() or not text.isprintable() or re.search(r"[?#\s]", text):
        raise SettingValueError(f"{text!r} is not a path; write it as in a URL, for example /healthz")


def check_header(text: str, unit: Unit) -> None:
    """See that `text` can be the name or the value of a header, as `unit` says.

    Raises:
        SettingValueError: when it cannot.
    """
    if unit == "header name" and not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", text):
        raise SettingValueError(f"{text!r} is not the name of a header; write for example X-Request-ID")
    if unit == "header value" and not re.fullmatch(r"[!-~]([ -~]*[!-~])?", text):
        raise SettingValueError(f"{text!r} cannot be in a header: it needs visible ASCII characters")


def proxies_in(text: str) -> list[str]:
    """The proxies that `text` names, divided by commas."""
    return [part.strip() for part in text.split(",")]


def check_proxies(text: str) -> None:
    """See that `text` names proxies: addresses, networks, `unix` and `*`.

    Raises:
        SettingValueError: when it names something else.
    """
    for named in proxies_in(text):
        if named not in ("unix", "*"):
            _check_network(named)


def _check_network(text: str) -> None:
    try:
        # Anything after the slash but a length is for other programs.
        network = ipaddress.ip_network(text, strict=False) if re.fullmatch(r"[\da-fA-F.:]+(/\d+)?", text) else None
    except ValueError:
        network = None
    if network is None:
        raise SettingValueError(f"{text!r} is not a proxy; write an address, a network (10.0.0.0/8), unix or *")
    if "/" in text and ipaddress.ip_interface(text).ip != network.network_address:
        raise SettingValueError(f"{text!r} is an address within a network; write {network} for all of it")
