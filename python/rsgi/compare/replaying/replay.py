"""Sends recorded requests to an application, and compares its responses with the recorded ones.

`client.py` calls the application. What differs between several recorded responses to the same request is noise, and so is
what differs between two responses of the application.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from rsgi.compare.comparer import Comparer
from rsgi.compare.exchange import Exchange, RequestRecord, ResponseRecord
from rsgi.compare.replaying.client import Client
from rsgi.compare.results.report import RouteReport, reports_of
from rsgi.compare.results.tally import RouteKey, Signature, Tally, is_noise
from rsgi.compare.storage.recording import Recorded
from rsgi.compare.storage.redaction import REDACTED, Redaction
from rsgi.compare.storage.sample import sample_of

# How many samples with the same differences are kept.
_SAME = 5


class Replay:
    """Replays a recording.

    Args:
        client: Calls the application.
        name: The name of the application.
        comparer: Compares.
        redaction: What the recording has no values of.
        headers: Header fields that every request gets, in place of those with the same name.
    """

    def __init__(
        self,
        client: Client,
        name: str,
        comparer: Comparer,
        redaction: Redaction,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._client, self._name, self._comparer, self._redaction = client, name, comparer, redaction
        self._headers = tuple(headers)
        self._tally = Tally()
        self._first: dict[tuple[str, str, str], Recorded] = {}
        self._samples: dict[tuple[RouteKey, Signature], list[dict[str, Any]]] = {}
        self.errors: dict[str, BaseException] = {}

    async def run(self, recorded: Sequence[Recorded], progress: Callable[[], None]) -> list[RouteReport]:
        """Replay all requests, one after the other.

        Args:
            recorded: The requests.
            progress: Called after each request.
        """
        for each in recorded:
            await self._replay(each)
            progress()
        samples = [sample for kept in self._samples.values() for sample in kept]
        return reports_of(self._tally, sorted(samples, key=lambda sample: -float(sample["at"])))

    async def _replay(self, recorded: Recorded) -> None:
        key = (recorded.route, f"{recorded.app} (recorded)", self._name)
        counts, request = self._tally.route(key), self._request(recorded.request)
        self._learn_from_recording(recorded, key)
        response = await self._ask(request)
        result = self._comparer.compare(recorded.request, recorded.response, response)
        if any(not is_noise(each.key, counts.noise) for each in result.differences) and response.error is None:
            again = self._comparer.compare(recorded.request, response, await self._ask(request))
            counts.learn(again.differences)
        signature = counts.add(result)
        kept = self._samples.setdefault((key, signature or ()), [])
        if signature and len(kept) < _SAME:
            exchange = Exchange(*key[:1], recorded.request, key[1], recorded.response, key[2], response)
            kept.append(sample_of(exchange, result.differences, self._redaction))

    def _learn_from_recording(self, recorded: Recorded, key: RouteKey) -> None:
        """Learn from a request that was recorded before: what changed since is no matter of the other application."""
        same = (recorded.app, recorded.request.method, recorded.request.target)
        first = self._first.setdefault(same, recorded)
        if first is not recorded and first.response.status == recorded.response.status:
            found = self._comparer.compare(recorded.request, first.response, recorded.response)
            if found.skipped is None:
                self._tally.route(key).learn(found.differences)

    async def _ask(self, request: RequestRecord) -> ResponseRecord:
        """A response without secrets, as the recorded one is."""
        response, error = await self._client.ask(request)
        if error is not None:
            self.errors.setdefault(f"{type(error).__name__}: {error}", error)
        return self._redaction.response(response)

    def _request(self, request: RequestRecord) -> RequestRecord:
        """The request with the headers of the command line, and without headers whose values are not recorded."""
        given = {name.lower() for name, _ in self._headers}
        kept = [(name, value) for name, value in request.headers if name.lower() not in given and REDACTED not in value]
        return replace(request, headers=(*kept, *self._headers))
