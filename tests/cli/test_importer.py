"""Importing applications: every way in which it fails says what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from rsgi.apps.importer import add_app_dir, load_target, parse_target, target_name
from rsgi.errors import StartupError

WriteModule: TypeAlias = Callable[..., str]


@pytest.fixture(autouse=True)
def _own_modules() -> Iterator[None]:
    """Undo what a test imports and puts on `sys.path`."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path) -> WriteModule:
    """Write a module of the app folder; gives its name."""

    def write_module(name: str, source: str) -> str:
        file = tmp_path / f"{name.replace('.', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
        return name

    return write_module


def failure(target: object, folder: Path) -> StartupError:
    with pytest.raises(StartupError) as raised:
        load_target(target, folder)
    assert raised.value.message
    return raised.value


def test_an_attribute_of_a_module_is_loaded(write: WriteModule, tmp_path: Path) -> None:
    write("plain_one", "def app(environ, start_response): ...\n")
    found = load_target("plain_one:app", tmp_path)
    assert callable(found)
    assert found is sys.modules["plain_one"].app


def test_a_dotted_attribute_in_a_package_is_loaded(write: WriteModule, tmp_path: Path) -> None:
    write("package_one.inner", "class Site:\n    @staticmethod\n    def app(): ...\n")
    assert callable(load_target("package_one.inner:Site.app", tmp_path))


def test_a_factory_is_called(write: WriteModule, tmp_path: Path) -> None:
    write("factory_one", "def create():\n    def made(): ...\n    return made\n")
    found = load_target("factory_one:create()", tmp_path)
    assert getattr(found, "__name__", None) == "made"


def test_an_object_is_taken_as_it_is(tmp_path: Path) -> None:
    def app() -> None: ...

    assert load_target(app, tmp_path) is app
    assert "cannot be called" in failure({"no": "app"}, tmp_path).message


def test_names_of_targets() -> None:
    assert target_name("old:app") == "old:app"
    assert target_name(failure) == f"{__name__}:failure"
    assert target_name(Path("x")).endswith("Path")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("old", "`old:app`"),
        ("old.py", "`old:app`"),
        ("old.py:app", "`old:app`"),
        ("./old.py:app", "`--app-dir .`"),
        ("src/old:app", "`--app-dir src`"),
        ("old:create_app(1)", "empty parentheses"),
        ("old:create_app('x')", "empty parentheses"),
        ("old:", "old:app"),
        (":app", "old:app"),
        ("", "old:app"),
        ("old:app:more", "old:app"),
        ("old:1app", "old:app"),
        ("old:app()()", "old:app"),
        ("old app:x", "old:app"),
    ],
)
def test_a_malformed_target_shows_how_it_is_written(text: str, hint: str) -> None:
    with pytest.raises(StartupError, match="is not a target") as raised:
        parse_target(text)
    assert hint in (raised.value.hint or "")


def test_a_missing_module_is_said_in_the_words_of_the_manual(tmp_path: Path) -> None:
    error = failure("nowhere_at_all:app", tmp_path)
    assert error.message == "could not import `nowhere_at_all:app`: no module named `nowhere_at_all`"
    assert error.hint == "run from the folder that holds `nowhere_at_all.py`, or pass `--app-dir <folder>`"
    assert isinstance(error.__cause__, ModuleNotFoundError)


def test_a_missing_submodule_is_told_from_a_missing_package(write: WriteModule, tmp_path: Path) -> None:
    write("package_two.inner", "app = print\n")
    assert "no module named `package_two.other`" in failure("package_two.other:app", tmp_path).message
    write("single_file", "app = print\n")
    assert "not a package" in (failure("single_file.inner:app", tmp_path).hint or "")


def test_a_module_in_another_folder_or_of_a_similar_name_is_pointed_out(write: WriteModule, tmp_path: Path) -> None:
    write("backend.elsewhere", "app = print\n")
    assert "`--app-dir backend`" in (failure("elsewhere:app", tmp_path).hint or "")
    write("inventory", "app = print\n")
    assert "`inventory`" in (failure("inventroy:app", tmp_path).hint or "")


def test_an_import_that_fails_inside_the_application_shows_its_traceback(write: WriteModule, tmp_path: Path) -> None:
    write("needs_more", "import os\nimport a_module_nobody_has\n")
    error = failure("needs_more:app", tmp_path)
    assert error.message.startswith(
        "could not import `needs_more:app`: `needs_more` needs the module `a_module_nobody_has`"
    )
    assert "needs_more.py" in error.message
    assert "import a_module_nobody_has" in error.message
    assert "importlib" not in error.message
    assert "a_module_nobody_has" in (error.hint or "")


def test_a_module_that_misses_its_own_submodule_is_not_taken_for_missing(write: WriteModule, tmp_path: Path) -> None:
    write("package_three.__init__", "import package_three.gone\n")
    error = failure("package_three:app", tmp_path)
    assert "needs the module `package_three.gone`" in error.message


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("raise RuntimeError('no database')\n", "RuntimeError: no database"),
        ("def broken(:\n", "SyntaxError"),
        ("from os import nothing_like_this\n", "ImportError"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
    ],
)
def test_an_error_in_the_module_is_shown(write: WriteModule, tmp_path: Path, source: str, shown: str) -> None:
    name = write("broken_module", source)
    error = failure(f"{name}:app", tmp_path)
    assert shown in error.message
    assert "broken_module.py" in error.message
    assert error.__cause__ is not None


def test_ctrl_c_during_an_import_is_not_swallowed(write: WriteModule, tmp_path: Path) -> None:
    write("interrupted", "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_target("interrupted:app", tmp_path)


def test_a_missing_attribute_names_similar_ones(write: WriteModule, tmp_path: Path) -> None:
    write("with_names", "def application(): ...\nclass Site:\n    def app(self): ...\n")
    error = failure("with_names:aplication", tmp_path)
    assert error.message == "could not load `with_names:aplication`: the module `with_names` has no `aplication`"
    assert error.hint == "did you mean `with_names:application`?"
    assert failure("with_names:Site.apq", tmp_path).hint == "did you mean `with_names:Site.app`?"


def test_a_missing_attribute_names_what_could_be_meant(write: WriteModule, tmp_path: Path) -> None:
    write("with_others", "from json import dumps\nclass Web:\n    def __call__(self): ...\nsite = Web()\n")
    assert failure("with_others:xyz", tmp_path).hint == "it defines `with_others:site`, `with_others:Web`"
    write("with_nothing", "number = 1\n")
    assert "nothing in" in (failure("with_nothing:xyz", tmp_path).hint or "")


def test_a_factory_that_raises_shows_its_traceback(write: WriteModule, tmp_path: Path) -> None:
    write("factory_two", "def create():\n    raise ValueError('no settings')\n")
    error = failure("factory_two:create()", tmp_path)
    assert "the factory `factory_two:create()` raised ValueError" in error.message
    assert "ValueError: no settings" in error.message


def test_a_type_error_inside_a_factory_is_not_taken_for_missing_arguments(write: WriteModule, tmp_path: Path) -> None:
    write("factory_three", "def create():\n    return len(3)\ndef needy(one):\n    return one\n")
    assert "raised TypeError" in failure("factory_three:create()", tmp_path).message
    assert "cannot be called without arguments" in failure("factory_three:needy()", tmp_path).message


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("async def create(): ...\n", "is a coroutine function"),
        ("def create(): ...\n", "is None"),
        ("create = {}\n", "cannot be called"),
        ("def create():\n    return 7\n", "is an `int`"),
        ("def create():\n    raise SystemExit(1)\n", "ended the process"),
    ],
)
def test_a_factory_that_gives_no_application(write: WriteModule, tmp_path: Path, source: str, shown: str) -> None:
    name = write("factory_four", source)
    assert shown in failure(f"{name}:create()", tmp_path).message


@pytest.mark.parametrize(
    ("source", "shown"),
    [("app = None\n", "is None"), ("app = 'x'\n", "is a `str`"), ("import json as app\n", "`json:app`")],
)
def test_what_cannot_be_called_is_no_application(write: WriteModule, tmp_path: Path, source: str, shown: str) -> None:
    name = write("not_callable", source)
    assert shown in str(failure(f"{name}:app", tmp_path))


def test_the_app_folder_comes_first_on_the_path_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sys.path.append(str(tmp_path))
    assert add_app_dir(".") == tmp_path
    add_app_dir(tmp_path)
    assert sys.path[0] == str(tmp_path)
    assert sys.path.count(str(tmp_path)) == 1


def test_an_app_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="there is no folder"):
        add_app_dir(tmp_path / "gone")
