"""Migration from other servers: their flags and the equivalents of rsgi.

This package knows only command lines. It imports no application and serves nothing. Each other server has one table
(`servers/`) with its flags. The hints of `rsgi serve` (`hints.py`), `rsgi translate` (`translation.py`) and the tables of
`docs/coming-from.md` (`page.py`) use these tables.
"""
