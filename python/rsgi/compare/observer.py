"""What the server calls with each exchange of shadow traffic.

One `Observer` belongs to one process. Its methods do not raise: shadow traffic must not disturb
the server.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from rsgi.compare.comparer import Comparer, Result
from rsgi.compare.exchange import Exchange
from rsgi.compare.options import Comparison, ObserverOptions
from rsgi.compare.results.report import reports_of
from rsgi.compare.results.tally import RouteKey, Tally, is_noise
from rsgi.compare.storage.redaction import Redaction
from rsgi.compare.storage.sample import sample_of
from rsgi.compare.storage.store import FileStore, NewestSamples

# How many samples are in a summary, and how large they may be together.
_SAMPLES_SHOWN = 40
_SAMPLES_SIZE = 512 * 1024


class Observer:
    """Compares exchanges, counts the results, and stores samples that differ.

    Args:
        options: What to compare and where to store.

    Raises:
        ValueError: when a path or a mask of the options cannot be read. The message is a whole sentence.
    """

    def __init__(self, options: ObserverOptions) -> None:
        self._default = Comparer(options.default)
        self._comparers: dict[str, tuple[Comparison, Comparer]] = {}
        for route, comparison in options.routes.items():
            self.compare_by(route, comparison)
        self._redaction = Redaction(options.redact)
        self._newest = NewestSamples(_SAMPLES_SHOWN, _SAMPLES_SIZE)
        self._store: FileStore | None = None
        if options.folder is not None:
            self._store = FileStore(options.folder, options.max_samples, options.max_bytes)
        self._tally = Tally()
        self._unwritten = Tally()
        self._lost = 0
        self._failed = 0
        self._lock = threading.Lock()

    def compare_by(self, route: str, comparison: Comparison) -> None:
        """Compare the responses of a route in this way from now on.

        Raises:
            ValueError: as for the options.
        """
        if self._comparers.get(route, (None,))[0] != comparison:
            self._comparers[route] = (comparison, Comparer(comparison))

    def observe(self, exchange: Exchange) -> bool | None:
        """Compare the responses of one exchange.

        Returns:
            Whether they match, or `None` if they could not be compared.
        """
        with self._lock:
            try:
                return self._observe(exchange)
            except Exception:  # a defect here must not end the thread of the server
                self._failed += 1
                return None

    def _observe(self, exchange: Exchange) -> bool | None:
        key = (exchange.route, exchange.primary_app, exchange.shadow_app)
        _, comparer = self._comparers.get(exchange.route, (None, self._default))
        result = self._compare(comparer, exchange, key)
        signature = self._tally.route(key).add(result)
        if self._store is not None:
            self._unwritten.route(key).add(result)
        noise = self._tally.route(key).noise
        matches = None if signature is None else all(is_noise(each, noise) for each in signature)
        sample = None
        if signature and not matches:
            sample = sample_of(exchange, result.differences, self._redaction)
            self._newest.add(exchange.route, signature, sample)
        if self._store is None:
            return matches
        if self._store.write(self._unwritten, exchange.route, signature or (), sample):
            self._unwritten = Tally()
        elif sample is not None:
            self._lost += 1
        return matches

    def _compare(self, comparer: Comparer, exchange: Exchange, key: RouteKey) -> Result:
        """Compare the responses, after it has learnt from the repeat."""
        repeat = exchange.repeat
        if repeat is not None:
            again = comparer.compare(exchange.request, exchange.primary, repeat)
            if any(each.place in ("status", "response") for each in again.differences):
                return Result(skipped="the primary gave two different responses to the same request")
            if again.skipped is None:
                for tally in (self._tally,) if self._store is None else (self._tally, self._unwritten):
                    tally.route(key).learn(again.differences)
        return comparer.compare(exchange.request, exchange.primary, exchange.shadow)

    def summary(self) -> dict[str, Any]:
        """What this process saw since its start, for `/shadow.json`. `merged` adds those of several processes.

        Returns:
            A JSON object: `routes` for people and programs, `counts` and `samples` for `merged`, and how many samples are
            `lost` because the store could not be written.
        """
        with self._lock:
            return _document(self._tally, self._newest.newest_first(), self._lost, self._failed)

    def close(self) -> None:
        """Write what is not yet written, and close the store."""
        with self._lock:
            if self._store is None:
                return
            if self._unwritten.routes:
                self._store.write(self._unwritten, "", (), None)
            self._store.close()


def merged(summaries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Add the summaries of several processes: one document of the same form."""
    tally, samples, lost, failed = Tally(), {}, 0, 0
    for each in summaries:
        tally.merge(Tally.from_json(each["counts"]))
        samples.update({(sample["at"], sample["request"]["target"]): sample for sample in each["samples"]})
        lost, failed = lost + each["lost"], failed + each["failed"]
    newest = sorted(samples.values(), key=lambda sample: -sample["at"])
    return _document(tally, newest[:_SAMPLES_SHOWN], lost, failed)


def _document(tally: Tally, samples: list[dict[str, Any]], lost: int, failed: int) -> dict[str, Any]:
    return {
        "routes": [each.to_json() for each in reports_of(tally, samples)],
        "counts": tally.to_json(),
        "samples": samples,
        "lost": lost,
        "failed": failed,
    }
