"""Sends the corpus through a proxy, or to a server alone, and says where the two disagree about a request.

Three things have to agree: the requests that the proxy says it has forwarded, those that the application was called for, and
the responses of honest clients, who share the proxy's connections to the server.
"""

from __future__ import annotations

import json
import re
import socket
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trials.desync.case import Case
from trials.desync.proxies import Forwarded, Proxy

AT_ONCE = 24
TIMEOUT = 8.0  # longer than any timeout of a proxy
ALONE_TIMEOUT = 1.0  # a server alone waits longer for a client than anybody needs to
HONEST = 2  # clients after each case

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_CASE = re.compile(r"/([a-z])/(\d{4})/")


@dataclass
class Seen:
    """What came of one case.

    Attributes:
        statuses: The responses that its client got.
        asked: The paths that the application was called for.
        wrong: What proxy, application and honest clients disagree about.
    """

    case: Case
    path: str
    statuses: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def _exchange(port: int, data: bytes, *, half_close: bool = False, timeout: float = TIMEOUT) -> bytes:
    """All that comes back for these bytes until the other side ends."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        try:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                received += piece
        except OSError:  # cut, or nothing more comes
            pass
    return received


def _honest(port: int, path: str) -> str | None:
    """What is wrong with the response that an honest client gets."""
    target = f"{path}/honest"
    request = f"GET {target} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
    response = _exchange(port, request.encode())
    head, _, body = response.partition(b"\r\n\r\n")
    try:
        if head.startswith(b"HTTP/1.1 200") and json.loads(body)["path"] == target:
            return None
    except (ValueError, KeyError):
        pass
    return f"an honest client got {response[:60]!r} for {target}"


def _send(port: int, seen: Seen, *, honest: int, timeout: float) -> None:
    case = seen.case
    response = _exchange(port, case.sent(seen.path), half_close=case.half_close, timeout=timeout)
    seen.statuses = [int(status) for status in _STATUS.findall(response)]
    seen.wrong += [wrong for _ in range(honest) if (wrong := _honest(port, seen.path))]


def _run(port: int, corpus: Iterable[Case], prefixes: str, *, honest: int, timeout: float) -> list[Seen]:
    cases = [Seen(case, f"/{prefix}/{number:04}") for prefix in prefixes for number, case in enumerate(corpus)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda seen: _send(port, seen, honest=honest, timeout=timeout), cases))
    return cases


def through(proxy: Proxy, corpus: list[Case], record: Path, prefixes: str) -> list[Seen]:
    """Send the corpus through a proxy, once below each prefix, and compare."""
    cases = _run(proxy.port, corpus, prefixes, honest=HONEST, timeout=TIMEOUT)
    _compare(cases, _read(record), proxy.forwarded())
    return cases


def alone(port: int, corpus: list[Case], record: Path, prefixes: str) -> list[Seen]:
    """Send the corpus to a server without a proxy. `wrong` says where it finds more requests than there can be."""
    cases = _run(port, corpus, prefixes, honest=0, timeout=ALONE_TIMEOUT)
    by_path = {seen.path: seen for seen in cases}
    for called in _read(record):
        if (seen := _case_of(by_path, called["path"])) is not None:
            seen.asked.append(called["path"])
    for seen in cases:
        if len(seen.asked) > seen.case.most:
            seen.wrong.append(f"{len(seen.asked)} requests, {seen.case.most} allowed")
    return cases


def _read(record: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []


def _case_of(by_path: dict[str, Seen], path: str) -> Seen | None:
    found = _CASE.search(path)
    return by_path.get(f"/{found[1]}/{found[2]}") if found else None


def _compare(cases: list[Seen], called: list[dict[str, Any]], forwarded: dict[str, Forwarded]) -> None:
    by_path = {seen.path: seen for seen in cases}
    elsewhere = Seen(Case("requests of no case", "", b""), "/")
    marks = Counter(call["mark"] for call in called)
    asked_by_mark = defaultdict(list)
    for call in called:
        seen = _case_of(by_path, call["path"]) or elsewhere
        seen.asked.append(call["path"])
        asked_by_mark[call["mark"]].append(call["path"])
        seen.wrong += _wrong_with(call, marks, forwarded)
    for mark, sent in forwarded.items():
        if sent.status == 200 and mark not in asked_by_mark:
            (_case_of(by_path, sent.target) or elsewhere).wrong.append(f"answered, but not asked: {sent.target}")
    if elsewhere.asked or elsewhere.wrong:
        cases.append(elsewhere)


def _wrong_with(call: dict[str, Any], marks: Counter[str], forwarded: dict[str, Forwarded]) -> list[str]:
    """How a call of the application differs from what the proxy logged for its mark."""
    wrong = []
    what, mark = f"{call['method']} {call['path']}", call["mark"]
    sent = forwarded.get(mark)
    if sent is None:
        wrong.append(f"{what} came without a mark of the proxy ({mark!r})")
    elif marks[mark] > 1:
        wrong.append(f"{what} came {marks[mark]} times with one mark")
    elif call["method"].upper() not in (sent.method.upper(), "WEBSOCKET") or not _same_case(call["path"], sent.target):
        wrong.append(f"{what} was {sent.method} {sent.target} for the proxy")
    if "x-proxy-request:" in call["body"].lower():
        wrong.append(f"the body of {what} holds a request of the proxy")
    return wrong


def _same_case(path: str, target: str) -> bool:
    one, other = _CASE.search(path), _CASE.search(target)
    return (one and one[0]) == (other and other[0])
