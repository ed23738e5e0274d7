"""Applications that tell their processes apart, end them, and can be changed while the server runs."""

import json
import os
import signal
import subprocess
import time


def pid(environ, start_response):
    """`/slow` waits, `/exit` ends the process, `/version` says what `RSGI_TEST_VERSION_FILE` held at import."""
    path = environ["PATH_INFO"]
    if path == "/exit":
        os._exit(3)
    if path == "/segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(10)  # another thread may get it
    if path == "/slow":
        time.sleep(1)
    body = json.dumps({"pid": os.getpid(), "version": VERSION, "many": environ["wsgi.multiprocess"]}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def environment(environ, start_response):
    """The variables that a child of the application has, and who runs it."""
    shown = subprocess.run(["env", "-0"], stdout=subprocess.PIPE, check=True).stdout.decode()
    found = dict(line.split("=", 1) for line in shown.split("\0") if line)
    found |= {
        "user": os.getuid(),
        "group": os.getgid(),
        "groups": os.getgroups(),
        "pid": os.getpid(),
        "import": IMPORTING_USER,
        "importer": IMPORTER,
    }
    body = json.dumps(found).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


async def pid_asgi(scope, receive, send):
    """The same over ASGI."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        # In one piece: `print` writes the end of the line by itself, and other workers write, too.
        os.write(1, f"lifespan of {os.getpid()} ended\n".encode())
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = json.dumps({"pid": os.getpid(), "scheme": scope["scheme"], "path": scope["path"]}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


def _version():
    file = os.environ.get("RSGI_TEST_VERSION_FILE")
    if file is None:
        return None
    with open(file) as opened:
        text = opened.read()
    if text == "broken":
        raise RuntimeError("this version is broken")
    return text


VERSION = _version()
IMPORTER, IMPORTING_USER = os.getpid(), os.getuid()
