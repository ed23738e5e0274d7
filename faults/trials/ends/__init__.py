"""Ends and restarts under load: clients (`clients.py`), what happens to the server (`events.py`), and the figures."""
