"""What `rsgi explain` prints where rules have a share, run as a process.

Apart from `test_explain.py`, which asks the router, and from `test_coverage_commands.py`, whose rules are for everybody.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from server import APPS

RULES = ("--route", "/x/{rest:path}=asgi:5%", "--route", "/x/7=asgi:20%", "--route", "/y=asgi:0%")


def explain(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RSGI_")}
    command = [sys.executable, "-m", "rsgi", "explain", "--wsgi", "share_apps:old", "--asgi", "/new=share_apps:new"]
    return subprocess.run(
        [*command, *RULES, *arguments],
        cwd=APPS,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def said(*arguments: str) -> str:
    ended = explain(*arguments)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def test_a_client_without_a_bucket_gets_one_part_for_each_way() -> None:
    assert (
        said("/x/7")
        == """\
GET /x/7

  buckets 0 to 499: 5% of the clients
  rules      the rule `/x/{rest:path}=asgi:5%` matches

  served by  share_apps:new (asgi)
  it sees    root_path='' path='/x/7'

  buckets 500 to 1999: 15% of the clients
  rules      the rule `/x/7=asgi:20%` matches (1 before it do not)

  served by  share_apps:new (asgi)
  it sees    root_path='' path='/x/7'

  buckets 2000 to 9999: 80% of the clients
  rules      none of 3 matches
  mounts     none of /new matches
  the rest   the application without a prefix

  served by  share_apps:old (wsgi)
  it sees    SCRIPT_NAME='' PATH_INFO='/x/7'
"""
    )


def test_a_client_with_a_bucket_gets_one_response() -> None:
    inside, outside = said("--bucket", "499", "/x/8"), said("--bucket", "500", "/x/8")
    of_rule = "from the cookie `rsgi_bucket`; `/x/{rest:path}=asgi:5%` is for buckets 0 to 499\n"
    assert f"  share      bucket 499, {of_rule}" in inside
    assert "  served by  share_apps:new (asgi)\n" in inside
    assert f"  share      bucket 500, {of_rule}" in outside
    assert "  served by  share_apps:old (wsgi)\n" in outside
    assert said("-H", "Cookie: rsgi_bucket=499", "/x/8") == inside


def test_requests_that_no_share_is_asked_about_are_as_before() -> None:
    assert "share" not in said("/elsewhere").replace("share_apps", "")
    assert "  share      no bucket yet, but the result is the same for all; `/y=asgi:0%` is for no client\n" in said(
        "/y"
    )


@pytest.mark.parametrize(
    ("arguments", "share", "app"),
    [
        (("--share-by", "client", "--client", "192.0.2.7"), "bucket 2718, from the address 192.0.2.7", "old (wsgi)"),
        (
            ("--share-by", "client"),
            "no bucket: the client has no address (`--client`), so it is only in shares of",
            "old",
        ),
        (("--share-by", "header:X-Id", "-H", "X-Id: user-4"), "bucket 558, from the header `X-Id`; `", "new (asgi)"),
        (
            ("--share-by", "header:X-Id"),
            "no bucket: there is no header `X-Id`, so it is only in shares of 100%",
            "old (wsgi)",
        ),
        (
            ("--share-testers", "s3cret", "-H", "rsgi-app: asgi.s3cret"),
            "a tester chose the application; `",
            "new (asgi)",
        ),
    ],
)
def test_what_the_bucket_goes_by(arguments: tuple[str, ...], share: str, app: str) -> None:
    found = said(*arguments, "/x/7")
    assert f"  share      {share}" in found
    assert f"  served by  share_apps:{app}" in found


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (("--bucket", "10000"), "10000 is not in the range 0<=x<=9999", "--help"),
        (
            ("--bucket", "5", "--share-by", "client"),
            "you cannot choose a bucket: it comes from `client`",
            "--client 192.0",
        ),
        (
            ("--bucket", "5", "--share-by", "header:X-Id"),
            "it comes from `header:X-Id`",
            "give the header `X-Id` with `-H`",
        ),
    ],
)
def test_a_bucket_that_cannot_be_is_a_usage_error(arguments: tuple[str, ...], error: str, hint: str) -> None:
    ended = explain(*arguments, "/x/7")
    words = " ".join(ended.stderr.split())
    assert ended.returncode == 2, words
    assert error in words.partition("hint:")[0]
    assert hint in words.partition("hint:")[2]
