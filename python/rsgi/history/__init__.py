"""Keeps the counters of the dashboard on disk, over restarts.

In reading order: `store` (the file), `keeper` (the thread that writes it), `document` (what the dashboard reads). The thread
is in the process that has the admin listener. It is the only writer. No request waits for it.
"""

from rsgi.history.keeper import check_history, keep_history

__all__ = ["check_history", "keep_history"]
