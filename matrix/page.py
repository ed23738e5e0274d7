"""The page of what was seen: one line for each framework and release, and every difference below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from matrix.asking import Verdict
from matrix.frameworks import Framework

_HEAD = """\
# Frameworks

Which frameworks run under rsgi, and do they behave as under their usual server? This page shows one run of a test. Each
framework has a small application, which runs under rsgi and under uvicorn (ASGI) or gunicorn with threads (WSGI). Both
get the same requests. Status, header fields and bodies are compared.

This command writes the page. It installs every framework in its newest and in an older release, each into its own
environment:

```sh
make test-matrix
```

`matrix/` has the applications and requests. `tests/frameworks/test_matrix.py` asks some of the frameworks in every test run.

- **same**: rsgi gives what the application means to give, and the usual server gives the same.
- **only rsgi**: rsgi gives it, and the usual server does not.
- **different**: both give a right response, and the two are not equal; or rsgi differs on purpose, and the note says why.
- **wrong**: rsgi does not give it. The section [Differences](#differences) says what was seen.
- Not compared are `Date`, `Server`, `Connection`, and how the end of a body is marked.

"""

_NOT_SERVED = """\
## What is not served

- **WebSocket for WSGI applications.** WSGI has no WebSocket. A WebSocket request goes to an ASGI application, or gets a 404.
  Flask-SocketIO with threads uses long polling instead; Flask-Sock and gevent-websocket take over the socket of their own
  server and do not work here.
- **Servers that a framework brings along.** `flask run`, `sanic app`, `streamlit run` and `python app.py` start their own
  server. rsgi serves the application object that they contain.
- **Applications that need one process.** Streamlit, Gradio, python-socketio without a message queue, and Channels with its
  layer in memory keep sessions in the memory of a process. Serve them with one worker, which is the default.

"""


@dataclass(frozen=True)
class Line:
    """What one framework showed in one release.

    Attributes:
        framework: Which one.
        release: `newest` or `older`.
        version: Of the package; empty if it cannot be installed here.
        verdicts: What was asked.
        failed: Why nothing was asked.
    """

    framework: Framework
    release: str
    version: str
    verdicts: Sequence[Verdict] = field(default=())
    failed: str | None = None


def page(lines: Sequence[Line], about: str) -> str:
    """The whole page.

    Args:
        lines: One for each framework and release.
        about: When and where it was made.
    """
    return _HEAD + f"This run: {about}.\n\n" + _table(lines) + _left_out(lines) + _NOT_SERVED + _differences(lines)


def _table(lines: Sequence[Line]) -> str:
    rows = [
        "| framework | interface | version | beside | requests | same | only rsgi | different | wrong |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        framework = line.framework
        start = f"| {framework.title} | {framework.interface.upper()} | {line.version or line.release} | {framework.usual} |"
        if line.failed is not None:
            rows.append(f"{start} not run: see below | | | | |")
            continue
        counts = [len(line.verdicts), *(sum(kind_of(each) == kind for each in line.verdicts) for kind in _KINDS)]
        rows.append(f"{start} {' | '.join(str(count) if count else '·' for count in counts)} |")
    return "\n".join(rows) + "\n\n"


_KINDS = ("same", "only rsgi", "different", "wrong")


def kind_of(verdict: Verdict) -> str:
    """In which column a verdict is counted."""
    if verdict.known is not None:
        return "different"
    if verdict.rsgi is not None:
        return "different" if verdict.differs and verdict.usual is not None else "wrong"
    return "same" if verdict.usual is None else "only rsgi"


def _left_out(lines: Sequence[Line]) -> str:
    """What was not asked, and why."""
    said = [f"- {each.framework.title} {each.release}: {each.failed}." for each in lines if each.failed is not None]
    for framework in dict.fromkeys(line.framework for line in lines):
        said += [
            f"- {framework.title} ({framework.interface.upper()}), {group}: {why}." for group, why in framework.without
        ]
    return "## What was not asked\n\n" + "\n".join(said) + "\n\n" if said else ""


def _differences(lines: Sequence[Line]) -> str:
    parts = ["## Differences\n"]
    for line in lines:
        noted = [each for each in line.verdicts if kind_of(each) != "same"]
        if noted:
            title = f"{line.framework.title} {line.version} ({line.framework.interface.upper()})"
            parts.append(f"### {title}\n\n" + "\n".join(_note(each, line.framework.usual) for each in noted) + "\n")
    return "\n".join(parts) if len(parts) > 1 else ""


def _note(verdict: Verdict, usual: str) -> str:
    seen = [f"{name}: {_code(found)}" for name, found in (("rsgi", verdict.rsgi), (usual, verdict.usual)) if found]
    why = f" On purpose: {verdict.known}." if verdict.known is not None else ""
    return f"- {verdict.case} ({kind_of(verdict)}).{why} {'; '.join(seen)}"


def _code(text: str) -> str:
    return "`` " + text.replace("\n", " ").replace("`", "'") + " ``"
