"""The known classes of request smuggling and desynchronisation, as cases.

Apart from `pair.py` because this is a list. The classes are those of RFC 9112, sections 5, 6, 7 and 11.2, and of what has
been published about real pairs of proxies and servers.
"""

from __future__ import annotations

from collections.abc import Iterator

from trials.desync.case import HOST, SECOND_LENGTH, Case, post

LENGTH = b"Content-Length: %d" % SECOND_LENGTH
CHUNKED = b"Transfer-Encoding: chunked"
# Chunked: empty, with the second request behind it. By length: all of it is the body.
HIDDEN = b"0\r\n\r\n$"
HIDDEN_LENGTH = b"Content-Length: %d" % (SECOND_LENGTH + 5)


def _two_framings() -> Iterator[Case]:
    group = "length and chunked"
    yield Case(group, "length first, chunked second", post(HIDDEN_LENGTH, CHUNKED, body=HIDDEN))
    yield Case(group, "chunked first, length second", post(CHUNKED, HIDDEN_LENGTH, body=HIDDEN))
    yield Case(group, "short length", post(b"Content-Length: 4", CHUNKED, body=b"5\r\nabcde\r\n0\r\n\r\n$"))
    yield Case(group, "length 0", post(b"Content-Length: 0", CHUNKED, body=b"5\r\nabcde\r\n0\r\n\r\n$"))
    old = post(HIDDEN_LENGTH, CHUNKED, b"Connection: keep-alive", body=HIDDEN).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    yield Case(group, "HTTP/1.0 with both", old)
    chunked = post(CHUNKED, b"Connection: keep-alive", body=HIDDEN).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    yield Case(group, "HTTP/1.0 with chunked", chunked)
    yield Case(group, "length named in Connection", post(b"Connection: Content-Length", LENGTH, body=b"$"), 1)
    named = post(b"Connection: Transfer-Encoding", CHUNKED, body=b"5\r\nabcde\r\n0\r\n\r\n$")
    yield Case(group, "coding named in Connection", named, 2)


def _codings() -> Iterator[Case]:
    group = "transfer codings in disguise"
    disguises = {
        "unknown coding": b"Transfer-Encoding: xchunked",
        "space before the colon": b"Transfer-Encoding : chunked",
        "space before the name": b" Transfer-Encoding: chunked",
        "chunked, identity": b"Transfer-Encoding: chunked, identity",
        "identity, chunked": b"Transfer-Encoding: identity, chunked",
        "gzip, chunked": b"Transfer-Encoding: gzip, chunked",
        "chunked twice in one field": b"Transfer-Encoding: chunked, chunked",
        "chunked twice in two fields": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "chunked, then another field": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
        "another field, then chunked": b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
        "vertical tab": b"Transfer-Encoding: \x0bchunked",
        "parameter": b"Transfer-Encoding: chunked;q=1",
        "quoted": b'Transfer-Encoding: "chunked"',
        "folded": b"Transfer-Encoding:\r\n chunked",
        "after a bare CR": b"X: y\rTransfer-Encoding: chunked",
        "empty": b"Transfer-Encoding:",
        "comma": b"Transfer-Encoding: ,chunked",
        "NUL": b"Transfer-Encoding: chunked\x00",
    }
    for name, field in disguises.items():
        yield Case(group, name, post(field, body=HIDDEN))
        yield Case(group, f"{name}, and a length", post(HIDDEN_LENGTH, field, body=HIDDEN))
    underscore = post(HIDDEN_LENGTH, b"Transfer_Encoding: chunked", body=HIDDEN)
    yield Case(group, "underscore, and a length", underscore, 1)
    yield Case(group, "upper case", post(b"TRANSFER-ENCODING: CHUNKED", body=HIDDEN), 2)
    yield Case(group, "tab", post(b"Transfer-Encoding:\tchunked", body=HIDDEN), 2)


def _lengths() -> Iterator[Case]:
    group = "duplicate, list and odd lengths"
    odd = {
        "twice the same": b"Content-Length: 5\r\nContent-Length: 5",
        "two different": b"Content-Length: 5\r\nContent-Length: 0",
        "two different, the other order": b"Content-Length: 0\r\nContent-Length: 5",
        "list of the same": b"Content-Length: 5, 5",
        "list of different": b"Content-Length: 5, 0",
        "plus": b"Content-Length: +5",
        "minus": b"Content-Length: -5",
        "hexadecimal": b"Content-Length: 0x5",
        "underscore in the number": b"Content-Length: 0_5",
        "more than 64 bits": b"Content-Length: 18446744073709551621",
        "empty": b"Content-Length:",
        "space before the colon": b"Content-Length : 5",
        "space inside": b"Content-Length: 5 0",
        "semicolon": b"Content-Length: 5;",
        "folded": b"Content-Length:\r\n 5",
        "NUL": b"Content-Length: 5\x00",
        "decimal point": b"Content-Length: 5.0",
        "Arabic digit in UTF-8": b"Content-Length: \xd9\xa5",
    }
    for name, field in odd.items():
        yield Case(group, name, post(field, body=b"abcde$"))
    yield Case(group, "leading zeros", post(b"Content-Length: 0005", body=b"abcde$"), 2)
    yield Case(group, "GET with a body", post(LENGTH, body=b"$", method=b"GET"), 1)
    yield Case(group, "HEAD with a body", post(LENGTH, body=b"$", method=b"HEAD"), 1)
    yield Case(group, "DELETE with chunks", post(CHUNKED, body=b"5\r\nabcde\r\n0\r\n\r\n$", method=b"DELETE"), 2)
    yield Case(group, "underscore in the name", post(b"Content_Length: 5", body=b"$"), 2)


def _lines() -> Iterator[Case]:
    group = "line ends, folding and field names"
    yield Case(group, "folded field", post(b"X: a\r\n b", b"Content-Length: 0", body=b"$"))
    yield Case(group, "folded length", post(b"X: a\r\n Content-Length: 5", body=b"abcde$"))
    yield Case(group, "bare LF everywhere", post(LENGTH, body=b"$").replace(b"\r\n", b"\n", 4), 1)
    yield Case(group, "bare LF after a field", post(b"X: y\nContent-Length: 0", b"Y: z", body=b"$"), 2)
    yield Case(group, "bare LF in a value, with a coding", post(HIDDEN_LENGTH, b"X: y\n" + CHUNKED, body=HIDDEN))
    yield Case(group, "bare LF ends the head", b"GET @/first HTTP/1.1\r\n" + HOST + b"\n$", 2)
    yield Case(group, "bare CR ends a line", post(b"X: y\rContent-Length: 5", body=b"abcde$"))
    yield Case(group, "CR CR LF", post(b"X: y\r", b"Content-Length: 0", body=b"$"))
    yield Case(group, "CR CR LF ends the head", b"GET @/first HTTP/1.1\r\n" + HOST + b"\r\r\n$")
    yield Case(group, "space before the first field", post(HIDDEN_LENGTH, body=HIDDEN).replace(b"Host", b" Host", 1))
    yield Case(group, "no colon", post(b"Content-Length 5", body=b"abcde$"))
    yield Case(group, "no name", post(b": 5", body=b"$"))
    yield Case(group, "NUL in a name", post(b"Content-\x00Length: 5", body=b"abcde$"))
    yield Case(group, "NUL in a value", post(b"X: a\x00b", body=b"$"))
    yield Case(group, "control in a value", post(b"X: a\x01b", body=b"$"))
    yield Case(group, "non-ASCII in a name", post(b"X\xe9: a", body=b"$"))
    yield Case(group, "blank lines before a request", b"\r\n\r\n" + post(b"Content-Length: 0", body=b"\r\n$"), 2)
    yield Case(group, "LF before a request", b"\n" + post(b"Content-Length: 0", body=b"$"), 2)


def _chunks() -> Iterator[Case]:
    group = "chunks"
    bodies = {
        "bare LF after the size": b"5\nabcde\r\n0\r\n\r\n$",
        "bare LF after the data": b"5\r\nabcde\n0\r\n\r\n$",
        "bare LF in an extension": b"5;a\nabcde\r\n0\r\n\r\n$",
        "bare CR in an extension": b"5;a\rb\r\nabcde\r\n0\r\n\r\n$",
        "bare CR after the size": b"5\rXabcde\r\n0\r\n\r\n$",
        "quoted CR LF in an extension": b'5;a="\r\nabcde\r\n0\r\n\r\n$',
        "bare semicolon": b"5;\r\nabcde\r\n0\r\n\r\n$",
        "NUL in an extension": b"5;a=\x00\r\nabcde\r\n0\r\n\r\n$",
        "0x": b"0x5\r\nabcde\r\n0\r\n\r\n$",
        "plus": b"+5\r\nabcde\r\n0\r\n\r\n$",
        "minus": b"-5\r\nabcde\r\n0\r\n\r\n$",
        "underscore": b"0_5\r\nabcde\r\n0\r\n\r\n$",
        "empty size": b"\r\nabcde\r\n0\r\n\r\n$",
        "more than 64 bits": b"10000000000000005\r\nabcde\r\n0\r\n\r\n$",
        "space before the size": b" 5\r\nabcde\r\n0\r\n\r\n$",
        "data longer than its size": b"5\r\nabcdeXX\r\n0\r\n\r\n$",
        "data shorter than its size": b"6\r\nabcde\r\n0\r\n\r\n$",
        "last chunk with bare LFs": b"5\r\nabcde\r\n0\n\n$",
        "bare LF ends the trailers": b"5\r\nabcde\r\n0\r\n\n$",
        "bare CR in a trailer": b"5\r\nabcde\r\n0\r\nX: a\rb\r\n\r\n$",
        "trailer without a colon": b"5\r\nabcde\r\n0\r\nabc\r\n\r\n$",
        "folded trailer": b"5\r\nabcde\r\n0\r\nX: a\r\n b\r\n\r\n$",
    }
    for name, body in bodies.items():
        yield Case(group, name, post(CHUNKED, body=body))
    fine = {
        "extension": b"5;a=b\r\nabcde\r\n0\r\n\r\n$",
        "quoted extension": b'5;a="b;c"\r\nabcde\r\n0\r\n\r\n$',
        "leading zeros": b"0000000005\r\nabcde\r\n000\r\n\r\n$",
        "length as a trailer": b"5\r\nabcde\r\n0\r\nContent-Length: 5\r\n\r\n$",
        "coding as a trailer": b"5\r\nabcde\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n$",
        "Host as a trailer": b"5\r\nabcde\r\n0\r\nHost: b.example\r\n\r\n$",
        "space after the size": b"5 \r\nabcde\r\n0\r\n\r\n$",
        "space before an extension": b"5 ;a=b\r\nabcde\r\n0\r\n\r\n$",
    }
    for name, body in fine.items():
        yield Case(group, name, post(CHUNKED, body=body), 2)


def _targets() -> Iterator[Case]:
    group = "targets and request lines"
    odd = {
        "fragment": b"@/first#x",
        "NUL": b"@/fi\x00rst",
        "space": b"@/fi rst",
        "tab": b"@/fi\trst",
        "DEL": b"@/fi\x7frst",
        "control": b"@/first?x=\x01",
        "raw byte above 0x7F": b"@/\xe9",
        "bare CR": b"@/fi\rrst",
        "asterisk": b"*",
        "no slash": b"first",
        "other host": b"http://b.example@b.example/first",
    }
    for name, target in odd.items():
        yield Case(group, name, post(b"Content-Length: 0", body=b"$", target=target))
    lines = {
        "two spaces": b"GET  @/first HTTP/1.1",
        "tab after the method": b"GET\t@/first HTTP/1.1",
        "space at the end": b"GET @/first HTTP/1.1 ",
        "HTTP/1.2": b"GET @/first HTTP/1.2",
        "HTTP/2.0": b"GET @/first HTTP/2.0",
        "lower case": b"GET @/first http/1.1",
        "two digits": b"GET @/first HTTP/1.10",
        "without a version": b"GET @/first",
        "CONNECT": b"CONNECT a.example:80 HTTP/1.1",
        "method with a control": b"G\x01T @/first HTTP/1.1",
        "space before the method": b" GET @/first HTTP/1.1",
    }
    for name, line in lines.items():
        yield Case(group, name, line + b"\r\n" + HOST + b"\r\n$")
    hosts = {
        "two hosts": b"Host: a.example\r\nHost: b.example\r\n",
        "host twice the same": b"Host: a.example\r\nHost: a.example\r\n",
        "list of hosts": b"Host: a.example, b.example\r\n",
        "host with userinfo": b"Host: b.example@a.example\r\n",
        "host with a path": b"Host: a.example/x\r\n",
        "no host": b"",
    }
    for name, host in hosts.items():
        yield Case(group, name, b"GET @/first HTTP/1.1\r\n" + host + b"\r\n$")


def _upgrades() -> Iterator[Case]:
    group = "upgrades"
    handshake = (
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    )
    h2c = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__")
    other = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: x", b"HTTP2-Settings: AAMAAABkAAQAAP__")
    yield Case(group, "WebSocket with a body", post(*handshake, LENGTH, body=b"$", method=b"GET"), 1)
    yield Case(group, "WebSocket with chunks", post(*handshake, CHUNKED, body=HIDDEN, method=b"GET"), 2)
    yield Case(group, "WebSocket by POST", post(*handshake, LENGTH, body=b"$"), 1)
    wrong = (*handshake[:2], b"Sec-WebSocket-Version: 777", handshake[3])
    yield Case(group, "WebSocket of another version", post(*wrong, body=b"$", method=b"GET"), 2)
    yield Case(group, "h2c with a body", post(*h2c, LENGTH, body=b"$"), 1)
    yield Case(group, "h2c without a body", post(*h2c, body=b"$", method=b"GET"), 2)
    yield Case(group, "unknown protocol with a body", post(*other, LENGTH, body=b"$"), 1)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield Case(group, "HTTP/2 preface in a connection", post(b"Content-Length: 0", body=preface + b"$"), 1)


def _early() -> Iterator[Case]:
    group = "early responses, `100 Continue`, half-close"
    early = b"@/early"
    waits = b"Expect: 100-continue"
    yield Case(group, "answered before the body is read", post(LENGTH, body=b"$", target=early), 1)
    chunks = b"%x\r\n$\r\n0\r\n\r\n$" % SECOND_LENGTH
    yield Case(group, "answered before chunks are read", post(CHUNKED, body=chunks, target=early), 2)
    broken = b"5\r\nabcdeXX\r\n$"
    yield Case(group, "answered before broken chunks", post(CHUNKED, body=broken, target=early), 1)
    yield Case(group, "expects, sends at once", post(waits, LENGTH, body=b"$"), 1)
    yield Case(group, "expects, answered early, sends", post(waits, LENGTH, body=b"$", target=early), 1)
    yield Case(group, "expects, answered early, sends another", post(waits, LENGTH, body=b"", target=early) + b"$", 1)
    yield Case(group, "expects, without a body", post(waits, body=b"$", method=b"GET"), 2)
    yield Case(group, "expects something else", post(b"Expect: 200-ok", LENGTH, body=b"$"), 1)
    yield Case(group, "expects twice", post(waits, waits, LENGTH, body=b"$"), 1)
    yield Case(group, "body cut by a half-close", post(b"Content-Length: 9999", body=b"$"), half_close=True)
    yield Case(group, "chunks cut by a half-close", post(CHUNKED, body=b"ffff\r\n$"), half_close=True)
    yield Case(group, "head cut by a half-close", b"GET @/first HTTP/1.1\r\n" + HOST, half_close=True)
    whole = post(b"Content-Length: 5", body=b"abcde$")
    yield Case(group, "half-close after whole requests", whole, 2, half_close=True)


def _responses() -> Iterator[Case]:
    group = "answers of an application that frames them wrongly"
    for name in ("short", "long", "no-content", "not-modified", "own-chunks", "list-length", "split", "informational"):
        data = post(target=b"@/wrong-" + name.encode(), method=b"GET", body=b"$")
        yield Case(group, name, data, 2)
    yield Case(group, "HEAD with a body", post(target=b"@/wrong-long", method=b"HEAD", body=b"$"), 2)


def _corpus() -> Iterator[Case]:
    for part in (
        _two_framings,
        _codings,
        _lengths,
        _lines,
        _chunks,
        _targets,
        _upgrades,
        _early,
        _responses,
    ):
        yield from part()


CORPUS = list(_corpus())
GROUPS = list(dict.fromkeys(case.group for case in CORPUS))
