"""Makes items of an HTML document: its texts and attributes, each with the path of its element.

White space between elements, the order of attributes and missing end tags do not matter. It takes any text, in linear
time: some versions of Python's own parser need quadratic time, and the server would wait for it.

Spec: HTML, sections 13.1.2 (elements) and 13.2.5 (tokenization).
"""

from __future__ import annotations

import html
import re

from rsgi.compare.content.text_body import Item

_NAME = re.compile(r"[a-zA-Z][^\s/>]*")
_ATTRIBUTE = re.compile(r"""[\s/]*([^\s/>][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|(?!["'])([^\s>]*)|(["'])))?""")
_END = re.compile(r"[\s/]*>")

# Elements without an end tag.
_VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())

# Elements whose content is text.
_RAW = frozenset("script style textarea title".split())

# Elements that stand in lists, so their number depends on the data.
_LISTED = frozenset("li tr td th option dt dd article".split())

# Elements that end when the next one of these begins, if the author leaves out the end tag.
_ENDS_WITH_NEXT = {"li": {"li"}, "option": {"option"}, "tr": {"tr"}, "td": {"td", "th", "tr"}, "th": {"td", "th", "tr"}}
_ENDS_WITH_NEXT |= {"dt": {"dt", "dd"}, "dd": {"dt", "dd"}, "p": {"p", "ul", "ol", "div", "table"}}

# Deeper elements have the path of the last one.
_DEEPEST = 100


def html_items(text: str) -> list[Item]:
    """The texts and attributes of an HTML document."""
    tree = _Tree()
    _tokenize(text, tree)
    tree.end_text()
    return tree.items


def _tokenize(text: str, tree: _Tree) -> None:
    """Divide a document into tags and texts. What is cut at the end of the document is dropped."""
    at = 0
    while at >= 0:
        start = text.find("<", at)
        tree.add_text(text[at:] if start < 0 else text[at:start])
        if start < 0:
            return
        at = _tag(text, start, tree)


def _tag(text: str, start: int, tree: _Tree) -> int:
    """Read what a `<` begins. Return where it ends, or -1 if the document ends before."""
    if text.startswith("<!--", start):
        return _after(text, "-->", start + 4)
    if text.startswith(("<!", "<?"), start):
        return _after(text, ">", start)
    closing = text.startswith("/", start + 1)
    name = _NAME.match(text, start + 1 + closing)
    if name is None:
        tree.add_text("<")
        return start + 1
    tag = name[0].lower()
    if closing:
        end = _after(text, ">", name.end())
        if end > 0:
            tree.end(tag)
        return end
    return _start_tag(text, tag, name.end(), tree)


def _start_tag(text: str, tag: str, at: int, tree: _Tree) -> int:
    attributes: dict[str, str] = {}
    while (end := _END.match(text, at)) is None:
        found = _ATTRIBUTE.match(text, at)
        if found is None or found[5]:
            return -1
        value = next((group for group in found.groups()[1:4] if group is not None), "")
        attributes.setdefault(found[1].lower(), html.unescape(value))
        at = found.end()
    tree.start(tag, attributes)
    if tag not in _RAW:
        return end.end()
    closed = re.compile(f"</{tag}", re.IGNORECASE).search(text, end.end())
    tree.add_text(text[end.end() : closed.start() if closed else len(text)], raw=tag in ("script", "style"))
    return closed.start() if closed else -1


def _after(text: str, what: str, start: int) -> int:
    found = text.find(what, start)
    return found + len(what) if found >= 0 else -1


class _Tree:
    """The open elements, and the items so far."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self._open: list[tuple[str, str, str]] = []  # the name, the path and the place of each element
        self._children: list[dict[str, int]] = [{}]
        self._text: list[str] = []

    def add_text(self, text: str, *, raw: bool = False) -> None:
        """Add a part of a text."""
        if text:
            self._text.append(text if raw else html.unescape(text))

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Begin an element."""
        self.end_text()
        while self._open and tag in _ENDS_WITH_NEXT.get(self._open[-1][0], ()):
            self._pop()
        number = self._children[-1][tag] = self._children[-1].get(tag, 0) + 1
        above_path, above_place = (f"{each} > " for each in self._open[-1][1:]) if self._open else ("", "")
        numbered = tag if number == 1 else f"{tag}[{number}]"
        path, place = f"{above_path}{numbered}", f"{above_place}{f'{tag}[*]' if tag in _LISTED else numbered}"
        self.items.append(Item(path, place, f"<{tag}>"))
        for name, value in sorted(attributes.items()):
            said = " ".join(sorted(value.split())) if name == "class" else value
            self.items.append(Item(f"{path} @{name}", f"{place} @{name}", said))
        if tag not in _VOID and len(self._open) < _DEEPEST:
            self._open.append((tag, path, place))
            self._children.append({})

    def end(self, tag: str) -> None:
        """End an element, and those in it. Without a start tag it is ignored."""
        self.end_text()
        if any(tag == name for name, _, _ in self._open):
            while self._pop() != tag:
                pass

    def _pop(self) -> str:
        self._children.pop()
        return self._open.pop()[0]

    def end_text(self) -> None:
        """End a text. White space is one space, and none at the ends."""
        if not self._text:
            return
        text = " ".join("".join(self._text).split())
        self._text.clear()
        if text:
            path, place = self._open[-1][1:] if self._open else ("text", "text")
            self.items.append(Item(path, place, text))
