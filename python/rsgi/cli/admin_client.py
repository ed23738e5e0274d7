"""Talks to the admin listener of a running server.

Every way in which this can fail has an error with a hint.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from rsgi.errors import StartupError
from rsgi.settings.config import Config

# In seconds. The server waits for its workers for a shorter time.
_TIMEOUT = 10.0

# A server that listens on all addresses also listens on these.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "": "127.0.0.1"}  # noqa: S104 - nothing is bound


@dataclass(frozen=True)
class Share:
    """A rule with a share.

    Attributes:
        rule: The rule, without its share.
        app: The name of its application.
        share: The share, such as `5%`.
        configured: What the settings say.
        rollback: What its rollback does, as the server says it; `None` without one.
    """

    rule: str
    app: str
    share: str
    configured: str
    rollback: dict[str, Any] | None = None

    @property
    def pattern(self) -> str:
        """What the rule is for, without who answers."""
        return self.rule.rpartition("=")[0]

    @property
    def path(self) -> str:
        """The path of the rule, without methods, host and conditions."""
        pattern = self.pattern.split(", ")[0].split(" ")[-1]
        return pattern[max(pattern.find("/"), 0) :]

    @property
    def named(self) -> str:
        """What the rule calls the application."""
        return self.rule.rpartition("=")[2]


class AdminClient:
    """A client for the admin listener of one server."""

    def __init__(self, config: Config) -> None:
        """Read the address from the settings.

        Raises:
            StartupError: when they name no usable address.
        """
        if config.admin is None:
            hint = "name it as for `rsgi serve`: `--admin 127.0.0.1:9090`, `RSGI_ADMIN`, or `admin` in rsgi.toml"
            raise StartupError("this command needs the address of the admin listener", hint)
        self._address, self._token = config.admin, config.admin_token
        if self._address.endswith(":0") and not self._address.startswith("unix:"):
            hint = "use the port that the server printed at its start: `admin on http://…`"
            raise StartupError(f"`--admin {self._address}` means any free port, so the real port is unknown", hint)

    def shares(self) -> list[Share]:
        """Return the rules with a share.

        Raises:
            StartupError: when the request fails.
        """
        return _shares_in(self._ask("GET", None))

    def set_shares(self, changes: Mapping[str, object]) -> tuple[list[Share], int, int]:
        """Set shares. Return all shares, how many processes use the new ones, and how many processes there are.

        Raises:
            StartupError: when the request fails.
        """
        said = self._ask("PUT", changes)
        return _shares_in(said), said["workers"]["took"], said["workers"]["of"]

    def document(self, path: str) -> dict[str, Any]:
        """Return a JSON document of the listener.

        Raises:
            StartupError: when the request fails.
        """
        return self._ask("GET", None, path)

    def _ask(self, method: str, value: object, path: str = "/shares") -> dict[str, Any]:
        connection = self._connection()
        headers = {"Content-Type": "application/json"} if value is not None else {}
        headers |= {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        body = None if value is None else json.dumps(value).encode()
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            hint = "check that the server is running with this `--admin`; it prints `admin on …` at its start"
            raise StartupError(f"cannot reach the admin listener at {self._address}: {why}", hint) from error
        finally:
            connection.close()
        if response.status in (200, 202):
            try:
                return cast("dict[str, Any]", json.loads(text))
            except ValueError as error:
                hint = "check the address: another server may listen there"
                raise StartupError(f"{self._address} is not an admin listener", hint) from error
        raise self._refusal(response.status, text.strip(), path)

    def _refusal(self, status: int, text: str, path: str) -> StartupError:
        if status == 401:
            what = "needs a token" if self._token is None else "has another token"
            hint = "set `RSGI_ADMIN_TOKEN` to the token of the server"
            return StartupError(f"the admin listener at {self._address} {what}", hint)
        if status == 404:
            return StartupError(
                f"{self._address} is not an admin listener: it has no {path}",
                "use the address of the admin listener, not that of the applications",
            )
        hint = "no share was changed" if path == "/shares" else "see the log of the server"
        return StartupError(f"the admin listener at {self._address} answered {status}: {text}", hint)

    def _connection(self) -> http.client.HTTPConnection:
        if self._address.startswith("unix:"):
            return _UnixConnection(self._address.removeprefix("unix:"))
        host, _, port = self._address.rpartition(":")
        return http.client.HTTPConnection(_EVERYWHERE.get(host, host).strip("[]"), int(port), timeout=_TIMEOUT)


class _UnixConnection(http.client.HTTPConnection):
    """A connection over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._path = f"\0{path[1:]}" if path.startswith("@") else path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT)
        self.sock.connect(self._path)


def _shares_in(document: dict[str, Any]) -> list[Share]:
    return [
        Share(each["rule"], each["app"], each["share"], each["configured"], each.get("rollback"))
        for each in document["shares"]
    ]
