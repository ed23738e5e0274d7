"""A hook of MkDocs that adds what pages link to outside docs/, so that the site is complete by itself.

README.md becomes the first page. Other Markdown files become pages under their own path. Everything else, such as the
source of an example, is copied. Links are written as GitHub wants them, and changed here. In docs/ and not with the tests,
because `make docs` needs only MkDocs.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

PROJECT = Path(__file__).parents[2]
HOME = "README.md"
# The files outside docs/ that pages are made of, beside the README files of the examples.
MORE = ["CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "SECURITY.md", "CHANGELOG.md"]
LINK = re.compile(r"(!?\[[^\]]*\]\()(?![a-z]+:|#)([^)\s#]+)(#[^)]*)?\)")
CODE = re.compile(r"^(```.*?^```)$", re.MULTILINE | re.DOTALL)


def place_of(path: str) -> str:
    """Where a file of the project is in the site."""
    if path == HOME:
        return "index.md"
    if path.endswith("/README.md"):
        return f"{path.removesuffix('README.md')}index.md"
    return path.removeprefix("docs/")


def linked(text: str, path: str) -> list[str]:
    """The files of the project that the text of the file at `path` links to."""
    prose = CODE.sub("", text)
    targets = (posixpath.normpath(posixpath.join(posixpath.dirname(path), each[2])) for each in LINK.finditer(prose))
    return [each for each in targets if (PROJECT / each).is_file()]


def rewritten(text: str, path: str) -> str:
    """The text of the file at `path`, with its links as they are in the site."""
    here = posixpath.dirname(place_of(path))

    def link(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), found[2]))
        if not (PROJECT / target).is_file():
            return found[0]
        return f"{found[1]}{posixpath.relpath(place_of(target), here or '.')}{found[3] or ''})"

    parts = CODE.split(text)
    return "".join(part if part.startswith("```") else LINK.sub(link, part) for part in parts)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is linked to, and what that links to."""
    examples = [each.relative_to(PROJECT).as_posix() for each in sorted(PROJECT.glob("examples/**/README.md"))]
    pages = [HOME, *(name for name in MORE if (PROJECT / name).exists()), *examples]
    for file in files.documentation_pages():
        pages += linked((PROJECT / "docs" / file.src_uri).read_text(), f"docs/{file.src_uri}")
    while pages:
        path = pages.pop()
        if path.startswith("docs/") or files.get_file_from_path(place_of(path)) is not None:
            continue
        content: str | bytes = (PROJECT / path).read_bytes()
        if path.endswith(".md"):
            text = (PROJECT / path).read_text()
            pages += linked(text, path)
            content = rewritten(text, path)
        file = File.generated(config, place_of(path), content=content, inclusion=InclusionLevel.NOT_IN_NAV)
        files.append(file)
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Change the links of a page in docs/. Those of the other pages are changed already."""
    if page.file.generated_by is not None:
        return markdown
    return rewritten(markdown, f"docs/{page.file.src_uri}")
