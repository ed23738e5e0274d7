"""The proxies' files in `examples/deploy/` as they are, each run by its own program in front of two servers.

`test_deploy.py` reads these files. `test_real_proxies.py` tests the lines in docs/proxies.md. Only addresses and paths are
put in. The two servers have addresses of their own (127.0.0.11 and .12), like two machines. The proxy connects from
127.0.0.1, its clients from 127.0.0.2.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from test_real_proxies import CLIENT, Client, program, running

from certificates import NAME, Certificates
from server import Server, start_rsgi, wait_until
from wire import get

DEPLOY = Path(__file__).parents[2] / "examples" / "deploy"
APPS = (
    *("--asgi", "asgi_kitchen:app", "--wsgi", "/old=wsgi_kitchen:app"),
    *("--asgi", "/seen-asgi=seen_apps:new", "--wsgi", "/seen-wsgi=seen_apps:old"),
)
HEALTH = ("--health-path", "/healthz")


def filled(file: str, folder: Path, values: dict[str, str]) -> Path:
    """A copy of a file of `examples/deploy/`, with `values` in the places of what it says for a real machine."""
    text = (DEPLOY / file).read_text()
    for there, here in values.items():
        assert there in text, f"{file} has no {there!r}"
        text = text.replace(there, here)
    made = folder / Path(file).name
    made.write_text(text)
    return made


class Place:
    """What a proxy's file is filled with: where it listens, where the servers are, and the certificate."""

    def __init__(self, folder: Path, port: int, servers: list[str], certificates: Certificates) -> None:
        self.folder, self.port, self.servers, self.certificates = folder, port, servers, certificates
        self.combined = folder / "combined.pem"
        self.combined.write_bytes(certificates.certificate.read_bytes() + certificates.key.read_bytes())
        self.redirects = folder / "redirects.socket"

    def upstream(self, port: int) -> dict[str, str]:
        return {f"rsgi-{number}:{port}": server for number, server in enumerate(self.servers, 1)}


def nginx_command(file: Path, folder: Path) -> list[str]:
    owner = "user root; " if os.getuid() == 0 else ""
    orders = f"daemon off; pid {folder}/nginx.pid; error_log stderr; {owner}"
    return [program("nginx"), "-e", "stderr", "-c", str(file), "-g", orders]


def nginx(place: Place) -> list[str]:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {place.folder}/{kind};\n" for kind in kinds)
    values = {
        **place.upstream(8000),
        "http {\n": f"http {{\naccess_log off;\n{temporary}",
        "listen 80;": f"listen unix:{place.redirects};",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{place.port} ssl http2;",
        "/etc/ssl/rsgi/server.pem": str(place.certificates.certificate),
        "/etc/ssl/rsgi/server.key": str(place.certificates.key),
    }
    place.redirects.unlink(missing_ok=True)
    return nginx_command(filled("nginx/nginx.conf", place.folder, values), place.folder)


def haproxy(place: Place) -> list[str]:
    values = {
        **place.upstream(8000),
        "bind :80": f"bind {place.redirects}",
        "bind :443": f"bind 127.0.0.1:{place.port}",
        "/etc/haproxy/server.pem": str(place.combined),
    }
    return [program("haproxy"), "-db", "-f", str(filled("haproxy/haproxy.cfg", place.folder, values))]


def caddy(place: Place) -> list[str]:
    own = "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n"
    site = f"https://{NAME}:{place.port} {{\n\tbind 127.0.0.1\n"
    values = {
        **place.upstream(8000),
        "example.com {\n": f"{own}{site}\ttls {place.certificates.certificate} {place.certificates.key}\n",
    }
    file = filled("caddy/Caddyfile", place.folder, values)
    return ["env", f"HOME={place.folder}", program("caddy"), "run", "--adapter", "caddyfile", "--config", str(file)]


def envoy(place: Place) -> list[str]:
    values = {
        "{ address: 0.0.0.0, port_value: 443 }": f"{{ address: 127.0.0.1, port_value: {place.port} }}",
        "/etc/envoy/server.pem": str(place.certificates.certificate),
        "/etc/envoy/server.key": str(place.certificates.key),
    }
    for number, server in enumerate(place.servers, 1):
        host, _, port = server.rpartition(":")
        there = f"{{ address: rsgi-{number}, port_value: 8000 }}"
        values[there] = f"{{ address: {host}, port_value: {port} }}"
    file = filled("envoy/envoy.yaml", place.folder, values)
    return [program("envoy"), "-c", str(file), "--concurrency", "1", "--disable-hot-restart", "-l", "warning"]


# With the drain delay that is longer than each takes to hear that a server leaves, or that the other one is back.
PROXIES = {"nginx": (nginx, "2.5"), "haproxy": (haproxy, "2.5"), "caddy": (caddy, "1.5"), "envoy": (envoy, "2")}


class Fleet:
    """Two servers and the proxy in front of them."""

    def __init__(self, flags: tuple[str, ...], proxy: Callable[[Place], list[str]]) -> None:
        self.flags, self.proxy = flags, proxy
        self.servers: list[Server] = []
        self.port = 0

    @contextmanager
    def serving(self, folder: Path, certificates: Certificates) -> Iterator[Fleet]:
        with ExitStack() as stack:
            for number in (1, 2):
                self.servers.append(self._start(f"127.0.0.1{number}:0"))
                stack.callback(lambda which=number - 1: self.servers[which].stop())
            authorities = [server.authority for server in self.servers]
            place = Place(folder, 0, authorities, certificates)

            def command(port: int) -> list[str]:
                place.port = port
                return self.proxy(place)

            self.port = stack.enter_context(running(command))
            self.context = certificates.context()
            yield self

    def _start(self, address: str) -> Server:
        return start_rsgi(*self.flags, "--bind", address, "--trust-proxy", "127.0.0.1")

    def restart(self, which: int) -> None:
        """What an operator does on one of the machines."""
        server = self.servers[which]
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0, server.log()
        self.servers[which] = self._start(server.authority)

    def asked(self) -> int:
        """The process that the proxy asks next."""
        with self.client() as client:
            client.send_request("GET", "/pid")
            return int(client.read_response().body)

    def client(self) -> Client:
        return Client(self.port, self.context)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module", params=PROXIES)
def fleet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[Fleet]:
    proxy, delay = PROXIES[request.param]
    program(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    with Fleet((*APPS, *HEALTH, "--drain-delay", delay), proxy).serving(folder, certificates) as made:
        yield made


@pytest.mark.parametrize("prefix", ["", "/old"], ids=["asgi", "wsgi"])
def test_uploads_and_responses_come_through_byte_for_byte(fleet: Fleet, prefix: str) -> None:
    random.seed(prefix)
    large, smaller = random.randbytes(8 << 20), random.randbytes(700_001)
    pieces = [large[start : start + 99_991] for start in range(0, len(large), 99_991)]
    wanted = {"bytes": len(large), "sha256": hashlib.sha256(large).hexdigest()}
    with fleet.client() as client:
        client.send_request("POST", f"{prefix}/upload-hash", body=large)
        assert client.read_response().json() == wanted
        client.send_request("POST", f"{prefix}/upload-hash", chunks=pieces)
        assert client.read_response().json() == wanted
        client.send_request("POST", f"{prefix}/echo", body=smaller)
        assert client.read_response().body == smaller


@pytest.mark.parametrize("prefix", ["", "/old"], ids=["asgi", "wsgi"])
def test_the_first_piece_arrives_while_the_application_still_runs(fleet: Fleet, prefix: str) -> None:
    label = f"gate-{random.randrange(1 << 30)}"
    with fleet.client() as client:
        client.send_request("GET", f"{prefix}/stream-gated?label={label}")
        assert client.read_head().status == 200
        assert client.read_chunk() == b"first"
        for server in fleet.servers:  # one of them has it
            get(server, f"{prefix}/open-gate?label={label}")
        assert client.read_chunk() == b"second"


def test_websockets(fleet: Fleet) -> None:
    with fleet.client() as client:
        assert client.upgrade("/ws/echo").status == 101
        for message in (b"hello", b"x" * 100_000):
            client.send_frame(2, message)
            frame = client.read_frame()
            assert (frame.opcode, frame.payload) == (2, message)
        client.send_close(1000)
        assert client.read_frame().close_code == 1000


FORGED = [
    ("X-Forwarded-For", "6.6.6.6"),
    ("X-Forwarded-Proto", "http"),
    ("X-Forwarded-Host", "evil.test"),
    ("X-Forwarded-Port", "1"),
    ("X-Forwarded-Prefix", "/evil"),
    ("Forwarded", "for=6.6.6.6;host=evil.test;proto=http"),
]


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_the_application_sees_the_client_and_nothing_forged(fleet: Fleet, kind: str) -> None:
    with fleet.client() as client:
        for headers in ([], FORGED):
            client.send_request("GET", f"/seen-{kind}/x", headers)
            seen = client.read_response().json()
            assert (seen["client"], seen["scheme"], seen["https"]) == ([CLIENT, 0], "https", "on")
            assert (seen["host"], seen["root"], seen["path"]) == (f"{NAME}:{fleet.port}", f"/seen-{kind}", "/x")


def test_a_websocket_is_wss(fleet: Fleet) -> None:
    with fleet.client() as client:
        assert client.upgrade("/seen-asgi/ws", FORGED).status == 101
        seen = client.read_frame().payload.decode()
    assert '"scheme": "wss"' in seen
    assert f'"client": ["{CLIENT}", 0]' in seen


class Load:
    """Clients of the proxy that ask without a break; every response has to be the right one."""

    def __init__(self, fleet: Fleet, count: int) -> None:
        self.fleet, self.stopped = fleet, threading.Event()
        self.responded, self.failed = 0, []  # type: int, list[str]
        self.threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        self.wait_for_more()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join(15)

    def wait_for_more(self) -> None:
        wanted = self.responded + 20 * len(self.threads)
        wait_until(lambda: self.responded >= wanted or self.failed, 20, "responses come")

    def _run(self, number: int) -> None:
        body = bytes([65 + number]) * 2000
        while not self.stopped.is_set():
            try:
                with self.fleet.client() as client:
                    self._ask(client, body)
            except Exception as error:
                self.failed.append(repr(error))

    def _ask(self, client: Client, body: bytes) -> None:
        for turn in range(50):
            old = "/old" if turn % 2 else ""
            client.send_request("POST", f"{old}/echo", body=body)
            response = client.read_response()
            assert (response.status, response.body) == (200, body), (response.status, response.body[:200])
            client.send_request("GET", f"{old}/hello")
            response = client.read_response()
            assert (response.status, response.body) == (200, b"Hello, world!\n"), (response.status, response.body[:200])
            self.responded += 2
            if response.header("connection") == "close" or self.stopped.is_set():
                return


def test_servers_restart_under_load_without_a_failed_request(fleet: Fleet) -> None:
    """The second one is restarted when the proxy has the first one back, as the page says."""
    with Load(fleet, 6) as load:
        for which in (0, 1):
            fleet.restart(which)
            wait_until(lambda new=which: fleet.asked() == fleet.servers[new].pid, 15, "it is asked again")
            load.wait_for_more()
    assert not load.failed


# Connections that are passed on unread


def stream(place: Place) -> list[str]:
    values = {**place.upstream(8443), "listen 443;": f"listen 127.0.0.1:{place.port};"}
    module = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
    if not module.exists():
        pytest.skip("nginx has no stream module here (Debian: libnginx-mod-stream)")
    return nginx_command(filled("nginx/stream.conf", place.folder, values), place.folder)


def passthrough(place: Place, **values: str) -> list[str]:
    values = {
        **place.upstream(8443),
        "bind :443": f"bind 127.0.0.1:{place.port}",
        "example.com": NAME,
        "/etc/haproxy/authority.pem": str(place.certificates.authority_file()),
        **values,
    }
    return [program("haproxy"), "-db", "-f", str(filled("haproxy/passthrough.cfg", place.folder, values))]


def first_version(place: Place) -> list[str]:
    return passthrough(place, **{" send-proxy-v2 ": " send-proxy "})


@pytest.mark.parametrize("proxy", [stream, passthrough, first_version], ids=["nginx", "haproxy", "haproxy-v1"])
def test_the_proxy_protocol_before_tls(
    tmp_path: Path, certificates: Certificates, proxy: Callable[[Place], list[str]]
) -> None:
    program("nginx" if proxy is stream else "haproxy")
    flags = (*APPS, *certificates.flags(), "--proxy-protocol", "--access-log")
    with Fleet(flags, proxy).serving(tmp_path, certificates) as fleet, fleet.client() as client:
        for kind in ("asgi", "wsgi"):
            client.send_request("GET", f"/seen-{kind}/x", FORGED)
            seen = client.read_response().json()
            assert (seen["client"], seen["scheme"]) == ([CLIENT, client.own_port], "https")
            assert seen["root"] == f"/seen-{kind}"
        if proxy is not stream:  # its checks speak all of that, too; here an application answers them
            for server in fleet.servers:
                server.wait_for_access_log('"GET /healthz HTTP/1.1" 404', 10)
