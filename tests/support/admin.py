"""The admin listener of a server under test, and the numbers that it shows.

Apart from `server.py` because it is a second address of the same process. What it says is read with the parsers of
Prometheus' own Python package, the strict one of OpenMetrics included.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, cast

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as families

from server import Server, wait_until
from wire import Response, get

READY = re.compile(r"admin on (?:http://(?P<host>\[[^\]]+\]|[^:/]+):(?P<port>\d+)|unix:(?P<path>\S+))")
OPENMETRICS = ("Accept", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")

Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Admin:
    """Where the admin listener of `server` is; takes the place of a server for `wire.py`.

    Attributes:
        address: `(host, port)`, or the path of a socket.
        authority: What belongs into a `Host` field.
    """

    def __init__(self, server: Server, *headers: tuple[str, str]) -> None:
        found = READY.search(server.log())
        assert found is not None, server.log()
        self.headers = headers
        self.address = (found["host"].strip("[]"), int(found["port"])) if found["host"] else found["path"]
        self.authority = f"{found['host']}:{found['port']}" if found["host"] else "localhost"

    @property
    def server(self) -> Server:
        """This, for what asks servers."""
        return cast("Server", self)

    def get(self, path: str, *headers: tuple[str, str]) -> Response:
        return get(self.server, path, *self.headers, *headers)

    def numbers(self) -> Numbers:
        """Every sample of a scrape, by its name and labels."""
        response = self.get("/metrics")
        assert response.status == 200, response.text
        assert response.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
        return numbers_of(families(response.text))

    def openmetrics(self) -> list[Any]:
        """The metrics of a scrape in the other format, read strictly."""
        response = self.get("/metrics", OPENMETRICS)
        assert response.header("content-type") == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        return list(openmetrics_families(response.text))

    def number(self, name: str, **labels: str) -> float:
        """The sum of the samples with this name that have these labels, and perhaps others."""
        return total(self.numbers(), name, **labels)

    def wait_for(self, expected: float, name: str, timeout: float = 10, **labels: str) -> None:
        """Wait until a number is what it should be: a request is over a moment after its client has the response."""
        wait_until(lambda: self.number(name, **labels) == expected, timeout, f"{name} {labels} is {expected}")

    def status(self) -> Any:
        """`/status.json`."""
        response = self.get("/status.json")
        assert (response.status, response.header("content-type")) == (200, "application/json"), response.text
        return response.json()


def numbers_of(read: Iterable[Any]) -> Numbers:
    """The samples of metrics that were read; a bound is the same number, however it is written."""
    numbers = {}
    for sample in (sample for family in read for sample in family.samples):
        labels = {name: str(float(value)) if name == "le" else value for name, value in sample.labels.items()}
        numbers[sample.name, frozenset(labels.items())] = sample.value
    return numbers


def total(numbers: Numbers, name: str, **labels: str) -> float:
    """The sum of the samples with this name that have these labels, and perhaps others."""
    return sum(value for (found, having), value in numbers.items() if found == name and labels.items() <= set(having))
