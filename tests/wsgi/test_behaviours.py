"""The behaviours of a correct WSGI gateway, asked of our server, of our bridge by hand, and of our bridge under six servers.

Apart from `conformance/behaviours/`, which holds the list and knows nothing of pytest. One test is one behaviour on one
host. What a host cannot show is listed in `behaviour_limits.py` with its reason, and a limit that is none any more fails
here.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from behaviour_limits import GAPS, LIMITS, limit_of
from behaviours.behaviour import TIMEOUT, Behaviour, verdict
from behaviours.driver import Driver
from behaviours.exchange import Host
from behaviours.hosts import OUR_HOSTS, QUEUE, THREADS, ProcessHost
from behaviours.site import FOLDER
from behaviours.themes import BEHAVIOURS

# With a `send` that raises after the client has left (ASGI 2.4), and with one that says nothing.
DRIVERS = {"driver": False, "driver-silent": True}
PLACES = {**{kind.name: kind.place for kind in OUR_HOSTS}, **dict.fromkeys(DRIVERS, "driver")}
BREAKS = {name: frozenset[str]() for name in DRIVERS} | {kind.name: kind.breaks for kind in OUR_HOSTS}


class Hosts:
    """The running hosts: each is started when it is first asked for, and anew after a behaviour that it did not show."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[tuple[str, str], ProcessHost | Driver] = {}

    def get(self, name: str, variant: str) -> ProcessHost | Driver:
        if variant == "streaming" and name != "rsgi":
            variant = "plain"  # only the server's own gateway collects small bodies first
        if (name, variant) not in self._running:
            self._running[name, variant] = self._start(name, variant)
        return self._running[name, variant]

    def _start(self, name: str, variant: str) -> ProcessHost | Driver:
        if name in DRIVERS:
            width = {"threads": THREADS, "queue": QUEUE} if variant == "narrow" else {}
            return Driver(name, "rsgi", silent=DRIVERS[name], **width)
        kind = next(kind for kind in OUR_HOSTS if kind.name == name)
        for package in kind.packages:
            if importlib.util.find_spec(package) is None:
                pytest.skip(f"the package {package} is not installed")
        return ProcessHost(kind, variant, self._folder)

    def discard(self, host: Host) -> None:
        """Have it started anew for the next behaviour."""
        for key in [key for key, running in self._running.items() if running is host]:
            self._running.pop(key).kill()

    def stop(self) -> None:
        for running in self._running.values():
            running.stop()


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """All hosts of this module, and the folder of their notes."""
    folder = tmp_path_factory.mktemp("behaviours")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, FOLDER, str(folder))
        started = Hosts(folder)
        yield started
        started.stop()


CASES = [
    pytest.param(each, name, id=f"{name}-{each.number:02}-{each.name}")
    for name, place in PLACES.items()
    for each in sorted(BEHAVIOURS, key=lambda each: (each.number, each.name))
    if place in each.where
]


@pytest.mark.parametrize(("asked", "name"), CASES)
def test_behaviour(asked: Behaviour, name: str, hosts: Hosts) -> None:
    limit = limit_of(asked.name, name)
    host = hosts.get(name, asked.variant)
    host.timeout = TIMEOUT if limit is None else 1.5
    seen = verdict(asked, host)
    if asked.variant == "own" or seen is not None or asked.name in BREAKS[name]:
        hosts.discard(host)
    if limit is None:
        assert seen is None, f"wanted: {asked.wanted}; seen: {seen}"
    elif seen is not None:
        pytest.xfail(f"{limit.reason}; seen: {seen}")
    elif limit.always:
        pytest.fail(f"{name} shows this now: take it off the list in behaviour_limits.py ({limit.reason})")


def test_every_number_has_a_behaviour() -> None:
    assert {each.number for each in BEHAVIOURS} == set(range(1, 31))
    assert len({each.name for each in BEHAVIOURS}) == len(BEHAVIOURS)


def test_limits_name_behaviours_and_hosts() -> None:
    names = {each.name for each in BEHAVIOURS}
    for known in (LIMITS, GAPS):
        assert known.keys() <= names
        assert {host for reasons in known.values() for host in reasons} <= {*PLACES, "all"}
