"""Asks the admin listener of a server that runs.

Apart from the commands because whatever keeps the two from each other, an operator has to hear what to do about it.
"""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any, cast

from rsgi.config import Config
from rsgi.errors import StartupError

# Longer than a server waits for its workers, in seconds.
_PATIENCE = 10.0

# What is listened on everywhere is asked for here.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "": "127.0.0.1"}  # noqa: S104 - nothing is bound


@dataclass(frozen=True)
class Share:
    """A rule with a share.

    Attributes:
        rule: The rule, without its share.
        app: The name of its application.
        share: The share, such as `5%`.
        configured: What the settings say.
    """

    rule: str
    app: str
    share: str
    configured: str

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
    """One server, by the address of its admin listener."""

    def __init__(self, config: Config) -> None:
        """Nothing is asked yet.

        Raises:
            StartupError: when the settings name no address that can be asked.
        """
        if config.admin is None:
            hint = "say which with `--admin 127.0.0.1:9090`, `RSGI_ADMIN` or `admin` in rsgi.toml, as for `rsgi serve`"
            raise StartupError("no admin listener is named, and only that can be asked", hint)
        self._address, self._token = config.admin, config.admin_token
        if self._address.endswith(":0") and not self._address.startswith("unix:"):
            hint = "name the one that the server has said at its start, `admin on http://…`"
            raise StartupError(f"`--admin {self._address}` is any free port, so it says not where the server is", hint)

    def shares(self) -> list[Share]:
        """The rules that have a share.

        Raises:
            StartupError: when the server does not say it.
        """
        return _shares_in(self._ask("GET", None))

    def set_shares(self, changes: dict[str, str]) -> tuple[list[Share], int, int]:
        """Give rules other shares; gives all shares, how many processes go by them, and how many there are.

        Raises:
            StartupError: when the server does not take them.
        """
        said = self._ask("PUT", changes)
        return _shares_in(said), said["workers"]["took"], said["workers"]["of"]

    def _ask(self, method: str, value: object) -> dict[str, Any]:
        connection = self._connection()
        headers = {"Content-Type": "application/json"} if value is not None else {}
        headers |= {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        body = None if value is None else json.dumps(value).encode()
        try:
            connection.request(method, "/shares", body, headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            hint = "is the server running, with this `--admin`? It says `admin on …` at its start"
            raise StartupError(f"no admin listener answers at {self._address}: {why}", hint) from error
        finally:
            connection.close()
        if answer.status in (200, 202):
            try:
                return cast("dict[str, Any]", json.loads(text))
            except ValueError as error:
                hint = "is another server there?"
                raise StartupError(f"{self._address} does not answer as an admin listener does", hint) from error
        raise self._refusal(answer.status, text.strip())

    def _refusal(self, status: int, text: str) -> StartupError:
        if status == 401:
            what = "needs a token" if self._token is None else "knows another token"
            hint = "give the one that the server was started with, in `RSGI_ADMIN_TOKEN`"
            return StartupError(f"the admin listener at {self._address} {what}", hint)
        if status == 404:
            return StartupError(
                f"{self._address} has no shares: {text}", "name the admin listener, not the applications"
            )
        return StartupError(
            f"the admin listener at {self._address} refused it with {status}: {text}", "nothing has changed"
        )

    def _connection(self) -> http.client.HTTPConnection:
        if self._address.startswith("unix:"):
            return _UnixConnection(self._address.removeprefix("unix:"))
        host, _, port = self._address.rpartition(":")
        return http.client.HTTPConnection(_EVERYWHERE.get(host, host).strip("[]"), int(port), timeout=_PATIENCE)


class _UnixConnection(http.client.HTTPConnection):
    """A connection over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_PATIENCE)
        self._path = f"\0{path[1:]}" if path.startswith("@") else path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_PATIENCE)
        self.sock.connect(self._path)


def _shares_in(document: dict[str, Any]) -> list[Share]:
    return [Share(each["rule"], each["app"], each["share"], each["configured"]) for each in document["shares"]]
