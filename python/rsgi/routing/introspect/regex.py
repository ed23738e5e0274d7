"""Reads regular expressions as templates: those of Django's `re_path`, Pyramid, Bottle, werkzeug and Falcon.

Only here are patterns approximated. The template accepts at least what the expression accepts, and usually exactly that.
If it accepted less, the table would have a gap, and a request would miss its owner.
"""

from __future__ import annotations

import importlib
import itertools
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from rsgi.routing.introspect.template import ANY_TEXT, REST, SIGNED_INT, Parameter, ParameterKind, Token, Tokens, named

# Python's own parser of expressions. It has no documented name, but had this result since Python 2.
_parser: Any = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")

_HEX = "[0-9a-fA-F]"

# What frameworks' converters accept, by their expression; the name one is registered under says nothing for sure.
_KNOWN = {
    "[^/]+": Parameter(),
    "[^/]{1,}": Parameter(),
    ".*": Parameter("", "path"),
    ".+": ANY_TEXT,
    ".+?": ANY_TEXT,
    "[^/].*?": REST,
    "[0-9]+": Parameter("", "int"),
    r"\d+": Parameter("", "int"),
    r"-?\d+": SIGNED_INT,
    r"\d+\.\d+": Parameter("", "float"),
    r"[0-9]+(\.[0-9]+)?": Parameter("", "float"),
    r"[0-9]+(.[0-9]+)?": Parameter("", "float"),
    f"{_HEX}{{8}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{12}}": Parameter("", "uuid"),
    # Others insist on the dashes, and some on small letters.
    f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}": Parameter("", "uuid"),
    "[A-Fa-f0-9]{8}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{12}": Parameter("", "uuid"),
    "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}": Parameter("", "uuid"),
}

# More readings of one expression than that are joined into fewer, rougher ones.
_MOST_READINGS = 48

_ANYTHING = Parameter("", "path")
_ASCII = tuple(map(chr, range(33, 127)))


class _Anchor(str):
    """A mark between tokens: where the expression insists on the start or the end of the text."""

    __slots__ = ()


_START = _Anchor("\0^")
_END = _Anchor("\0$")
_Reading: TypeAlias = tuple[Token, ...]


def parameter(name: str, expression: str) -> Parameter:
    """The parameter for a converter that accepts what `expression` matches as a whole."""
    known = _KNOWN.get(expression)
    return named(known if known is not None else _group(readings(expression)), name)


def readings(expression: str, flags: int = 0, *, search: bool = False, prefix: bool = False) -> list[Tokens]:
    """What an expression matches, as rows of tokens of which each text fits one.

    Args:
        expression: The regular expression.
        flags: Those that it is compiled with.
        search: Whether it may match anywhere in the text, unless it begins with `^`.
        prefix: Whether anything may follow what it matches, unless it ends with `$`.
    """
    try:
        parsed = _parser.parse(expression, flags)
    except (re.error, RecursionError, OverflowError):
        return [(_ANYTHING,)]
    found = _sequence(parsed, bool(parsed.state.flags & re.IGNORECASE))
    return _distinct(_without_anchors(each, search, prefix) for each in found)


def _without_anchors(reading: _Reading, search: bool, prefix: bool) -> Tokens:
    opens = search and not (reading and reading[0] is _START)
    closes = prefix and not (reading and reading[-1] is _END)
    tokens = [each for each in reading if not isinstance(each, _Anchor)]
    return _merged([*([_ANYTHING] if opens else []), *tokens, *([_ANYTHING] if closes else [])])


def _merged(tokens: Iterable[Token]) -> Tokens:
    """Texts that stand side by side become one, and so do parameters that together take what one takes."""
    merged: list[Token] = []
    for each in tokens:
        last = merged[-1] if merged else None
        if isinstance(each, _Anchor) or isinstance(last, _Anchor):
            merged.append(each)
        elif isinstance(each, str) and isinstance(last, str):
            merged[-1] = last + each
        elif isinstance(each, Parameter) and isinstance(last, Parameter) and _are_like_one(last, each):
            merged[-1] = Parameter(last.name or each.name, _joint_kind([last, each]))
        else:
            merged.append(each)
    return tuple(merged)


def _are_like_one(one: Parameter, other: Parameter) -> bool:
    if one.forms or other.forms:
        return False
    if one.kind == other.kind == "path":
        return True
    return not (one.name or other.name) and {one.kind, other.kind} <= {"", "int"}


def _distinct(found: Iterable[_Reading]) -> list[_Reading]:
    return list(dict.fromkeys(found))


def _sequence(parsed: Any, any_case: bool) -> list[_Reading]:  # noqa: ANN401 - Python's own tree has no types
    found: list[_Reading] = [()]
    for operation, argument in parsed:
        options = _options(str(operation), argument, any_case)
        if len(found) * len(options) > _MOST_READINGS:
            options = [(_roughly(options),)]
        found = _distinct(_merged((*start, *end)) for start, end in itertools.product(found, options))
    return found


def _roughly(options: list[_Reading]) -> Parameter:
    """One parameter without forms that takes all of the options."""
    kind = _joint_kind([each for option in options for each in option])
    return _ANYTHING if kind == "path" or () in options else Parameter("", kind)


def _options(operation: str, argument: Any, any_case: bool) -> list[_Reading]:  # noqa: ANN401
    """What one piece of the expression can stand for."""
    if operation == "LITERAL":
        character = chr(argument)
        return [(Parameter(),)] if any_case and character.swapcase() != character else [(character,)]
    if operation in ("ANY", "NOT_LITERAL", "IN"):
        return _character(operation, argument)
    if operation in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, most, inner = argument
        return _repeat(least, most, inner, any_case)
    if operation == "SUBPATTERN":
        return _subpattern(argument, any_case)
    if operation == "BRANCH":
        return _distinct(each for branch in argument[1] for each in _sequence(branch, any_case))
    if operation == "ATOMIC_GROUP":
        return _sequence(argument, any_case)
    if operation == "GROUPREF_EXISTS":
        return _distinct(each for branch in argument[1:] for each in _sequence(branch or (), any_case))
    if operation == "AT":
        anchors = {"AT_BEGINNING": _START, "AT_BEGINNING_STRING": _START, "AT_END": _END, "AT_END_STRING": _END}
        return [(anchors[str(argument)],)] if str(argument) in anchors else [()]
    if operation in ("ASSERT", "ASSERT_NOT"):  # what they say makes an expression accept less, never more
        return [()]
    return [(_ANYTHING,)]


def _subpattern(argument: Any, any_case: bool) -> list[_Reading]:  # noqa: ANN401
    group, added, removed, inner = argument
    any_case = (any_case or bool(added & re.IGNORECASE)) and not removed & re.IGNORECASE
    options = _sequence(inner, any_case)
    anchored = any(isinstance(each, _Anchor) for option in options for each in option)
    name = next((name for name, number in inner.state.groupdict.items() if number == group), None)
    return options if name is None or anchored else [(named(_group(options), name),)]


def _character(operation: str, argument: Any) -> list[_Reading]:  # noqa: ANN401
    """One character out of several."""
    if operation == "IN" and len(argument) <= 4 and all(str(kind) == "LITERAL" for kind, _ in argument):
        return [(chr(code),) for _, code in argument]
    kind = _kind_of_character(operation, argument)
    return [(Parameter(),), ("/",)] if kind == "path" else [(Parameter("", kind),)]


def _kind_of_character(operation: str, argument: Any) -> ParameterKind:  # noqa: ANN401
    def accepts(character: str) -> bool:
        if operation == "IN":
            return _in_set(argument, character)
        return operation == "ANY" or argument != ord(character)

    if accepts("/"):
        return "path"
    return "" if any(accepts(each) for each in _ASCII if not each.isdigit()) else "int"


def _in_set(items: Sequence[tuple[Any, Any]], character: str) -> bool:
    tests = {
        "CATEGORY_DIGIT": character.isdigit(),
        "CATEGORY_WORD": character.isalnum() or character == "_",
        "CATEGORY_SPACE": character.isspace(),
    }
    code, found, negated = ord(character), False, False
    for kind, value in items:
        if str(kind) == "NEGATE":
            negated = True
        elif str(kind) == "LITERAL":
            found = found or code == value
        elif str(kind) == "RANGE":
            found = found or value[0] <= code <= value[1]
        elif str(kind) == "CATEGORY":
            category = str(value)
            found = found or tests.get(category, not tests.get(category.replace("_NOT_", "_"), False))
    return found is not negated


def _repeat(least: int, most: Any, inner: Any, any_case: bool) -> list[_Reading]:  # noqa: ANN401
    options = _sequence(inner, any_case)
    if most == 0:
        return [()]
    if most == 1:
        return _distinct([*options, *([()] if least == 0 else [])])
    tokens = [each for option in options for each in option if not isinstance(each, _Anchor)]
    kind = _joint_kind(tokens)
    may_be_empty = least == 0 or any(not option for option in options)
    if kind == "path":
        return [(_ANYTHING if may_be_empty else ANY_TEXT,)]
    return [(Parameter("", kind),), *([()] if may_be_empty else [])]


def _joint_kind(tokens: Sequence[Token]) -> ParameterKind:
    """The kind that takes all of these, in any number and order."""
    if any("/" in each if isinstance(each, str) else each.kind == "path" for each in tokens):
        return "path"
    digits = all(each.isdigit() if isinstance(each, str) else each.kind == "int" for each in tokens)
    return "int" if digits and tokens else ""


def _group(options: list[_Reading]) -> Parameter:
    """One parameter for what stands in a group."""
    if len(options) == 1 and len(options[0]) == 1 and isinstance(options[0][0], Parameter):
        return options[0][0]
    kind = _kind_of_number(options) or _joint_kind([each for option in options for each in option])
    return Parameter("", kind, tuple(options))


def _kind_of_number(options: list[_Reading]) -> ParameterKind:
    """`int` or `float` for what is a number in all of its forms, with a minus sign in some."""
    int_ = Parameter("", "int")
    unsigned = {option[1:] if option[:1] == ("-",) else option for option in options}
    if unsigned == {(int_,)}:
        return "int"
    return "float" if unsigned and unsigned <= {(int_,), (int_, ".", int_)} else ""
