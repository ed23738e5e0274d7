"""The page about shares is true: every command is run, in order, and what stands below it is what it prints.

Apart from `test_migration_guide.py` because it asks for a header and brings a cookie.
`UPDATE_DOCS=1 python -m pytest tests/docs/test_shares_page.py` writes the outputs anew.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from command_reader import BLOCK, PageReader, compare_page, copy_examples
from server import start_rsgi
from wire import get

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs/shares.md"


class Reader(PageReader):
    """Does what the page says, as somebody who reads it."""

    def do(self, line: str) -> None:
        match shlex.split(line):
            case ["cd", folder]:
                self.folder = self.project / folder
            case ["rsgi", "serve", *arguments]:
                self.server = start_rsgi(*arguments, folder=self.folder)
            case _:
                raise AssertionError(f"no test knows how to run `{line}`")

    def say(self, line: str) -> str:
        match shlex.split(line):
            case ["curl", "-s", "-o", "/dev/null", "-w", "%header{x-served-by}", "-b", cookie, url]:
                assert self.server is not None
                response = get(self.server, url.removeprefix("http://127.0.0.1:8000"), ("Cookie", cookie))
                assert response.status == 200, line
                return f"{response.header('x-served-by')}\n"
            case ["rsgi", *_]:
                return self.printed(line)
        raise AssertionError(f"no test knows how to run `{line}`")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The examples, where their database may be made."""
    return copy_examples(PROJECT, tmp_path)


def test_every_command_of_the_page_does_what_it_says(project: Path) -> None:
    reader, text = Reader(project), PAGE.read_text()
    try:
        told = BLOCK.sub(reader.run_block, text)
        assert reader.server is not None
        assert "has no effect" not in reader.server.log()
    finally:
        reader.stop()
    assert text.count("\n$ ") > 5
    compare_page(PAGE, told)


def test_the_hash_is_what_the_page_says() -> None:
    """Written anew from the words of the page, and compared with what `rsgi explain` says."""
    rsgi = pytest.importorskip("rsgi._rsgi")
    from rsgi.routing.planning import build_plan
    from rsgi.settings.config import AppTarget, Config

    def old(environ: object, start_response: object) -> list[bytes]:
        return []

    async def new(scope: object, receive: object, send: object) -> None: ...

    apps = (AppTarget("wsgi", old), AppTarget("asgi", new, "/new"))
    config = Config(apps=apps, routes=("/x=asgi:5%",), share_by="header:X-User-Id")
    router, most = rsgi.Router(build_plan(config)), 2**64 - 1
    for number in range(300):
        hashed = 0xCBF29CE484222325
        for byte in f"user-{number}".encode():
            hashed = ((hashed ^ byte) * 0x100000001B3) & most
        for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
            hashed = ((hashed ^ (hashed >> 33)) * factor) & most
        hashed ^= hashed >> 33
        found = router.explain("GET", "/x", [("X-User-Id", f"user-{number}")])
        assert (found.bucket, found.share_lot) == (hashed % 10_000, "hash")
        assert found.kind == ("rule" if hashed % 10_000 < 500 else "only")
