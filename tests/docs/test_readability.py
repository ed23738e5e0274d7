"""The README is short, and the sentences of the documentation are.

`test_docs.py` checks that the pages are true; this file measures their form. Words inside backticks count as one word.
Tables, code blocks and headings are left out. `NOT_PROSE` names pages that are lists or that programs generate.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
README = PROJECT / "README.md"
NOT_PROSE = {"conformance.md"}
PAGES = [
    README,
    PROJECT / "CHANGELOG.md",
    PROJECT / "CONTRIBUTING.md",
    *sorted(page for page in (PROJECT / "docs").rglob("*.md") if page.name not in NOT_PROSE),
]

README_LINES = 200
# At most one sentence in ten may have more words.
SENTENCE_WORDS = 25
# No sentence may have more.
LONGEST_SENTENCE = 40


def paragraphs(text: str) -> list[str]:
    """The paragraphs and list items of a page."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"^(#|\|).*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"^\s*([-*]|\d+\.)\s+", "\n\n", text, flags=re.MULTILINE)
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]


def sentences(page: Path) -> list[str]:
    """The sentences of a page, with code and links as one word each."""
    found = []
    for paragraph in paragraphs(page.read_text()):
        text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", paragraph)
        text = re.sub(r"`[^`]+`", "`code`", text).replace("*", "")
        found += re.split(r"(?<=[.!?])\)?\s+", text)
    return [each for each in found if each]


def words(sentence: str) -> int:
    return sum(re.search(r"\w", word) is not None for word in sentence.split())


def longest(page: Path) -> str:
    """The three longest sentences, for a message."""
    ranked = sorted(sentences(page), key=words, reverse=True)[:3]
    return "".join(f"\n- {words(each)} words: {each}" for each in ranked)


def test_the_readme_is_short() -> None:
    lines = len(README.read_text().splitlines())
    assert lines <= README_LINES, f"README.md has {lines} lines; move details to a page in docs/"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_sentences_are_short(page: Path) -> None:
    lengths = sorted(words(each) for each in sentences(page))
    nine_of_ten = lengths[len(lengths) * 9 // 10]
    assert nine_of_ten <= SENTENCE_WORDS, (
        f"1 sentence in 10 has {nine_of_ten} words or more; at most {SENTENCE_WORDS} are allowed. "
        f"Divide the longest ones:{longest(page)}"
    )
    assert lengths[-1] <= LONGEST_SENTENCE, f"A sentence has more than {LONGEST_SENTENCE} words:{longest(page)}"


def test_a_long_sentence_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A heading\n\nOne two `three four`. " + "word " * 41 + "\n\n- five\n\n| a | b |\n")
    assert [words(each) for each in sentences(page)] == [3, 41, 1]
    with pytest.raises(AssertionError, match="41 words"):
        test_sentences_are_short(page)
