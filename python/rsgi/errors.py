"""Start-up errors, with a hint for the operator.

Every module may raise them, and the command line must be able to catch them without importing any of these modules.
"""

from __future__ import annotations


class StartupError(Exception):
    """The server cannot start, and whoever starts it can change that.

    The command line prints `error: <message>`, a blank line and `hint: <hint>`, and exits with 1; the traceback of the
    cause is shown with `--debug` only.

    Attributes:
        message: What is wrong, in one sentence; the application's own traceback may follow on further lines.
        hint: What to do about it, or `None` when there is nothing useful to say.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """The same text as the command line prints, without the leading `error:`."""
        return self.message if self.hint is None else f"{self.message}\n\nhint: {self.hint}"
