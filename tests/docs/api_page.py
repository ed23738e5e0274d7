"""Writes docs/api.md from signatures and docstrings: of Python files, and of `_rsgi.pyi` for what is compiled.

Nothing is imported, so the page is the same on every interpreter. `test_api_page.py` compares it with the file.
"""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "python/rsgi"

# What users import, in the order of the page: the module that they name, the file, and the names.
PLACES = [
    ("Serving", "rsgi", "process/entry.py", ["serve"]),
    ("Serving", "rsgi", "process/embedding.py", ["Server"]),
    ("Serving", "rsgi", "settings/config.py", ["Config"]),
    ("Serving", "rsgi", "settings/setting.py", ["AppTarget"]),
    ("Serving", "rsgi", "errors.py", ["StartupError"]),
    ("Serving", "rsgi", "publishing.py", ["publish"]),
    ("WSGI inside ASGI", "rsgi", "bridge/wsgi_to_asgi.py", ["WsgiToAsgi"]),
    (
        "WSGI inside ASGI",
        "rsgi",
        "_rsgi.pyi",
        ["WsgiPool", "WsgiInput", "build_environ", "ClientDisconnected", "RequestBodyError"],
    ),
    ("Logins", "rsgi.migrate.sessions", "migrate/sessions/flask_cookie.py", ["FlaskCookie"]),
    (
        "Logins",
        "rsgi.migrate.sessions",
        "migrate/sessions/flask_sessions.py",
        ["FlaskSessionMiddleware", "flask_login_required"],
    ),
    (
        "Logins",
        "rsgi.migrate.sessions",
        "migrate/sessions/django_sessions.py",
        ["DjangoSessionMiddleware", "django_login_required", "django_user", "django_session", "django_request"],
    ),
    ("Logins", "rsgi.migrate.sessions", "migrate/sessions/django_csrf.py", ["csrf_protect", "csrf_token"]),
]
HEAD = """# Python API

`tests/docs/test_api_page.py` generates this page from the docstrings. Do not edit it.

Everything else in the package is internal and may change. [settings.md](settings.md) lists the settings that `serve` and
`Server` take by name. The command line is `rsgi --help`.
"""
SECTIONS = r"(Args|Returns|Raises|Attributes|Yields):"


def page() -> str:
    """The whole page."""
    lines, section = [HEAD], ""
    for title, module, file, names in PLACES:
        if title != section:
            lines.append(f"## {title}\n")
            section = title
        tree = ast.parse((PACKAGE / file).read_text())
        nodes = {
            node.name: node
            for node in tree.body
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        }
        lines += [_entry(module, nodes[name]) for name in names]
    return "\n".join(lines).rstrip() + "\n"


def _entry(module: str, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """One function or class, with its public methods."""
    parts = [
        f"### {module}.{node.name}\n",
        f"```python\n{_signature(node)}\n```\n",
        _prose(ast.get_docstring(node) or ""),
    ]
    if isinstance(node, ast.ClassDef):
        for member in node.body:
            shown = isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) and not member.name.startswith("_")
            if shown and ast.get_docstring(member):
                parts.append(_member(member))
    return "\n".join(parts)


def _member(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    kinds = {each.id for each in node.decorator_list if isinstance(each, ast.Name)}
    name = node.name if "property" in kinds else f"{node.name}{_arguments(node)}"
    return f"**`{name}`**\n\n{_prose(ast.get_docstring(node) or '')}"


def _signature(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    if not isinstance(node, ast.ClassDef):
        return f"{'await ' if isinstance(node, ast.AsyncFunctionDef) else ''}{node.name}{_arguments(node)}"
    made = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name in ("__init__", "__new__")]
    if made:
        return f"{node.name}{_arguments(made[-1])}"
    if any("dataclass" in ast.unparse(each) for each in node.decorator_list):
        return f"{node.name}(…)" if node.name == "Config" else f"{node.name}({_fields(node)})"
    bases = ", ".join(ast.unparse(each) for each in node.bases)
    return f"class {node.name}({bases})" if bases else f"class {node.name}"


def _fields(node: ast.ClassDef) -> str:
    given = [each for each in node.body if isinstance(each, ast.AnnAssign)]
    return ", ".join(ast.unparse(each) for each in given)


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    given = ast.unparse(node.args)
    given = re.sub(r"^(self|cls)(, )?", "", given)
    line = f"({given})"
    if len(line) <= 90:
        return line
    # One argument in a line; commas inside of brackets stay.
    pieces = re.split(r", (?![^\[(]*[\])])", given)
    return "(\n" + "".join(f"    {piece},\n" for piece in pieces) + ")"


def _prose(docstring: str) -> str:
    """A docstring as Markdown: its sections become lists."""
    out: list[str] = []
    for block in re.split(r"\n\n+", docstring):
        found = re.match(rf"{SECTIONS}\n", block)
        if found is None:
            out.append(block)
            continue
        items = textwrap.dedent(block[found.end() :]).splitlines()
        joined: list[str] = []
        for line in items:
            if line.startswith(" ") and joined:
                joined[-1] += f" {line.strip()}"
            elif found[1] == "Returns" and joined:
                joined[-1] += f" {line}"
            else:
                joined.append(line)
        listed = [re.sub(r"^(\w+): ", r"`\1`: ", each) for each in joined]
        out.append(f"{found[1]}:\n\n" + "\n".join(f"- {each}" for each in listed))
    return "\n\n".join(out) + "\n"
