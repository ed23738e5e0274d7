"""Guesses from the files of a project what was meant when an import has failed or a target is incomplete.

Nothing is imported here. Files are read as text.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

_OBJECTS = ("application", "app", "api", "asgi", "wsgi")
_FACTORIES = ("create_app", "make_app", "get_app", "create_application")
_SETTINGS_VARIABLE = "DJANGO_SETTINGS_MODULE"


def object_in(folder: Path, module: str) -> str:
    """What the application is probably called in a module: as its file has it, else as is usual.

    Args:
        folder: The folder that it is imported from.
        module: Its dotted name.
    """
    path = folder.joinpath(*module.split("."))
    for file in (path.parent / f"{path.name}.py", path / "__init__.py"):
        names = _names_in(file)
        found = next((name for name in _OBJECTS if name in names), None)
        found = found or next((f"{name}()" for name in _FACTORIES if name in names), None)
        if found is not None:
            return found
    return "application" if module.rpartition(".")[2] in ("wsgi", "asgi") else "app"


def _names_in(file: Path) -> set[str]:
    """What a file assigns, defines or imports at its top level; nothing if it cannot be read."""
    try:
        body = ast.parse(file.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return set()
    names: set[str] = set()
    for each in body:
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names.add(each.name)
        elif isinstance(each, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name for alias in each.names}
        elif isinstance(each, (ast.Assign, ast.AnnAssign)):
            targets = each.targets if isinstance(each, ast.Assign) else [each.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def folder_hint(module: str, text: str, missing: str, folder: Path) -> str | None:
    """What to write when a module was found through a folder that it expects to be in: `site.pages` imports `pages`.

    Args:
        module: The module that was imported.
        text: The whole target.
        missing: The module that it did not find.
        folder: The folder that it was imported from.
    """
    parts, top = module.split("."), missing.partition(".")[0]
    for count in range(1, len(parts)):
        inside = folder.joinpath(*parts[:count])
        if (inside / top).is_dir() or (inside / f"{top}.py").is_file():
            shown = "/".join(parts[:count])
            shorter = text.removeprefix(".".join(parts[:count]) + ".")
            return f"`{top}` is in `{shown}`: pass `--app-dir {shown}`, and write `{shorter}`"
    return None


def django_hint(error: BaseException, folder: Path) -> str | None:
    """What to do when Django has not been told where its settings are."""
    if type(error).__name__ != "ImproperlyConfigured" or _SETTINGS_VARIABLE not in str(error):
        return None
    project = _django_project(folder)
    served = "" if project is None else f", or serve `{project}.wsgi:application`, which sets it itself"
    return f"set the variable, for example `{_SETTINGS_VARIABLE}={project or 'mysite'}.settings rsgi serve …`{served}"


def _django_project(folder: Path) -> str | None:
    """The package whose settings `manage.py` names, else the one folder that has some and a `wsgi.py`."""
    try:
        text = (folder / "manage.py").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    named = re.search(rf"{_SETTINGS_VARIABLE}[\"'],\s*[\"'](\w+)\.settings", text)
    if named is not None:
        return named[1]
    found = [each.parent.name for each in folder.glob("*/settings.py") if (each.parent / "wsgi.py").is_file()]
    return found[0] if len(found) == 1 else None
