"""Imports applications, and explains import errors.

Every command that names an application needs it. Imports fail in many ways, and each has its own message and hint.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from rsgi.apps.import_hints import django_hint, folder_hint, object_in
from rsgi.errors import StartupError

_NAME = r"[^\W\d]\w*"
_DOTTED = rf"{_NAME}(?:\.{_NAME})*"
_TARGET = re.compile(rf"(?P<module>{_DOTTED}):(?P<attribute>{_DOTTED})(?P<call>\(\))?")
_FRAMES_SHOWN = 4
_NAMES_SHOWN = 5
_MISSING = object()


@dataclass(frozen=True)
class Target:
    """A target, taken apart.

    Attributes:
        text: As it was written.
        module: The dotted name of the module.
        attribute: The name inside the module, dotted if it is deeper.
        is_factory: Whether what the name stands for is called to get the application.
    """

    text: str
    module: str
    attribute: str
    is_factory: bool


def load_target(target: str | object, app_dir: str | os.PathLike[str] = ".") -> object:
    """The application that `target` stands for.

    Args:
        target: `module:attr`, `module:factory()` or the application itself.
        app_dir: The folder to import from; stays in front of `sys.path`, since applications import later too.

    Returns:
        A callable.

    Raises:
        StartupError: when the target is malformed, its module or attribute is missing, the module or the factory
            raises, or the result cannot be called.
    """
    if not isinstance(target, str):
        return _checked(target, target_name(target), "the object that was given")
    parsed = parse_target(target, app_dir)
    folder = add_app_dir(app_dir)
    module = _import(parsed, folder)
    found = _attribute(parsed, module)
    if parsed.is_factory:
        found = _call_factory(parsed, found, folder)
    return _checked(found, target, f"`{target}`")


def target_name(target: str | object) -> str:
    """How a target is called in logs and messages: its text, or `module:qualname` for an object."""
    if isinstance(target, str):
        return target
    for name, value in list(vars(sys.modules["__main__"]).items()):
        if value is target and not name.startswith("_"):
            return f"__main__:{name}"
    named = target if hasattr(target, "__qualname__") else type(target)
    return f"{getattr(named, '__module__', '?')}:{getattr(named, '__qualname__', type(target).__qualname__)}"


def parse_target(text: str, app_dir: str | os.PathLike[str] = ".") -> Target:
    """Take `module:attr` or `module:factory()` apart.

    Args:
        text: What was written.
        app_dir: The folder to import from; the hint looks there.

    Raises:
        StartupError: when it is neither.
    """
    found = _TARGET.fullmatch(text.strip())
    if found is None or found["module"].endswith(".py"):
        raise StartupError(
            f"`{text}` is not a target of the form `module:attr`",
            _malformed_hint(text.strip(), Path(os.path.expanduser(app_dir))),
        )
    return Target(text, found["module"], found["attribute"], found["call"] is not None)


def add_app_dir(app_dir: str | os.PathLike[str]) -> Path:
    """Put the folder in front of `sys.path`, once and as an absolute path.

    Returns:
        The absolute path.

    Raises:
        StartupError: when there is no such folder.
    """
    folder = Path(os.path.abspath(os.path.expanduser(app_dir)))  # `resolve` would follow links as well
    if not folder.is_dir():
        raise StartupError(f"there is no folder `{app_dir}`", "`--app-dir` names the folder with the applications")
    path = str(folder)
    if not sys.path or sys.path[0] != path:
        sys.path[:] = [path, *(entry for entry in sys.path if entry != path)]
        importlib.invalidate_caches()
    return folder


def _malformed_hint(text: str, folder: Path) -> str:
    module, colon, attribute = text.partition(":")
    if re.search(r"\([^)]", attribute):
        return "a factory is called without arguments: write `module:factory()` with empty parentheses"
    path = module.removesuffix(".py").replace("\\", "/")
    above, _, stem = path.rpartition("/")
    written = f"{stem}:{attribute or object_in(folder / above, stem)}"
    if path != module or "/" in path:
        inside = f", with `--app-dir {above}`" if above else ""
        return f"name the module, not its file: `{written}`{inside}"
    if not colon and re.fullmatch(_DOTTED, text):
        return f"name the object in the module, for example `{text}:{object_in(folder, text)}`"
    return "for example `old:app` for the object `app` in `old.py`, or `old:create_app()` for the result of a factory"


def _import(target: Target, folder: Path) -> ModuleType:
    try:
        return importlib.import_module(target.module)
    except ModuleNotFoundError as error:
        if _is_about_target(error, target.module):
            message = f"could not import `{target.text}`: no module named `{error.name}`"
            raise StartupError(message, _module_hint(target.module, folder)) from error
        message = f"could not import `{target.text}`: `{target.module}` needs the module `{error.name}`"
        hint = folder_hint(target.module, target.text, error.name or "", folder) or (
            f"install what provides `{error.name}` for {sys.executable}, or correct the import"
        )
        raise StartupError(f"{message}\n\n{_tail(error)}", hint) from error
    except SystemExit as error:
        message = f"could not import `{target.text}`: `{target.module}` ended the process (SystemExit: {error.code})"
        hint = 'put the code that runs the program below `if __name__ == "__main__":`'
        raise StartupError(f"{message}\n\n{_tail(error)}", hint) from error
    except Exception as error:
        message = f"could not import `{target.text}`: `{target.module}` raised {type(error).__name__}"
        raise StartupError(f"{message}\n\n{_tail(error)}", _raised_hint(error, target, folder)) from error


def _is_about_target(error: ModuleNotFoundError, module: str) -> bool:
    """Whether it is the target that is missing, and not something that it imports."""
    name = error.name or ""
    return (module == name or module.startswith(f"{name}.")) and not list(_application_frames(error))


def _module_hint(module: str, folder: Path) -> str:
    top, _, rest = module.partition(".")
    if rest and (folder / f"{top}.py").is_file():
        return f"`{top}` is a single file, not a package, so it has no `{rest}`"
    elsewhere = next(iter(sorted(folder.glob(f"*/{top}.py")) + sorted(folder.glob(f"*/{top}/__init__.py"))), None)
    if elsewhere is not None:
        inside = elsewhere.parent if elsewhere.name != "__init__.py" else elsewhere.parent.parent
        return f"there is `{elsewhere.relative_to(folder)}`: pass `--app-dir {inside.relative_to(folder)}`"
    if not (folder / top).is_dir():
        similar = difflib.get_close_matches(top, [each.stem for each in folder.glob("*.py")], n=1)
        if similar:
            return f"did you mean `{similar[0]}`? The folder is {folder}"
    missing = module.replace(".", "/")
    return f"run from the folder that holds `{missing}.py`, or pass `--app-dir <folder>`"


def _attribute(target: Target, module: ModuleType) -> object:
    found: object = module
    seen = target.module
    for name in target.attribute.split("."):
        try:
            value = getattr(found, name, _MISSING)
        except Exception as error:
            message = f"could not load `{target.text}`: reading `{name}` raised {type(error).__name__}"
            raise StartupError(f"{message}\n\n{_tail(error)}", _debug_hint()) from error
        if value is _MISSING:
            owner = f"the module `{seen}`" if isinstance(found, ModuleType) else f"`{seen}`"
            message = f"could not load `{target.text}`: {owner} has no `{name}`"
            raise StartupError(message, _attribute_hint(found, seen, name))
        seen += f".{name}" if found is not module else f":{name}"
        found = value
    return found


def _attribute_hint(owner: object, seen: str, name: str) -> str | None:
    names = [each for each in dir(owner) if not each.startswith("_")]
    between = ":" if ":" not in seen else "."
    similar = difflib.get_close_matches(name, names, n=1)
    if similar:
        return f"did you mean `{seen}{between}{similar[0]}`?"
    callables = list(_own_callables(owner, names)) if isinstance(owner, ModuleType) else []
    if callables:
        shown = ", ".join(f"`{seen}:{each}`" for each in callables[:_NAMES_SHOWN])
        return f"it defines {shown}"
    if isinstance(owner, ModuleType):
        return f"nothing in {getattr(owner, '__file__', None) or seen} can be called; is this the right module?"
    return None


def _own_callables(module: ModuleType, names: list[str]) -> Iterator[str]:
    """What could be the application: callable objects first, then the functions that the module itself defines."""
    functions: list[str] = []
    for name in names:
        value = vars(module).get(name)
        if inspect.isclass(value) or inspect.isfunction(value):
            if value.__module__ == module.__name__:
                functions.append(name)
        elif callable(value):
            yield name
    yield from functions


def _call_factory(target: Target, factory: object, folder: Path) -> object:
    if not callable(factory):
        message = f"`{target.text}`: `{target.attribute}` is {_a_type(factory)} and cannot be called"
        raise StartupError(message, f"remove the parentheses to name the object itself: `{target.text[:-2]}`")
    try:
        made = factory()
    except Exception as error:
        if isinstance(error, TypeError) and not list(_application_frames(error)):
            message = f"the factory `{target.text}` cannot be called without arguments: {error}"
            raise StartupError(message, "write a function without parameters that returns the application") from error
        message = f"the factory `{target.text}` raised {type(error).__name__}"
        raise StartupError(f"{message}\n\n{_tail(error)}", _raised_hint(error, target, folder)) from error
    except SystemExit as error:
        message = f"the factory `{target.text}` ended the process (SystemExit: {error.code})"
        raise StartupError(f"{message}\n\n{_tail(error)}", "a factory returns the application") from error
    if inspect.iscoroutine(made):
        made.close()
        hint = "make it a plain function; await things in the lifespan of the application"
        raise StartupError(f"the factory `{target.text}` is a coroutine function", hint)
    return made


def _a_type(value: object) -> str:
    """The type of a value with its article."""
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} `{name}`"


def _checked(found: object, text: str, called: str) -> object:
    if callable(found):
        return found
    if isinstance(found, ModuleType):
        hint = f"it is a module; did you mean `{found.__name__}:app`?"
        raise StartupError(f"{called} cannot be called, so it is not an application", hint)
    if found is None:
        factory = text.endswith("()")
        hint = "does the factory return the application?" if factory else "is it set when the module is imported?"
        raise StartupError(f"{called} is None", hint)
    message = f"{called} is {_a_type(found)}, which cannot be called, so it is not an application"
    raise StartupError(message, "a target names a WSGI or ASGI callable, or a factory with `()` behind it")


def _application_frames(error: BaseException) -> Iterator[traceback.FrameSummary]:
    """The frames outside of this file and of Python's import machinery."""
    for frame in traceback.extract_tb(error.__traceback__):
        machinery = frame.filename.startswith("<frozen ") or frame.filename in {__file__, importlib.__file__}
        if not machinery:
            yield frame


def _tail(error: BaseException) -> str:
    """The last lines of the application's own traceback."""
    frames = list(_application_frames(error))[-_FRAMES_SHOWN:]
    lines = traceback.format_list(frames) + traceback.format_exception_only(type(error), error)
    return "".join(lines).rstrip()


def _raised_hint(error: Exception, target: Target, folder: Path) -> str:
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    found = django_hint(error, folder) or (missing and folder_hint(target.module, target.text, missing, folder))
    return found or _debug_hint()


def _debug_hint() -> str:
    return "`--debug` shows the whole traceback"
