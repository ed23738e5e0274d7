"""The definition of one setting: how it is read, checked and explained.

`config.py` is the list of settings. `values.py` parses text and does not know about settings.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from rsgi._types import AskedInterface
from rsgi.settings.rules import ParsedRule
from rsgi.settings.shadow_rules import ParsedShadow
from rsgi.settings.shares import secret_problem, share_by_problem
from rsgi.settings.static_folder import AskedFolder
from rsgi.settings.values import (
    SettingValueError,
    Unit,
    check_address,
    check_header,
    check_mode,
    check_path,
    check_proxies,
    parse_value,
    proxies_in,
)

# The settings that one application may have for itself, in its table of the configuration file.
OWN_SETTINGS = ("limit_concurrency", "wsgi_threads", "request_timeout")


@dataclass(frozen=True)
class AppTarget:
    """One application to serve.

    Attributes:
        interface: The interface of the application. `auto` detects it after the import.
        target: Where to import it from (`module:attr`, `module:factory()`), or the application object.
        prefix: The path where it is mounted. Empty for the whole site.
        name: Its name in rules, logs and the banner. The default is its target.
        own: Its own values of settings, by name. `OWN_SETTINGS` lists the possible ones.
    """

    interface: AskedInterface
    target: str | object
    prefix: str = ""
    name: str = ""
    own: tuple[tuple[str, object], ...] = ()

    @classmethod
    def parse(cls, interface: AskedInterface, text: str) -> AppTarget:
        """Read the value of `--wsgi` or `--asgi`, or a target without a flag: `[PREFIX=]TARGET`.

        Raises:
            SettingValueError: when the prefix has no leading slash, or there is no target.
        """
        before, equals, after = text.partition("=")
        prefix, target = (before.strip(), after.strip()) if equals else ("", text.strip())
        if equals and not prefix.startswith("/"):
            raise SettingValueError(f"the prefix `{prefix}` does not start with `/`; write `/{prefix}={target}`")
        if not target:
            raise SettingValueError("no target; write `module:attr` or `/prefix=module:attr`")
        if not equals and target.startswith("/"):
            raise SettingValueError(f"`{target}` is a prefix without a target; write `{target}=module:attr`")
        return cls(interface, target, prefix)


_PYTHON_TYPES: dict[Unit, type | tuple[type, ...]] = {
    "text": str,
    "words": tuple,
    "address": str,
    "mode": str,
    "path": str,
    "header name": str,
    "header value": str,
    "proxy": str,
    "share by": str,
    "secret word": str,
    "flag": bool,
    "number": int,
    "processes": int,
    "size": int,
    "duration": float,
    "poll time": (float, str),
    "apps": AppTarget,
    "rules": (str, Mapping, ParsedRule),
    "folders": (str, Mapping, AskedFolder),
    "shadows": (str, Mapping, ParsedShadow),
}
_UNIT_NAMES: dict[Unit, str] = {
    "text": "text",
    "words": "a list of words",
    "address": "an address",
    "mode": "the mode of a file, as text",
    "path": "a path",
    "header name": "the name of a header",
    "header value": "text for a header",
    "proxy": "an address or a network",
    "share by": "a source of buckets",
    "secret word": "a secret",
    "flag": "true or false",
    "number": "a whole number",
    "processes": "a whole number",
    "size": "a size in bytes",
    "duration": "a number of seconds",
    "poll time": "a number of seconds or auto",
    "apps": "an application",
    "rules": "a rule",
    "folders": "a folder with its prefix",
    "shadows": "a shadow rule",
}


_PROBLEMS: dict[Unit, Callable[[str], str | None]] = {"share by": share_by_problem, "secret word": secret_problem}


@dataclass(frozen=True)
class Setting:
    """What a field of `Config` is, beyond its name, type and default.

    Attributes:
        help: One or two sentences for `--help`.
        section: The heading it stands under, one of `SECTIONS`.
        unit: What kind of value it takes; decides how text is read.
        metavar: How the value is called in `--help`.
        choices: The only words allowed, if there are but a few; of a list each has to be one.
        optional: Whether `none` is a value (`None`).
        repeatable: Whether the flag may be given several times (the field is a tuple).
        minimum: The smallest number allowed.
        maximum: The largest number allowed.
        default_text: How `--help` calls a default that depends on the machine or on other settings.
        separators: What divides several values in the environment variable.
        secret: Whether it is shown to nobody.
        short: A short flag for the same, where those of other servers call it so.
    """

    help: str
    section: str
    unit: Unit = "text"
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    optional: bool = False
    repeatable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    default_text: str | None = None
    separators: str = r"[;\s]+"
    secret: bool = False
    short: str | None = None

    def shown(self, value: object) -> str:
        """Return a wrong value for an error message, without secrets."""
        return "this value" if self.secret else repr(value)

    def parse(self, text: str) -> object:
        """The value that `text` means.

        Raises:
            SettingValueError: when it means none.
        """
        return self._checked(parse_value(text, self.unit, optional=self.optional))

    def check(self, value: object) -> object:
        """The value a Python caller gave: text is read like a flag's, a number is taken as it is.

        Raises:
            SettingValueError: when the setting cannot have it.
        """
        if self.repeatable:
            many = (value,) if isinstance(value, (str, Mapping)) else tuple(cast("Iterable[object]", value))
            checked = tuple(self._checked(one) for one in many)
            if self.unit == "proxy":
                return tuple(named for one in checked for named in proxies_in(str(one)))
            return checked
        if isinstance(value, str) and self.unit != "text":
            return self.parse(value)
        if self.unit == "words" and isinstance(value, list):
            value = tuple(value)
        if self.unit in ("duration", "poll time") and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        return self._checked(value)

    def _checked(self, value: object) -> object:
        if value is None:
            if self.optional:
                return None
            raise SettingValueError("a value is needed")
        if not isinstance(value, _PYTHON_TYPES[self.unit]) or (self.unit != "flag" and isinstance(value, bool)):
            raise SettingValueError(f"{value!r} is not {_UNIT_NAMES[self.unit]}")
        for one in value if isinstance(value, tuple) else (value,):
            if self.choices and one not in self.choices:
                close = difflib.get_close_matches(str(one).lower(), self.choices, 1)
                raise SettingValueError(f"{one!r} is not one of {', '.join(self.choices)}", close[0] if close else None)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            self._check_range(value)
        if self.unit == "address":
            check_address(str(value))
        if self.unit == "mode":
            check_mode(str(value))
        if self.unit == "path":
            check_path(str(value))
        if self.unit in ("header name", "header value"):
            check_header(str(value), self.unit)
        if self.unit == "proxy":
            check_proxies(str(value))
        if self.unit in _PROBLEMS and (problem := _PROBLEMS[self.unit](str(value))) is not None:
            raise SettingValueError(problem)
        return value

    def _check_range(self, value: float) -> None:
        if not math.isfinite(value):
            raise SettingValueError(f"{value} is not a finite number")
        if self.minimum is not None and value < self.minimum:
            raise SettingValueError(f"{value:g} is less than {self.minimum:g}, the minimum")
        if self.maximum is not None and value > self.maximum:
            raise SettingValueError(f"{value:g} is more than {self.maximum:g}, the maximum")
