"""The thread that compares the responses of shadow traffic.

No request waits for it. It takes exchanges from `src/shadow/exchanges.rs`, which drops what is too much, and gives them
to an `Observer`. What that says of itself goes back from time to time, for the admin listener.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rsgi._rsgi import Server, ShadowExchanges
from rsgi.compare.exchange import Exchange, RequestRecord, ResponseRecord
from rsgi.errors import StartupError
from rsgi.shadow.rules import ParsedShadow
from rsgi.shadow.summary import to_json

if TYPE_CHECKING:
    from rsgi._rsgi import ShadowFields, ShadowRequest, ShadowResponse
    from rsgi.compare.observer import Observer
    from rsgi.config import Config

# How often a summary is made while there are exchanges, and how long to wait for the next one, in seconds.
_PUBLISH_EVERY = 0.25
_PATIENCE = 0.25

# How long the comparison of one exchange, and the end of the store, may take when the server ends, in seconds.
_LAST_WORK = 5.0


@contextmanager
def comparing(server: Server, config: Config) -> Iterator[None]:
    """Compare what the server hands over, until the block is left.

    Raises:
        StartupError: when samples cannot be stored where the settings say.
    """
    exchanges = server.shadow_exchanges()
    if exchanges is None:
        yield
        return
    # A server without shadow traffic needs none of this.
    from rsgi.compare.observer import Observer
    from rsgi.compare.options import ObserverOptions

    observer = Observer(
        ObserverOptions(
            folder=_store_folder(config),
            redact=config.shadow_store_redact,
            max_samples=config.shadow_store_samples,
            max_bytes=config.shadow_store_size,
        )
    )
    thread = threading.Thread(target=_Comparison(exchanges, observer).run, name="rsgi-shadow", daemon=True)
    thread.start()
    try:
        yield
    finally:
        exchanges.close()
        thread.join(_LAST_WORK)


class _Comparison:
    """What runs in the thread."""

    def __init__(self, exchanges: ShadowExchanges, observer: Observer) -> None:
        self._exchanges, self._observer = exchanges, observer
        self._compared = self._differing = 0
        self._published, self._new = 0.0, True

    def run(self) -> None:
        """Compare until there is nothing more."""
        while not self._exchanges.closed:
            taken = self._exchanges.next(_PATIENCE)
            if taken is not None:
                parsed, route, request, primary, shadow, repeat = taken
                self._compare(parsed, _exchange(route, request, primary, shadow, repeat))
            if self._new and (taken is None or time.monotonic() - self._published >= _PUBLISH_EVERY):
                self._publish()
        self._publish()
        self._observer.close()

    def _compare(self, parsed: ParsedShadow, exchange: Exchange) -> None:
        self._observer.compare_by(exchange.route, parsed.comparison)
        matches = self._observer.observe(exchange)
        self._compared += matches is not None
        self._differing += matches is False
        self._new = True

    def _publish(self) -> None:
        self._exchanges.publish(self._compared, self._differing, to_json(self._observer.summary()))
        self._published, self._new = time.monotonic(), False


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


def _exchange(
    route: str,
    request: ShadowRequest,
    primary: tuple[str, ShadowResponse],
    shadow: tuple[str, ShadowResponse],
    repeat: ShadowResponse | None,
) -> Exchange:
    method, target, headers, body = request
    return Exchange(
        route,
        RequestRecord(method, target, _texts(headers), body),
        primary[0],
        _response(primary[1]),
        shadow[0],
        _response(shadow[1]),
        None if repeat is None else _response(repeat),
    )


def _response(given: ShadowResponse) -> ResponseRecord:
    status, headers, body, size, complete, seconds, error = given
    return ResponseRecord(status, _texts(headers), body, size, complete, None, seconds, error)


def _texts(headers: ShadowFields) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
