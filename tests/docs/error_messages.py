"""Finds every `error:` of the program in its sources, with its hint: for the table in docs/troubleshooting.md.

Python is read as a syntax tree. Rust is read as text: only the literals of a call count. What a message takes from the
outside is shown as `…`. `test_troubleshooting.py` compares the page with what is found here.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
GAP = "…"
# The classes whose first two arguments are a message and its hint.
ERRORS = {
    "StartupError",
    "HintedUsageError",
    "UsageError",
    "BadParameter",
    "ClickException",
    "_RuleError",
    "RollbackError",
}
LITERAL = r'"(?:\\.|[^"\\])*"'


@dataclass(frozen=True, order=True)
class Message:
    """An error of the program."""

    file: str
    text: str
    hint: str


@functools.cache
def messages() -> tuple[Message, ...]:
    """Every error, in the order of its file and text, each once in a file."""
    found = {each for path in sorted(PROJECT.glob("python/rsgi/**/*.py")) for each in _in_python(path)}
    for folder in ("src", "bridge/src"):
        found |= {each for path in sorted(PROJECT.glob(f"{folder}/**/*.rs")) for each in _in_rust(path)}
    return tuple(sorted(each for each in found if re.search(r"[a-z]{3}", each.text)))


def _in_python(path: Path) -> Iterator[Message]:
    tree = ast.parse(path.read_text())
    name = path.relative_to(PROJECT).as_posix()
    scopes = [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))]
    for scope in scopes:
        for call in _calls_of(scope):
            called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if called == "say" and call.args:
                said = [text for text in _texts(call.args[0], scope, tree) if text.startswith("error: ")]
                yield from (Message(name, _shown(text.removeprefix("error: ")), "") for text in said)
            elif called in ERRORS and call.args:
                hints = _texts(call.args[1], scope, tree) if len(call.args) > 1 and called != "BadParameter" else [""]
                hint = "; or: ".join(text for text in hints if re.search(r"[a-z]{3}", text))
                yield from (Message(name, _shown(text), _shown(hint)) for text in _texts(call.args[0], scope, tree))


def _calls_of(scope: ast.AST) -> Iterator[ast.Call]:
    """The calls in a scope, without those of the functions in it."""
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.Call):
            yield node
        yield from _calls_of(node)


def _texts(node: ast.expr, scope: ast.AST, tree: ast.Module) -> list[str]:
    """What an expression may say."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(part.value if isinstance(part, ast.Constant) else GAP for part in parts)]
        case ast.IfExp(body=first, orelse=second):
            return _texts(first, scope, tree) + _texts(second, scope, tree)
        case ast.BinOp(left=first, right=second):
            return [a + b for a in _texts(first, scope, tree) for b in _texts(second, scope, tree)]
        case ast.Name(id=name):
            values = _assigned(scope, name, node) or _assigned(tree, name, None)
            return [text for each in values for text in _texts(each, scope, tree)] or [GAP]
        case ast.Call(func=ast.Name(id=name)):
            made = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == name]
            returns = [each for function in made for each in ast.walk(function) if isinstance(each, ast.Return)]
            given = [text for each in returns if each.value is not None for text in _texts(each.value, made[0], tree)]
            return given or [GAP]
    return [GAP]


def _assigned(place: ast.AST, name: str, use: ast.Name | None) -> list[ast.expr]:
    """The values that a name may have where it is used: the last one, and the ones before it if that is in a branch."""
    found = [
        each
        for each in ast.walk(place)
        if isinstance(each, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == name for target in each.targets)
        and (use is None or each.lineno < use.lineno)
    ]
    values = []
    for each in sorted(found, key=lambda node: node.lineno, reverse=True):
        values.append(each.value)
        if use is None or each.col_offset <= use.col_offset:
            break
    return values


def _in_rust(path: Path) -> Iterator[Message]:
    name = path.relative_to(PROJECT).as_posix()
    if path.name == "tests.rs":
        return
    text = path.read_text().partition("#[cfg(test)]\nmod tests {")[0]
    for found in re.finditer(r"StartupError::new\(", text):
        arguments = _arguments(text, found.end())
        said, hints = (_literals(each, text[: found.start()], text[found.start() :]) for each in [*arguments, ""][:2])
        hint = "; or: ".join(each for each in hints if re.search(r"[a-z]{3}", each))
        yield from (Message(name, _shown(each), _shown(hint)) for each in said)
    for found in re.finditer(rf'line\(format_args!\(\s*(?="error: )({LITERAL})', text):
        yield Message(name, _shown(_template(found[1]).removeprefix("error: ")), "")
    if name == "src/route/error.rs":
        for found in re.finditer(rf"#\[error\(({LITERAL})\)\]", text):
            yield Message(name, _shown(_template(found[1])), "")


def _arguments(text: str, start: int) -> list[str]:
    """The arguments of a call whose opening bracket ends at `start`."""
    depth, begin, found = 0, start, []
    for token in re.finditer(rf"{LITERAL}|[()\[\]{{}},]", text[start:]):
        at = start + token.start()
        if token[0] in "([{":
            depth += 1
        elif token[0] in ")]}" and depth:
            depth -= 1
        elif token[0] in ",)" and not depth:
            found.append(text[begin:at].strip())
            begin = at + 1
            if token[0] == ")":
                break
    return [each for each in found if each]


def _literals(argument: str, before: str, after: str) -> list[str]:
    """What an argument may say; the value of a variable is looked for before the call."""
    if re.fullmatch(r"\w+", argument):
        given = re.findall(rf"let {argument} =\s*((?:{LITERAL}|[^;\"])*);", before)
        return [_template(each) for each in re.findall(LITERAL, given[-1])] if given else [GAP]
    called = re.match(r"(\w+)\(", argument)
    if called is not None:  # a function of this file
        body = re.search(rf"^fn {called[1]}\(.*?^}}", before + after, re.MULTILINE | re.DOTALL)
        return [_template(each) for each in re.findall(LITERAL, body[0])] if body else [GAP]
    return [_template(each) for each in re.findall(LITERAL, argument)] or [GAP]


def _template(literal: str) -> str:
    """A literal of Rust with gaps for what `format!` puts into it."""
    text = re.sub(r"\\\n\s*", "", literal[1:-1]).replace('\\"', '"').replace("\\n", "\n")
    text = text.replace("{{", "\0").replace("}}", "\1")
    return re.sub(r"\{[^{}]*\}", GAP, text).replace("\0", "{").replace("\1", "}")


def _shown(text: str) -> str:
    """One line, with one gap for several in a row."""
    first = text.strip().partition("\n")[0]
    return re.sub(rf"{GAP}(?:\s*{GAP})+", GAP, " ".join(first.split()))
