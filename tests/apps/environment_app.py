"""An application that says which variables of a service manager its child processes get."""

import subprocess
import sys

SCRIPT = (
    "import os; print(', '.join(f'no {n}' for n in ('NOTIFY_SOCKET', 'WATCHDOG_USEC') if n not in os.environ), end='')"
)


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=True).stdout]
