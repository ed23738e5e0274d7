"""The settings `rollback` and `advance` of a rule: when its share goes back to 0%, and how it rises.

`src/rollback/` acts on them.
"""

from rsgi.rollback.settings import Advance, Rollback, RollbackError, in_full, parse_rollback

__all__ = ["Advance", "Rollback", "RollbackError", "in_full", "parse_rollback"]
