"""nginx and HAProxy from Debian in front of a server, set up so that they hide as little as they can.

They reuse connections to the server for requests of all clients and pass bodies on as they come, because that is where a
disagreement does harm. Each request gets a mark of its own, and the proxy's log says which marks it gave.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from server import wait_until

FOLDERS = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin"))
SECONDS = 1  # for a client that does not go on
SERVER_SECONDS = 5


@dataclass(frozen=True)
class Forwarded:
    """A request as the proxy logged it."""

    method: str
    target: str
    status: int


@dataclass(frozen=True)
class Proxy:
    """A running proxy."""

    port: int
    log: Path

    def forwarded(self) -> dict[str, Forwarded]:
        """What it logged, by mark."""
        found = {}
        for line in self.log.read_text(errors="replace").splitlines():
            mark, *rest = line.split("|")
            if len(rest) == 3 and rest[2].lstrip("-").isdigit():
                found[mark.rpartition(" ")[2]] = Forwarded(rest[0], rest[1], int(rest[2]))
        return found


def _nginx(folder: Path, log: Path, port: int, server: int) -> list[str]:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off;\npid {folder}/nginx.pid;\nerror_log stderr;\n"
        + ("user root;\n" if os.getuid() == 0 else "")
        + "events {}\nhttp {\n"
        + temporary
        + "log_format marks '$request_id|$request_method|$request_uri|$status';\n"
        f"access_log {log} marks;\nproxy_http_version 1.1;\nproxy_request_buffering off;\nproxy_buffering off;\n"
        "proxy_ignore_client_abort on;\nignore_invalid_headers off;\nunderscores_in_headers on;\n"
        f"client_header_timeout {SECONDS}s;\nclient_body_timeout {SECONDS}s;\nkeepalive_timeout {SECONDS}s;\n"
        f"proxy_read_timeout {SERVER_SECONDS}s;\nlingering_timeout {SECONDS}s;\nproxy_next_upstream off;\n"
        f"upstream app {{\nserver 127.0.0.1:{server} max_fails=0;\nkeepalive 4;\n}}\n"
        "map $http_upgrade $upgraded {\ndefault upgrade;\n'' '';\n}\n"
        f"server {{\nlisten 127.0.0.1:{port};\nlocation / {{\nproxy_pass http://app;\n"
        "proxy_set_header Host $http_host;\nproxy_set_header Upgrade $http_upgrade;\n"
        "proxy_set_header Connection $upgraded;\nproxy_set_header X-Proxy-Request $request_id;\n}\n}\n}\n"
    )
    return ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def _haproxy(folder: Path, log: Path, port: int, server: int) -> list[str]:
    (folder / "haproxy.cfg").write_text(
        "global\nlog stdout format raw local0\n"
        f"defaults\nmode http\nlog global\ntimeout connect 5s\ntimeout client {SECONDS}s\n"
        f"timeout http-request {SECONDS}s\ntimeout http-keep-alive {SECONDS}s\ntimeout server {SERVER_SECONDS}s\n"
        "timeout queue 5s\nretries 0\n"
        f"frontend clients\nbind 127.0.0.1:{port}\nunique-id-format %{{+X}}o%ci%cp%fi%fp%Ts%rt%pid\n"
        'unique-id-header X-Proxy-Request\nlog-format "%ID|%HM|%HU|%ST"\ndefault_backend app\n'
        f"backend app\nhttp-reuse always\nserver app 127.0.0.1:{server}\n"
    )
    return ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")]


PROXIES: dict[str, Callable[[Path, Path, int, int], list[str]]] = {"nginx": _nginx, "haproxy": _haproxy}


def found(name: str) -> str | None:
    """The path of the program, if it is installed."""
    return shutil.which(name, path=FOLDERS)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(name: str, folder: Path, server: int) -> Iterator[Proxy]:
    """Run one of the proxies in front of a port of this machine.

    Raises:
        RuntimeError: when it does not start; with what it said.
    """
    folder.mkdir(exist_ok=True)
    said, log = folder / "said", folder / "marks"
    log = said if name == "haproxy" else log
    for _ in range(5):  # nobody says which port is free for long
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        program, *arguments = PROXIES[name](folder, log, port, server)
        with said.open("w") as output:
            command = [found(program) or program, *arguments]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        wait_until(lambda proxy=process, at=port: proxy.poll() is not None or _listens(at), 20, "the proxy listens")
        if process.poll() is None:
            break
    else:
        raise RuntimeError(said.read_text())
    try:
        yield Proxy(port, log)
    finally:
        process.terminate()
        process.wait(timeout=20)
