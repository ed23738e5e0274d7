"""Hostile and slow clients beside honest ones: who they are (`clients.py`, `http2.py`), and how honest ones fare."""
