"""Translates another server's command line, and reports what it could not translate.

The command `rsgi translate` prints it. The settings of rsgi check the values, so the result can be served. Nothing is
lost silently: each flag is translated, or listed with the reason.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePath

from rsgi.migrate import reasons
from rsgi.migrate.command_line import CommandLine, Given, UnknownCommand, read_command_line
from rsgi.migrate.flag import CannotCarry, Flag
from rsgi.settings.config import Setting, flag_of, settings
from rsgi.settings.values import SettingValueError

_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
# What the shell puts a value in for: that one is not known here.
VARIABLE = re.compile(r"\$(?:\w+|\{\w+[^}]*\})")
_WHOLE_TARGET = re.compile(rf"{_NAME}:{_NAME}(?:\(\))?")


@dataclass(frozen=True)
class Remark:
    """Something that is not the same here."""

    theirs: str
    why: str


@dataclass(frozen=True)
class Translation:
    """Our command line, and what there is to say about it.

    Attributes:
        server: Whose command line it was.
        words: Ours.
        lost: What was not translated, and why.
        needless: What goes without saying here.
        differs: What was carried over and is different.
    """

    server: str
    words: tuple[str, ...]
    lost: tuple[Remark, ...]
    needless: tuple[Remark, ...]
    differs: tuple[Remark, ...]


def translate(words: list[str]) -> Translation:
    """Translate another server's command line.

    Raises:
        UnknownCommand: when it is none that is known, or names no application.
    """
    return _Translator(read_command_line(words)).translated()


@dataclass
class _Application:
    """What is known so far of the application that the command line names."""

    interface: str
    target: str = ""
    attribute: str = ""
    prefix: str = ""
    called: bool = False


@dataclass
class _Translator:
    line: CommandLine
    words: list[str] = field(default_factory=list)
    lost: list[Remark] = field(default_factory=list)
    needless: list[Remark] = field(default_factory=list)
    differs: list[Remark] = field(default_factory=list)
    mounts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.app = _Application(self.line.server.interface)
        self.taken = {flag_of(each.name): setting for each, setting in settings() if setting.unit != "apps"}
        self.roles: dict[str, Callable[[Flag, str], None]] = {
            "option": self._option,
            "interface": self._interface,
            "target": self._target,
            "callable": lambda flag, value: setattr(self.app, "attribute", value),
            "factory": lambda flag, value: setattr(self.app, "called", True),
            "prefix": lambda flag, value: setattr(
                self.app, "prefix", "/" + value.strip("/") if value.strip("/") else ""
            ),
            "mount": lambda flag, value: self.mounts.append(value),
        }

    def translated(self) -> Translation:
        for given in self.line.given:
            self._carry(given)
        targets = [self.app.target] if self.app.target else []
        targets += self.line.targets
        for extra in targets[1:]:
            self.lost.append(Remark(extra, "this word is unexpected: the application is already named"))
        apps = self._apps(targets[0]) if targets else []
        apps += [word for mount in self.mounts for word in self._mounted(mount)]
        if not apps:
            why = "; ".join(f"`{each.theirs}`: {each.why}" for each in self.lost)
            raise UnknownCommand("it names no application" + (f" ({why})" if why else ""))
        self._add_defaults(apps)
        start = (*self.line.before, "-m", "rsgi") if self.line.as_module else (*self.line.before, "rsgi")
        words = (*start, "serve", *apps, *self.words)
        return Translation(self.line.server.name, words, tuple(self.lost), tuple(self.needless), tuple(self.differs))

    def _carry(self, given: Given) -> None:
        flag = given.flag
        if flag is None:
            self.lost.append(Remark(given.written, f"rsgi does not know this flag of {self.line.server.name}"))
        elif flag.role == "lost":
            self.lost.append(Remark(given.written, flag.note))
        elif flag.role == "needless":
            self.needless.append(Remark(given.written, flag.note))
        else:
            try:
                self.roles[flag.role](flag, given.value)
            except CannotCarry as error:
                self.lost.append(Remark(given.written, str(error)))
            else:
                if flag.differs:
                    self.differs.append(Remark(given.written, flag.differs))

    def _option(self, flag: Flag, value: str) -> None:
        values = flag.read(value) if flag.value else ()
        setting = self.taken.get(flag.ours_name)
        for each in values:
            _see_that_it_fits(setting, flag.ours_name, each)
        words = [word for each in values for word in (flag.ours_name, each)] or flag.ours.split()
        if setting is not None and not setting.repeatable:
            self._forget(flag.ours_name)  # the last one counts, there as here
        self.words += words

    def _forget(self, ours: str) -> None:
        while ours in self.words:
            place = self.words.index(ours)
            del self.words[place : place + (1 if self.taken[ours].unit == "flag" else 2)]

    def _interface(self, flag: Flag, value: str) -> None:
        (self.app.interface,) = flag.read(value)

    def _target(self, flag: Flag, value: str) -> None:
        self.app.target = self._module_of(value) if flag.value == "FILE" else value

    def _module_of(self, path: str) -> str:
        """The module in a file, whose folder becomes `--app-dir`."""
        file = PurePath(path)
        if file.suffix != ".py" or not re.fullmatch(_NAME, file.stem):
            raise CannotCarry("a module is imported by its name: rename the file to one that ends with `.py`")
        folder = str(file.parent)
        if folder != ".":
            self.words += ["--app-dir", folder]
        return file.stem

    def _apps(self, target: str) -> list[str]:
        server = self.line.server
        mode, colon, rest = target.partition(":")
        if colon and mode in ("wsgi", "asgi") and rest.count(":") == 1 and server.interface == "auto":
            self.app.interface, target = mode, rest
        if "/" in target.partition(":")[0] or target.partition(":")[0].endswith(".py"):
            path, colon, attribute = target.partition(":")
            target = self._module_of_target(path) + colon + attribute
        module, colon, attribute = target.partition(":")
        attribute = attribute or self.app.attribute or server.attribute
        if not attribute:
            raise UnknownCommand(f"`{target}` does not name the object in the module")
        whole = f"{module}:{attribute}" + ("()" if self.app.called and not attribute.endswith("()") else "")
        if not _WHOLE_TARGET.fullmatch(whole):
            why = "a factory is called without arguments: make the call in a module, and name its result"
            raise UnknownCommand(f"`{target}` cannot be written as `module:object` or `module:factory()`; {why}")
        whole = f"{self.app.prefix}={whole}" if self.app.prefix else whole
        return [whole] if self.app.interface == "auto" else [f"--{self.app.interface}", whole]

    def _module_of_target(self, path: str) -> str:
        try:
            return self._module_of(path if path.endswith(".py") else f"{path}.py")
        except CannotCarry as error:
            raise UnknownCommand(f"`{path}`: {error}") from error

    def _mounted(self, mount: str) -> list[str]:
        prefix, equals, target = mount.partition("=")
        if not equals or not target:
            self.lost.append(Remark(f"--mount {mount}", "it is not `PREFIX=TARGET`"))
            return []
        self.app.prefix = prefix.rstrip("/")
        return self._apps(self._module_of_target(target) if target.endswith(".py") else target)

    def _add_defaults(self, apps: list[str]) -> None:
        server = self.line.server
        for default in server.defaults:
            if set(default.unless) & {*apps, *self.words}:
                continue
            self.words += default.words
            about = f"added `{' '.join(default.words)}`" if default.words else server.name
            self.differs.append(Remark(about, default.note))
        if server.own_file and os.path.isfile(server.own_file):
            self.lost.append(
                Remark(server.own_file, f"{server.name} reads this file automatically; {reasons.CONFIG_FILE}")
            )


def _see_that_it_fits(setting: Setting | None, ours: str, value: str) -> None:
    if setting is None or VARIABLE.search(value):
        return
    try:
        setting.parse(value)
    except SettingValueError as error:
        raise CannotCarry(f"`{ours}` does not take it: {error}") from error
