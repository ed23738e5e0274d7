"""Installs a wheel or a source distribution into a new environment, and serves two applications with it.

Run by `make check-package`. It needs nothing but an interpreter. For a wheel it hides Rust, since who installs one has none.
The last lines are what was found; the exit code is 1 if it cannot be served.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import venv
import zipfile
from pathlib import Path

_LONGEST_START = 60
_OLD = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"old"]
"""
_NEW = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"new"})
"""


def _environment(folder: Path, package: Path) -> Path:
    """A new environment with the package in it; gives its interpreter."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    variables = dict(os.environ)
    if package.suffix == ".whl":
        hidden = {str(Path(found).parent) for name in ("cargo", "rustc") if (found := shutil.which(name))}
        kept = [each for each in variables["PATH"].split(os.pathsep) if each not in hidden]
        variables |= {"PATH": os.pathsep.join(kept), "CARGO": "/nowhere", "RUSTC": "/nowhere"}
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(package)]
    subprocess.run(command, env=variables, cwd=folder, check=True)
    return python


def _serve(python: Path, folder: Path) -> None:
    """Serve two applications, ask both, and stop."""
    (folder / "old.py").write_text(_OLD)
    (folder / "new.py").write_text(_NEW)
    arguments = ["serve", "--wsgi", "old:app", "--asgi", "/new=new:app", "--port", "0"]
    command = [str(python), "-m", "rsgi", *arguments]
    server = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        place = None
        for line in server.stderr:  # ends with the process
            if found := re.search(r"listening on (http://\S+)", line):
                place = found[1]
                break
        if place is None:
            raise SystemExit("error: the server did not start")
        for path, body in (("/", b"old"), ("/new/x", b"new")):
            with urllib.request.urlopen(f"{place}{path}", timeout=_LONGEST_START) as response:
                assert response.read() == body, path
    finally:
        server.terminate()
        code = server.wait(_LONGEST_START)
    if code:
        raise SystemExit(f"error: the server ended with {code}")


def _typed(python: Path, folder: Path) -> None:
    """The types are installed, and they are those of the extension."""
    code = (
        "import pathlib, rsgi, rsgi._rsgi as e; f = pathlib.Path(rsgi.__file__).parent;"
        "assert (f / 'py.typed').is_file() and (f / '_rsgi.pyi').is_file();"
        "assert all(name in (f / '_rsgi.pyi').read_text() for name in e.__all__)"
    )
    subprocess.run([str(python), "-c", code], cwd=folder, check=True)


def _sizes(package: Path) -> str:
    whole = f"{package.name}: {package.stat().st_size / 1e6:.1f} MB"
    if package.suffix != ".whl":
        return whole
    with zipfile.ZipFile(package) as opened:
        names = [info for info in opened.infolist() if info.filename.endswith((".so", ".pyd"))]
        boms = [info.filename for info in opened.infolist() if "/sboms/" in info.filename]
    extension = ", ".join(f"extension {info.file_size / 1e6:.1f} MB" for info in names)
    return f"{whole}; {extension}; SBOM: {', '.join(boms) or 'none'}"


def main() -> None:
    """Install, serve, and say what it was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path, help="a wheel or a source distribution")
    package = parser.parse_args().package.resolve()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        python = _environment(folder / "environment", package)
        _typed(python, folder)
        _serve(python, folder)
        version = subprocess.run([str(python), "-m", "rsgi", "--version"], capture_output=True, text=True, check=True)
    print(version.stdout.rstrip())
    print(_sizes(package))
    print(f"{package.name} is installed and serves on CPython {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
