"""Certificates for the tests, made when they run, and a client that shows TLS and HTTP bytes alike.

Apart from `wire.py` because most tests need no TLS. The authorities are trustme's; what it cannot make (an expired
certificate, an encrypted key) is made with `cryptography` below it.
"""

from __future__ import annotations

import datetime
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from server import Server
from wire import Connection

NAME = "rsgi.test"


@dataclass
class Certificates:
    """An authority, and what it has issued into a folder.

    Attributes:
        certificate: The server's certificate, for `NAME` and 127.0.0.1.
        key: Its key.
    """

    authority: trustme.CA
    folder: Path
    certificate: Path
    key: Path

    @classmethod
    def make(cls, folder: Path) -> Certificates:
        """A new authority and a certificate for the server."""
        made = cls(trustme.CA(), folder, folder / "server.pem", folder / "server.key")
        made.issue("server", NAME, "127.0.0.1")
        return made

    def issue(self, file: str, *names: str, common_name: str | None = None) -> tuple[Path, Path]:
        """Issue a certificate; gives its file and that of its key."""
        issued = self.authority.issue_cert(*names, common_name=common_name)
        certificate, key = self.folder / f"{file}.pem", self.folder / f"{file}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        key.write_bytes(issued.private_key_pem.bytes())
        return certificate, key

    def authority_file(self) -> Path:
        file = self.folder / "authority.pem"
        self.authority.cert_pem.write_to_path(str(file))
        return file

    def flags(self) -> tuple[str, ...]:
        """What makes a server serve HTTPS."""
        return ("--tls-cert", str(self.certificate), "--tls-key", str(self.key))

    def context(self, *protocols: str) -> ssl.SSLContext:
        """For a client that trusts the authority and offers these protocols (ALPN)."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context


def dated_certificate(folder: Path, begins: datetime.timedelta, ends: datetime.timedelta) -> tuple[Path, Path]:
    """A certificate that is valid from `begins` to `ends`, both counted from now; gives its file and that of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.timezone.utc)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(now + begins).not_valid_after(now + ends)
    certificate = builder.sign(key, hashes.SHA256())
    files = folder / "dated.pem", folder / "dated.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(_pem(key, serialization.NoEncryption()))
    return files


def encrypted_key(file: Path, password: bytes) -> bytes:
    """The key in `file`, encrypted, as PEM."""
    key = serialization.load_pem_private_key(file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return _pem(key, serialization.BestAvailableEncryption(password))


def _pem(key: ec.EllipticCurvePrivateKey, encryption: serialization.KeySerializationEncryption) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


class TlsConnection(Connection):
    """A connection that speaks TLS from its first byte."""

    socket: ssl.SSLSocket

    def __init__(self, server: Server, context: ssl.SSLContext, name: str = NAME, *, timeout: float = 10) -> None:
        super().__init__(server, timeout=timeout)
        plain: socket.socket = self.socket
        try:
            self.socket = context.wrap_socket(plain, server_hostname=name)
        except BaseException:
            plain.close()
            raise

    def readable(self, seconds: float = 0) -> bool:
        """As for any connection; a record that is read may hold more."""
        return self.socket.pending() > 0 or super().readable(seconds)
