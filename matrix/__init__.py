"""The matrix of frameworks: every framework under rsgi and under its usual server, asked the same, and compared.

`make test-matrix` runs it. `frameworks.py` lists the frameworks, `environments.py` installs them, `web.py` and
`libraries.py` have the requests, `asking.py` runs servers and compares, and `page.py` writes docs/frameworks.md.
"""
