"""Serves applications in tests: what is behind the fixtures of the pytest plugin (`plugin.py`).

It is above the command line, because tests name applications and rules as users of the command line do.
"""
