"""The dashboard: what Python adds to the numbers of the admin listener.

In reading order: `listing` (all routes, for the page and `rsgi status`), `status` and `terminal` (what `rsgi status` shows).
The page itself and its data are in Rust (`src/dashboard/`). The history is in `rsgi.history`.
"""
