"""Proxy and server must agree about where a request ends: `corpus.py`, the proxies, and who said what in `pair.py`."""
