"""The thread that compares the responses of shadow traffic, and records requests (`--record`).

No request waits for it. It takes exchanges from `src/shadow/exchanges.rs`, which drops what is too much, and gives them
to an `Observer`. What that says of itself goes back from time to time, for the admin listener.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from rsgi._rsgi import Server, ShadowExchanges
from rsgi.compare.exchange import Exchange, RequestRecord, ResponseRecord
from rsgi.compare.options import DEFAULT_HEADERS, Comparison
from rsgi.errors import StartupError
from rsgi.observe.console import say
from rsgi.settings.shadow_rules import ParsedShadow

if TYPE_CHECKING:
    from rsgi._types import ShadowFields, ShadowRequest, ShadowResponse
    from rsgi.settings.config import Config

    Other: TypeAlias = tuple[ParsedShadow, str, ShadowResponse, ShadowResponse | None]

# How often a summary is made while there are exchanges, and how long to wait for the next one, in seconds.
_PUBLISH_EVERY = 0.25
_TIMEOUT = 0.25

# How long the comparison of one exchange, and the end of the store, may take when the server ends, in seconds.
_LAST_WORK = 5.0


@contextmanager
def comparing(server: Server, config: Config) -> Iterator[None]:
    """Compare and record what the server hands over, until the block is left.

    Raises:
        StartupError: when the store or the recording cannot be written.
    """
    exchanges = server.shadow_exchanges()
    if exchanges is None:
        yield
        return
    comparison = _Comparison(exchanges, config)
    thread = threading.Thread(target=comparison.run, name="rsgi-shadow", daemon=True)
    thread.start()
    try:
        yield
    finally:
        exchanges.close()
        thread.join(_LAST_WORK)


class _Comparison:
    """What runs in the thread."""

    def __init__(self, exchanges: ShadowExchanges, config: Config) -> None:
        # A server without shadow traffic needs none of this.
        from rsgi.compare.observer import Observer
        from rsgi.compare.options import ObserverOptions
        from rsgi.compare.storage.recording import Recorder

        redact, limits = config.shadow_store_redact, (config.shadow_store_samples, config.shadow_store_size)
        options = ObserverOptions(_store_folder(config), redact=redact, max_samples=limits[0], max_bytes=limits[1])
        self._exchanges, self._observer = exchanges, Observer(options)
        self._recorder = None if config.record is None else Recorder(config.record, redact, config.record_size)
        self._record, self._told = config.record, False
        self._compared = self._differing = 0
        self._published, self._new = 0.0, bool(config.shadow)

    def run(self) -> None:
        """Work until there is nothing more."""
        self._publish()  # so that the admin listener knows of shadow traffic before the first request
        while not self._exchanges.over:
            taken = self._exchanges.next(_TIMEOUT)
            if taken is not None:
                self._take(*taken)
            if self._new and (taken is None or time.monotonic() - self._published >= _PUBLISH_EVERY):
                self._publish()
        self._publish()
        self._observer.close()
        if self._recorder is not None:
            self._recorder.close()

    def _take(self, route: str, request: ShadowRequest, app: str, primary: ShadowResponse, other: Other | None) -> None:
        sent, received = _request(request), _response(primary)
        if other is not None:
            parsed, name, response, again = other
            repeat = None if again is None else _response(again)
            self._compare(parsed, Exchange(route, sent, app, received, name, _response(response), repeat))
        elif self._recorder is not None:
            self._recorder.record(route, app, sent, received)
            if self._recorder.lost and not self._told:
                self._told = True  # once: the next requests are lost for the same reason
                say(f"warning: not all requests are recorded in `{self._record}`: {self._recorder.why}")

    def _compare(self, parsed: ParsedShadow, exchange: Exchange) -> None:
        self._observer.compare_by(exchange.route, _comparison_of(parsed))
        matches = self._observer.observe(exchange)
        self._compared += matches is not None
        self._differing += matches is False
        self._new = True

    def _publish(self) -> None:
        if self._new or self._published:
            self._exchanges.publish(
                self._compared, self._differing, json.dumps(self._observer.summary(), ensure_ascii=False)
            )
        self._published, self._new = time.monotonic(), False


def merged_json(documents: Sequence[str]) -> str:
    """Add up what several processes say. The admin listener of a supervisor calls it (`src/admin/shadow.rs`)."""
    from rsgi.compare.observer import merged

    return json.dumps(merged([json.loads(text) for text in documents]), ensure_ascii=False)


def _comparison_of(parsed: ParsedShadow) -> Comparison:
    headers = DEFAULT_HEADERS if parsed.headers is None else parsed.headers
    return Comparison(headers, parsed.ignore, parsed.unordered, parsed.masks)


def _store_folder(config: Config) -> str | None:
    if config.shadow_store_folder is None:
        return None
    # The application may change the folder.
    folder = os.path.abspath(config.shadow_store_folder)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        message = f"samples of shadow traffic cannot be stored in `{folder}`: {error.strerror}"
        raise StartupError(message, "the user of the server needs write permission there") from error
    return folder


def _request(given: ShadowRequest) -> RequestRecord:
    method, target, headers, body = given
    return RequestRecord(method, target, _texts(headers), body)


def _response(given: ShadowResponse) -> ResponseRecord:
    status, headers, body, size, complete, seconds, error = given
    return ResponseRecord(status, _texts(headers), body, size, complete, None, seconds, error)


def _texts(headers: ShadowFields) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
