"""The processes of a server, from the start to the end.

`entry.py` decides how many there are. `serving.py` is one that serves. `workers/` keeps several of them.
"""
