"""`rsgi translate`: what it prints for other servers' command lines, and that it can be served.

Apart from `test_other_servers.py`, which compares the tables with the servers.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from rsgi.cli import main
from rsgi.migrate.servers import SERVERS
from server import APPS, Server
from wire import get

SERVED = [
    ("gunicorn app:app -w 4 -b :8000", "--wsgi app:app --workers 4 --bind 0.0.0.0:8000"),
    ("gunicorn -w4 -bunix:/run/app.sock app:app", "--wsgi app:app --workers 4 --bind unix:/run/app.sock"),
    ("gunicorn mysite.wsgi --threads=8", "--wsgi mysite.wsgi:application --wsgi-threads 8"),
    ("gunicorn 'app:create_app()' -b a:1,b:2 -b [::1]:3",
     "--wsgi 'app:create_app()' --bind a:1 --bind b:2 --bind '[::1]:3'"),
    ("gunicorn app:app -k uvicorn.workers.UvicornWorker", "--asgi app:app"),
    ("gunicorn app:app -k asgi --keep-alive 5", "--asgi app:app --keep-alive-timeout 5"),
    ("gunicorn -k gthread --threads 2 app:app", "--wsgi app:app --wsgi-threads 2"),
    ("gunicorn app:app -w 2 -w 3", "--wsgi app:app --workers 3"),
    ("gunicorn app:app --certfile a.pem --keyfile b.pem --cert-reqs 2 --ca-certs c", "--wsgi app:app --tls-cert a.pem "
     "--tls-key b.pem --tls-client-auth required --tls-client-ca c"),
    ("gunicorn app:app --access-logfile /var/log/a", "--wsgi app:app --access-log-file /var/log/a"),
    ("gunicorn app:app -u www-data -g www-data -m 007 -p /run/a.pid --preload --backlog 64 --reuse-port",
     "--wsgi app:app --user www-data --group www-data --uds-mode 770 --pid-file /run/a.pid --preload --backlog 64 "
     "--reuse-port"),
    ("gunicorn app:app -b fd://3 -m 0", "--wsgi app:app --bind fd://3 --uds-mode 777"),
    ("hypercorn main:app -m 7 -u a -p b --access-logfile -",
     "main:app --uds-mode 770 --user a --pid-file b --access-log-file -"),
    ("uvicorn main:app --fd 3 --backlog 10 --no-access-log",
     "--asgi main:app --bind fd://3 --backlog 10 --no-access-log"),
    ("daphne --fd 7 main:app", "--asgi main:app --bind fd://7 --access-log"),
    ("uvicorn main:app --no-server-header --no-access-log",
     "--asgi main:app --server-header off --no-access-log"),
    ("uvicorn main:app --no-access-log --port 80", "--asgi main:app --no-access-log --port 80"),
    ("uvicorn main:app", "--asgi main:app --access-log"),
    ("uvicorn --factory main:make --interface wsgi --access-log", "--wsgi 'main:make()' --access-log"),
    ("uvicorn main:app --ws-per-message-deflate false --no-access-log",
     "--asgi main:app --ws-compression off --no-access-log"),
    ("granian --interface wsgi --blocking-threads 4 main:app", "--wsgi main:app --wsgi-threads 4"),
    ("granian --interface asgi main --url-path-prefix /api/", "--asgi /api=main:app"),
    ("granian main:app --static-path-mount ./files --static-path-expires 60",
     "main:app --static /static=./files --static-cache-control max-age=60"),
    ("granian main:app --http1-header-read-timeout 3000", "main:app --header-timeout 3000ms"),
    ("hypercorn wsgi:main:app -b 0.0.0.0 -k uvloop", "--wsgi main:app --bind 0.0.0.0:8000 --loop uvloop"),
    ("hypercorn main --access-logfile -", "main:app --access-log-file -"),
    ("daphne -b 0.0.0.0 -p 8001 mysite.asgi:application",
     "--asgi mysite.asgi:application --host 0.0.0.0 --port 8001 --access-log"),
    ("waitress-serve --call app:make", "--wsgi 'app:make()' --host 0.0.0.0 --port 8080"),
    ("waitress-serve --listen=*:9000 app:app", "--wsgi app:app --bind 0.0.0.0:9000"),
    ("uwsgi --http :8000 --module mysite.wsgi --processes 4 --threads 2 --master",
     "--wsgi mysite.wsgi:application --bind 0.0.0.0:8000 --workers 4 --wsgi-threads 2"),
    ("uwsgi --http-socket :1 --wsgi-file site/app.py --callable app", "--wsgi app:app --bind 0.0.0.0:1 --app-dir site"),
    ("uwsgi --http :1 --mount /api=app:app --mount /=old", "--wsgi /api=app:app --wsgi old:application --bind 0.0.0.0:1"),
]  # fmt: skip


def translated(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["translate", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(("theirs", "ours"), SERVED)
def test_a_command_line_becomes_ours(theirs: str, ours: str, capsys: pytest.CaptureFixture[str]) -> None:
    quoted = translated(capsys, theirs)
    assert quoted[:2] == (0, f"rsgi serve {ours}\n")
    assert "not translated" not in quoted[2]
    assert translated(capsys, *shlex.split(theirs)) == quoted


@pytest.mark.parametrize(("theirs", "ours"), SERVED)
def test_what_comes_out_is_a_command_line(theirs: str, ours: str) -> None:
    """All flags are ours and have values that they take; only the application is missing here."""
    from rsgi.cli.serve import serve_command

    context = serve_command.make_context("serve", shlex.split(ours))
    assert any(context.params[name] for name in ("wsgi", "asgi", "targets"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("python -m gunicorn app:app", "python -m rsgi serve --wsgi app:app"),
        ("/venv/bin/python3.12 -m uvicorn main:app --no-access-log",
         "/venv/bin/python3.12 -m rsgi serve --asgi main:app --no-access-log"),
        ("DEBUG=1 uv run granian main:app", "DEBUG=1 uv run rsgi serve main:app"),
        ("exec /venv/bin/gunicorn app:app", "exec rsgi serve --wsgi app:app"),
    ],
)  # fmt: skip
def test_what_stands_before_the_server_stays(before: str, after: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert translated(capsys, before)[:2] == (0, f"{after}\n")


@pytest.mark.parametrize(
    ("theirs", "flag", "why"),
    [
        ("gunicorn app:app --timeout 0", "--timeout 0", "no limit is the default"),
        ("gunicorn app:app -k gevent", "-k gevent", "WSGI applications run in threads"),
        ("gunicorn app:app -D", "-D", "the process stays in the foreground"),
        ("gunicorn app:app -w many", "-w many", "`--workers` does not take it: 'many' is not a whole number"),
        ("gunicorn app:app --limit-request-line 0", "--limit-request-line 0", "there is always a limit"),
        ("gunicorn app:app -b app:x", "-b app:x", "`--bind` does not take it: 'app:x' is not an address"),
        ("gunicorn --proxy-protocol off app:app", "--proxy-protocol off", "it is off by default"),
        ("gunicorn app:app --new-flag 3 --another", "--new-flag 3", "rsgi does not know this flag of gunicorn"),
        ("gunicorn app:app second:app", "second:app", "this word is unexpected"),
        ("granian --interface rsgi main:app", "--interface rsgi", "Granian's own protocol RSGI is not supported here"),
        ("hypercorn main:app -k trio", "-k trio", "rsgi runs asyncio's event loop and uvloop"),
        ("uwsgi --http :1 -w app --socket /run/x", "--socket /run/x", "rsgi does not support the uwsgi protocol"),
    ],
)  # fmt: skip
def test_what_is_not_carried_over_is_said_with_the_reason(
    theirs: str, flag: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = translated(capsys, theirs)
    assert code == 0
    assert flag not in out
    lost = err.partition("not translated:\n")[2].partition("\n\n")[0].splitlines()
    assert f"  {flag}" in lost
    assert why in lost[lost.index(f"  {flag}") + 1]


def test_variables_of_the_shell_stay(capsys: pytest.CaptureFixture[str]) -> None:
    """As a Procfile has them: their values are known only when the command is run."""
    said = translated(capsys, "web: gunicorn app:app -b 0.0.0.0:$PORT -w ${WEB:-4} --threads 2")
    assert said[1] == 'web: rsgi serve --wsgi app:app --bind "0.0.0.0:$PORT" --workers "${WEB:-4}" --wsgi-threads 2\n'
    assert said[2] == ""


def test_what_is_always_so_is_no_loss(capsys: pytest.CaptureFixture[str]) -> None:
    said = translated(capsys, "uwsgi --http :1 -w app --threads 2 --master")[2]
    assert said == "\nnot needed:\n  --master\n      this is always the case\n"


def test_no_flag_is_dropped_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    """Each known flag, given alone, shows in our command or in what is said about it."""
    asked = 0
    for server in (server for server in SERVERS if server.programs):
        plain = translated(capsys, server.programs[0], "main:app")
        for flag in server.flags:
            if flag.role in ("interface", "target", "callable", "mount"):
                continue  # they say what the application is
            value = [] if not flag.value else ["1"]
            said = translated(capsys, server.programs[0], flag.names[-1], *value, "main:app")
            asked += 1
            assert said[0] == 0, (server.name, flag.names, said)
            assert said[1:] != plain[1:], (server.name, flag.names)
    assert asked > 300


def test_what_is_not_quite_the_same_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    sync = translated(capsys, "gunicorn", "app:app")[2]
    assert "an application that is not thread-safe needs `--wsgi-threads 1`" in sync
    assert translated(capsys, "gunicorn", "app:app", "--threads", "2")[2] == ""
    assert "requests, not connections" in translated(capsys, "uvicorn main:app --limit-concurrency 9")[2]


def test_a_file_that_gunicorn_reads_by_itself_is_mentioned(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gunicorn.conf.py").write_text("workers = 3\n")
    assert (
        "  gunicorn.conf.py\n      gunicorn reads this file automatically" in translated(capsys, "gunicorn app:app")[2]
    )
    assert "gunicorn.conf.py" not in translated(capsys, "uvicorn main:app")[2]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((), "no command line is given"),
        (("apachectl", "start"), "it names no known server; rsgi knows gunicorn, uvicorn, "),
        (("gunicorn",), "it names no application"),
        (("uwsgi --ini app.ini",), "it names no application (`--ini app.ini`: rsgi does not read this file"),
        (("gunicorn", "app:app", "-b"), "`-b` has no value"),
        (("gunicorn 'app:app",), "the command line cannot be read: no closing quotation"),
        (("uvicorn", "main"), "`main` does not name the object in the module"),
        (("gunicorn", "app:make('x')"), "`app:make('x')` cannot be written as `module:object` or `module:factory()`"),
        (("uwsgi", "--wsgi-file", "site.wsgi"), "it names no application (`--wsgi-file site.wsgi`: a module"),
    ],
)  # fmt: skip
def test_what_cannot_be_translated_is_a_wrong_usage(
    words: tuple[str, ...], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = translated(capsys, *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {error}")
    assert "\n\nhint: " in err


@pytest.mark.parametrize(
    ("theirs", "response"),
    [
        ("gunicorn wsgi_kitchen:app -w 2 -b 127.0.0.1:0 --timeout 30", "Hello, world!\n"),
        ("uvicorn asgi_kitchen:app --port 0", "Hello, world!\n"),
        ("hypercorn asgi_kitchen:app -b 127.0.0.1:0", "Hello, world!\n"),
    ],
)
def test_a_translated_command_serves(theirs: str, response: str) -> None:
    command = [sys.executable, "-m", "rsgi", "translate", theirs]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    words = shlex.split(printed)
    assert words[:2] == ["rsgi", "serve"]
    server = Server([sys.executable, "-m", *words], folder=APPS)
    assert get(server, "/hello").text == response
    assert ("with 2 workers" in server.log()) is ("-w 2" in theirs)
    assert server.stop() == 0


def test_help_is_our_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["translate", "--help"]) == 0
    assert re.search(r"rsgi translate gunicorn app:app -w 4", capsys.readouterr().out)
