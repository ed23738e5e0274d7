"""Coming from another server: what its flags are here.

Apart from the server because it only knows words of command lines: no application is imported and nothing is served. One
table for each other server (`servers/`) is the only place that says what a flag of it is here, or why there is none. The
hints of `rsgi serve` (`hints.py`), `rsgi translate` (`translation.py`) and the tables of `docs/coming-from.md` (`page.py`)
are made from those.
"""
