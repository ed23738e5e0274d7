"""Shadow traffic: requests that a second application gets too, to compare its responses.

`rules.py` says which requests. `src/shadow/` sends them. `thread.py` takes the responses from there to `rsgi.compare`.
"""
