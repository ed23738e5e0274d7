"""Start-up errors, with a hint for the operator.

Every module may raise them, and the command line must be able to catch them without importing any of these modules.
"""

from __future__ import annotations


class StartupError(Exception):
    """The server cannot start, for a reason that the operator can fix.

    The command line prints `error: <message>`, a blank line and `hint: <hint>`, and exits with 1. With `--debug`, it also
    prints the traceback of the cause.

    Attributes:
        message: What is wrong, in one sentence. The application's own traceback may follow on further lines.
        hint: What to do about it, or `None`.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """The text of the command line, without the leading `error:`."""
        return self.message if self.hint is None else f"{self.message}\n\nhint: {self.hint}"
