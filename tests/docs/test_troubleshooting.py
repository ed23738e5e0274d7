"""The page for troubleshooting has every `error:` of the program.

`error_messages.py` finds them in the sources. Those with a hint are in tables that are generated here, between two comments
of the page: `UPDATE_DOCS=1 python -m pytest tests/docs/test_troubleshooting.py` rewrites them. The others are in tables
that a person writes, which say what they mean.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from error_messages import Message, messages

from server import run_rsgi

PAGE = Path(__file__).parents[2] / "docs/troubleshooting.md"
BEGIN, END = "<!-- messages -->", "<!-- end of messages -->"

# The sections, with the page that explains their subject, and the sources whose errors are in them. The first that fits.
SECTIONS = [
    ("TLS", "https.md", ["src/net/tls/"]),
    ("Addresses and sockets", "processes.md", ["src/net/", "python/rsgi/process/system/inherited.py"]),
    ("The admin listener", "dashboard.md", ["src/admin/", "python/rsgi/cli/admin_client.py", "python/rsgi/history/"]),
    ("Proxies", "proxies.md", ["src/http/forwarded/"]),
    ("Static files", "static-files.md", ["static_fol", "src/response/static_files/"]),
    (
        "Shadow traffic, recordings and comparison",
        "shadow.md",
        ["shadow", "/compare/", "cli/diff", "cli/replay", "cli/comp"],
    ),
    ("Shares and rollback", "shares.md", ["rollback", "cli/share", "cli/explain_share", "src/config/plan/mod.rs"]),
    ("Rules and routes", "routing.md", ["python/rsgi/settings/rules.py", "python/rsgi/routing/", "src/route/"]),
    ("Logins", "logins.md", ["migrate/sessions"]),
    ("Logs", "logs.md", ["observe/", "src/access_log/"]),
    ("Applications", "applications.md", ["python/rsgi/apps/", "lifespan", "cli/startup", "green_threads", "loops.py"]),
    ("The command line and its files", "settings.md", ["python/rsgi/cli/", "python/rsgi/settings/"]),
    ("Processes", "workers.md", [""]),
]


def section_of(message: Message) -> str:
    return next(title for title, _, parts in SECTIONS if any(part in message.file for part in parts))


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("[", "\\[")


def tables(found: tuple[Message, ...]) -> str:
    """The tables of the errors that have a hint."""
    lines = [BEGIN]
    for title, page, _ in SECTIONS:
        rows = {(each.text, each.hint): None for each in found if each.hint and section_of(each) == title}
        assert rows, f"no error is in the section {title}: take it off"
        lines += ["", f"## {title}", "", f"See [{page}]({page}).", "", "| message | hint |", "|---|---|"]
        lines += [f"| {cell(text)} | {cell(hint)} |" for text, hint in sorted(rows)]
    return "\n".join([*lines, "", END])


def test_every_error_with_a_hint_is_on_the_page() -> None:
    page = PAGE.read_text()
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    wanted = f"{head}{tables(messages())}{tail}"
    if os.environ.get("UPDATE_DOCS") == "1":
        PAGE.write_text(wanted)
    assert PAGE.read_text() == wanted, "UPDATE_DOCS=1 python -m pytest tests/docs/test_troubleshooting.py rewrites it"


def test_every_error_without_a_hint_is_explained() -> None:
    written = PAGE.read_text().partition(BEGIN)[0]
    missing = sorted({each.text for each in messages() if not each.hint and f"| {cell(each.text)} |" not in written})
    assert not missing, f"write what they mean into {PAGE.name}:\n" + "\n".join(missing)


def test_errors_are_found() -> None:
    """The search sees both languages, a variable, a branch and a message of several lines."""
    found = {each.text: each for each in messages()}
    assert len(found) > 240
    assert found["there is no application to serve"].hint == "for example `rsgi serve --wsgi old:app --asgi new:app`"
    assert "stop the other server" in found["cannot listen on `…`: …"].hint or "cannot listen on `unix:…`: …" in found
    assert found["the TLS certificate `…` expired at …"].file == "src/net/tls/certificate.rs"
    assert found["`…` and `…` have the same prefix, `…`"].hint == "give each its own prefix"


def test_a_real_error_is_on_the_page(tmp_path: Path) -> None:
    """What the program prints is what a reader searches for."""
    said = run_rsgi("--app-dir", str(tmp_path / "none"), "--wsgi", "a:app").stderr
    message, hint = re.match(r"error: (.*)\n\nhint: (.*)\n", said).groups()  # type: ignore[union-attr]
    row = f"| {message.replace(str(tmp_path / 'none'), '…')} | {hint} |"
    assert row in PAGE.read_text()
