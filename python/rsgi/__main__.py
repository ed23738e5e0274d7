"""`python -m rsgi`: the same command line as `rsgi`, for the chosen interpreter.

Python looks for exactly this file.
"""

from __future__ import annotations

import sys

from rsgi.cli import main

if __name__ == "__main__":
    sys.exit(main())
