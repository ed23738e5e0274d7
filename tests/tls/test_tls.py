"""HTTPS: handshakes, certificates and clients' certificates, and what applications learn of them.

Apart from `test_http.py`, whose rules hold over TLS as they do without; a few of them are tried again here, because the
same guard stands behind the encryption.
"""

from __future__ import annotations

import contextlib
import datetime
import itertools
import json
import re
import signal
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from certificates import NAME, Certificates, TlsConnection, dated_certificate, encrypted_key
from server import Server, run_rsgi, wait_until
from websocket_wire import WebSocketConnection
from wire import Connection, Response, exchange, get

DAY = datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


def tls_get(server: Server, context: ssl.SSLContext, target: str, name: str = NAME) -> Response:
    with TlsConnection(server, context, name) as connection:
        connection.send_request("GET", target)
        return connection.read_response()


def served_name(server: Server, context: ssl.SSLContext, name: str) -> set[str]:
    """The names in the certificate that a client gets which asks for `name`."""
    context.check_hostname = False
    with TlsConnection(server, context, name) as connection:
        shown = connection.socket.getpeercert()
        assert shown is not None
        return {value for kind, value in shown["subjectAltName"] if kind == "DNS"}


# What applications see


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_https(start_kitchen: Callable[..., Server], certificates: Certificates, version: ssl.TLSVersion) -> None:
    server = start_kitchen(*certificates.flags())
    assert f"listening on https://127.0.0.1:{server.port}\n" in server.log()
    context = certificates.context()
    context.minimum_version = context.maximum_version = version
    with TlsConnection(server, context) as connection:
        for _ in range(3):
            connection.send_request("POST", "/echo", body=b"over TLS" * 10_000)
            assert connection.read_response().body == b"over TLS" * 10_000
        assert connection.socket.version() == version.name.replace("_", ".")


def test_headers_keep_their_order(start_kitchen: Callable[..., Server], certificates: Certificates) -> None:
    server = start_kitchen(*certificates.flags())
    with TlsConnection(server, certificates.context()) as connection:
        for path, count in (("/cookies", 1), ("/many-cookies/500", 499)):
            connection.send_request("GET", path)
            names = "".join(f"{name} " for name, _ in connection.read_response().headers)
            assert len(re.findall(r"set-cookie x-\w+ (?=set-cookie )", names)) == count


def test_environ_over_tls(start: Callable[..., Server], certificates: Certificates) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", *certificates.flags())
    with TlsConnection(server, certificates.context()) as connection:
        connection.send_request("GET", "/environ")
        environ = connection.read_response().json()
        cipher = connection.socket.cipher()
    assert cipher is not None
    assert environ["wsgi.url_scheme"] == "https"
    assert environ["HTTPS"] == "on"
    assert environ["SSL_PROTOCOL"] == "TLSv1.3"
    assert environ["SSL_CIPHER"].replace("TLS13_", "TLS_") == cipher[0]
    assert environ["SSL_TLS_SNI"] == NAME
    assert environ["SSL_CLIENT_VERIFY"] == "NONE"
    assert environ["SSL_SERVER_CERT"] in certificates.certificate.read_text()
    assert "SSL_CLIENT_CERT" not in environ


def test_sessions_of_one_application_are_told_apart(start: Callable[..., Server], certificates: Certificates) -> None:
    """What sessions have in common is kept for the next request."""
    second, second_key = certificates.issue("apart", "apart.test")
    more = ("--tls-cert", str(second), "--tls-key", str(second_key))
    server = start("--wsgi", "wsgi_kitchen:app", *certificates.flags(), *more)
    older = certificates.context()
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    newer = certificates.context()
    files = {NAME: certificates.certificate, "apart.test": second}
    for _ in range(2):
        for name, context in itertools.product(files, (newer, older)):
            environ = tls_get(server, context, "/environ", name).json()
            assert environ["SSL_PROTOCOL"] == ("TLSv1.2" if context is older else "TLSv1.3")
            assert environ["SSL_TLS_SNI"] == name
            assert environ["SSL_SERVER_CERT"] in files[name].read_text()


def test_scope_over_tls(start: Callable[..., Server], certificates: Certificates) -> None:
    server = start("--asgi", "asgi_kitchen:app", *certificates.flags())
    scope = tls_get(server, certificates.context(), "/scope").json()
    assert scope["scheme"] == "https"
    extension = scope["extensions"]["tls"]
    assert extension.pop("server_cert") in certificates.certificate.read_text()
    assert extension == {
        "client_cert_chain": [],
        "client_cert_name": None,
        "client_cert_error": None,
        "tls_version": 0x0304,
        "cipher_suite": extension["cipher_suite"],
    }
    assert extension["cipher_suite"] in (0x1301, 0x1302, 0x1303)


def test_nothing_of_it_without_tls(wsgi_server: Server, asgi_server: Server) -> None:
    environ = get(wsgi_server, "/environ").json()
    assert environ["wsgi.url_scheme"] == "http"
    assert not [name for name in environ if name == "HTTPS" or name.startswith("SSL_")]
    scope = get(asgi_server, "/scope").json()
    assert scope["scheme"] == "http"
    assert "tls" not in scope.get("extensions", {})


def test_websocket_over_tls(start: Callable[..., Server], certificates: Certificates) -> None:
    server = start("--asgi", "asgi_kitchen:app", *certificates.flags())

    class Client(TlsConnection, WebSocketConnection):
        pass

    with Client(server, certificates.context()) as client:
        client.upgrade("/ws/echo")
        client.send_frame(1, b"hello")
        assert client.read_data_frame().payload == b"hello"


# The wire


def test_the_guard_stands_behind_the_encryption(
    start_kitchen: Callable[..., Server], certificates: Certificates
) -> None:
    server = start_kitchen(*certificates.flags())
    smuggled = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    with TlsConnection(server, certificates.context()) as connection:
        connection.send(smuggled)
        response = connection.read_response()
        assert response.status == 400
        assert response.body == b"400 Bad Request: Content-Length and Transfer-Encoding exclude each other\n"
        assert connection.socket.recv(1) == b""


def test_the_end_is_told(start_kitchen: Callable[..., Server], certificates: Certificates) -> None:
    """Without TLS's own goodbye a client could not tell an end from a cut; `recv` would raise."""
    server = start_kitchen(*certificates.flags())
    context = certificates.context()
    with TlsConnection(server, context) as connection:
        connection.send_request("GET", "/hello", [("Connection", "close")])
        assert connection.read_response().status == 200
        assert connection.socket.recv(1) == b""
    with TlsConnection(server, context) as connection:
        connection.send_request("GET", "/raise-after-first-byte")
        assert not connection.read_response().complete


def test_plain_http_is_told_about_https(start_kitchen: Callable[..., Server], certificates: Certificates) -> None:
    server = start_kitchen(*certificates.flags())
    response = exchange(server, b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
    assert response.status == 400
    assert response.body == b"400 Bad Request: this port speaks HTTPS: use an address with https://\n"
    assert response.header("connection") == "close"
    assert tls_get(server, certificates.context(), "/hello").status == 200


def test_silent_client_is_dropped(start: Callable[..., Server], certificates: Certificates) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", *certificates.flags(), "--header-timeout", "0.3")
    with Connection(server) as silent, Connection(server) as slow:
        slow.send(b"\x16\x03\x01\x02\x00\x01\x00")
        began = time.monotonic()
        assert silent.closed_within(5)
        assert slow.closed_within(5)
        assert 0.2 < time.monotonic() - began < 4
    assert tls_get(server, certificates.context(), "/hello").status == 200


def test_no_handshake_at_all(start: Callable[..., Server], certificates: Certificates) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", *certificates.flags())
    with Connection(server) as connection:
        connection.send(b"\x16\x03\x01\x00\x05abcde")
        alert = connection.read_to_end()
        assert alert[:1] in (b"\x15", b"")  # an alert, if anything
    assert tls_get(server, certificates.context(), "/hello").status == 200
    assert "Traceback" not in server.log()


def test_idle_tls_connections_end_with_the_server(start: Callable[..., Server], certificates: Certificates) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", *certificates.flags(), "--grace", "20")
    with TlsConnection(server, certificates.context()) as idle, Connection(server):
        idle.send_request("GET", "/hello")
        assert idle.read_response().status == 200
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 5
        assert idle.socket.recv(1) == b""


def test_old_versions_are_refused(start: Callable[..., Server], certificates: Certificates) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", *certificates.flags(), "--tls-min-version", "1.3")
    context = certificates.context()
    assert tls_get(server, context, "/hello").status == 200
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="alert protocol version"):
        tls_get(server, context, "/hello")


def test_unix_sockets_stay_in_the_clear(start: Callable[..., Server], certificates: Certificates) -> None:
    path = str(certificates.folder / "rsgi.sock")
    binds = ("--bind", f"unix:{path}", "--bind", "127.0.0.1:0")
    start("--wsgi", "wsgi_kitchen:app", *certificates.flags(), *binds, listeners=2)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(b"GET /environ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        response = b"".join(iter(lambda: client.recv(65536), b""))
    assert json.loads(response.partition(b"\r\n\r\n")[2])["wsgi.url_scheme"] == "http"


# Several certificates, and new ones


def test_certificate_by_host_name(start: Callable[..., Server], certificates: Certificates) -> None:
    second, second_key = certificates.issue("second", "second.test", "*.wild.test")
    more = ("--tls-cert", str(second), "--tls-key", str(second_key))
    server = start("--wsgi", "wsgi_kitchen:app", *certificates.flags(), *more)
    context = certificates.context()
    assert served_name(server, context, NAME) == {NAME}
    assert served_name(server, context, "second.test") == {"second.test", "*.wild.test"}
    assert served_name(server, context, "a.wild.test") == {"second.test", "*.wild.test"}
    assert served_name(server, context, "unknown.test") == {NAME}


def test_key_in_the_file_of_the_certificate(start: Callable[..., Server], certificates: Certificates) -> None:
    both = certificates.folder / "both.pem"
    both.write_bytes(certificates.certificate.read_bytes() + certificates.key.read_bytes())
    server = start("--wsgi", "wsgi_kitchen:app", "--tls-cert", str(both))
    assert tls_get(server, certificates.context(), "/hello").status == 200


def test_encrypted_key(start: Callable[..., Server], certificates: Certificates) -> None:
    key = certificates.folder / "encrypted.key"
    key.write_bytes(encrypted_key(certificates.key, b"open sesame"))
    flags = ("--wsgi", "wsgi_kitchen:app", "--tls-cert", str(certificates.certificate), "--tls-key", str(key))
    server = start(*flags, environment={"RSGI_TLS_KEY_PASSWORD": "open sesame"})
    assert tls_get(server, certificates.context(), "/hello").status == 200
    without = run_rsgi(*flags)
    assert without.returncode == 1
    assert f"error: the TLS key `{key}` is encrypted, and there is no password for it\n" in without.stderr
    wrong = run_rsgi(*flags, "--tls-key-password", "close sesame")
    assert wrong.returncode == 1
    assert f"error: cannot decrypt the TLS key `{key}`: " in wrong.stderr
    assert "sesame" not in wrong.stderr


@pytest.mark.parametrize("kitchen_flags", [("--wsgi", "wsgi_kitchen:app"), ("--asgi", "asgi_kitchen:app")])
def test_new_certificates_without_losing_a_connection(
    start: Callable[..., Server], tmp_path: Path, kitchen_flags: tuple[str, ...]
) -> None:
    certificates = Certificates.make(tmp_path)
    server = start(*kitchen_flags, *certificates.flags())
    context = certificates.context()
    with TlsConnection(server, context) as old:
        old.send_request("GET", "/hello")
        assert old.read_response().status == 200
        certificates.issue("server", NAME, "renewed.test")
        server.send_signal(signal.SIGHUP)
        server.wait_for_log("read the TLS certificates again")
        assert served_name(server, context, NAME) == {NAME, "renewed.test"}
        old.send_request("GET", "/hello")
        assert old.read_response().status == 200


def test_bad_new_certificates_change_nothing(start: Callable[..., Server], tmp_path: Path) -> None:
    certificates = Certificates.make(tmp_path)
    server = start("--wsgi", "wsgi_kitchen:app", *certificates.flags())
    certificates.key.write_text("no key")
    server.send_signal(signal.SIGHUP)
    server.wait_for_log(f"error: there is no TLS key in `{certificates.key}`; the old certificates stay in use\n")
    assert tls_get(server, certificates.context(), "/hello").status == 200


# Clients' certificates


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("clients"))


def client_context(certificates: Certificates, clients: Certificates) -> ssl.SSLContext:
    context = certificates.context()
    context.load_cert_chain(*clients.issue("client", "someone@clients.test", common_name="Jos\xe9 Client"))
    return context


def mutual(clients: Certificates, *more: str) -> tuple[str, ...]:
    return ("--tls-client-ca", str(clients.authority_file()), *more)


def test_client_certificate_in_the_environ(
    start: Callable[..., Server], certificates: Certificates, clients: Certificates
) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", *certificates.flags(), *mutual(clients))
    context = client_context(certificates, clients)
    environ = tls_get(server, context, "/environ").json()
    assert environ["SSL_CLIENT_VERIFY"] == "SUCCESS"
    assert environ["SSL_CLIENT_CERT"] == (clients.folder / "client.pem").read_text()
    assert environ["SSL_CLIENT_S_DN"].startswith("CN=Jos\\C3\\A9 Client,OU=")


def test_client_certificate_in_the_scope(
    start: Callable[..., Server], certificates: Certificates, clients: Certificates
) -> None:
    server = start("--asgi", "asgi_kitchen:app", *certificates.flags(), *mutual(clients))
    extension = tls_get(server, client_context(certificates, clients), "/scope").json()["extensions"]["tls"]
    assert extension["client_cert_chain"] == [(clients.folder / "client.pem").read_text()]
    assert extension["client_cert_name"].startswith("CN=Jos\xe9 Client,OU=")
    assert extension["client_cert_error"] is None


def test_client_certificate_is_required(
    start: Callable[..., Server], certificates: Certificates, clients: Certificates
) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", *certificates.flags(), *mutual(clients))
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        tls_get(server, certificates.context(), "/count?label=none")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        tls_get(server, client_context(certificates, certificates), "/count?label=none")
    assert tls_get(server, client_context(certificates, clients), "/record?label=none").json() == []


def test_client_certificate_may_be_optional(
    start: Callable[..., Server], certificates: Certificates, clients: Certificates
) -> None:
    """Optional means that there may be none, and not that any will do."""
    optional = mutual(clients, "--tls-client-auth", "optional")
    server = start("--wsgi", "wsgi_kitchen:app", *certificates.flags(), *optional)
    environ = tls_get(server, certificates.context(), "/environ").json()
    assert environ["SSL_CLIENT_VERIFY"] == "NONE"
    assert tls_get(server, client_context(certificates, clients), "/environ").json()["SSL_CLIENT_VERIFY"] == "SUCCESS"
    environ = tls_get(server, certificates.context(), "/environ").json()
    assert environ["SSL_CLIENT_VERIFY"] == "NONE"
    assert "SSL_CLIENT_CERT" not in environ
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        tls_get(server, client_context(certificates, certificates), "/hello")


# Mistakes of the operator


def refusal(*flags: str) -> str:
    """What the server says instead of starting."""
    ended = run_rsgi("--wsgi", "wsgi_kitchen:app", *flags)
    assert ended.returncode == 1, ended.stderr
    assert "\nhint: " in ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_files_that_are_not_there(certificates: Certificates) -> None:
    certificate, key = str(certificates.certificate), str(certificates.key)
    assert "error: cannot read the TLS certificate from `/no/cert`: there is no such file\n" in refusal(
        "--tls-cert", "/no/cert", "--tls-key", key
    )
    assert "error: cannot read the TLS key from `/no/key`: there is no such file\n" in refusal(
        "--tls-cert", certificate, "--tls-key", "/no/key"
    )


def test_files_that_hold_something_else(certificates: Certificates) -> None:
    certificate, key = str(certificates.certificate), str(certificates.key)
    swapped = refusal("--tls-cert", key, "--tls-key", certificate)
    assert f"error: there is no TLS certificate in `{key}`\n" in swapped
    alone = refusal("--tls-cert", certificate)
    assert f"error: there is no key for the TLS certificate `{certificate}`\n" in alone
    broken = certificates.folder / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert f"error: cannot read the TLS certificate `{broken}`: " in refusal(
        "--tls-cert", str(broken), "--tls-key", key
    )


def test_key_of_another_certificate(certificates: Certificates) -> None:
    _, other = certificates.issue("other", "other.test")
    said = refusal("--tls-cert", str(certificates.certificate), "--tls-key", str(other))
    assert f"error: the TLS key `{other}` does not belong to the certificate `{certificates.certificate}`\n" in said


def test_certificates_out_of_date(tmp_path: Path) -> None:
    certificate, key = dated_certificate(tmp_path, -2 * DAY, -1 * DAY)
    assert f"error: the TLS certificate `{certificate}` expired at 2" in refusal(
        "--tls-cert", str(certificate), "--tls-key", str(key)
    )
    certificate, key = dated_certificate(tmp_path, 1 * DAY, 2 * DAY)
    assert f"error: the TLS certificate `{certificate}` is not valid before 2" in refusal(
        "--tls-cert", str(certificate), "--tls-key", str(key)
    )


def test_settings_that_do_not_fit_together(certificates: Certificates, clients: Certificates) -> None:
    key = str(certificates.key)
    assert "error: `--tls-key` is set, but there is no certificate\n" in refusal("--tls-key", key)
    assert "error: `--tls-client-ca` is set, but there is no certificate\n" in refusal(*mutual(clients))
    assert "error: there are 1 TLS certificates and 2 keys\n" in refusal(*certificates.flags(), "--tls-key", key)
    asked = refusal(*certificates.flags(), "--tls-client-auth", "optional")
    assert "error: `--tls-client-auth optional` has no authority to check certificates with\n" in asked
    empty = refusal(*certificates.flags(), "--tls-client-ca", key)
    assert f"error: cannot use the client authorities in `{key}`: there is no certificate in it\n" in empty
    unix = refusal(*certificates.flags(), "--uds", str(certificates.folder / "only.sock"))
    assert "error: there is a TLS certificate, but no address to serve it on: " in unix


def test_hangup_without_tls_ends_the_server(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "wsgi_kitchen:app")
    server.send_signal(signal.SIGHUP)
    assert server.wait(5) == -signal.SIGHUP


def test_client_that_leaves_in_the_handshake(start: Callable[..., Server], certificates: Certificates) -> None:
    server = start("--asgi", "asgi_kitchen:app", *certificates.flags())
    for _ in range(20):
        with Connection(server) as connection, contextlib.suppress(OSError):
            connection.send(b"\x16\x03\x01")
    wait_until(lambda: tls_get(server, certificates.context(), "/hello").status == 200, 5, "it serves")
    assert "Traceback" not in server.log()
