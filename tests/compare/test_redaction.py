"""What is removed before anything is stored. Each test looks for the secret in all that is kept."""

from __future__ import annotations

import json

import pytest

from compare_records import HTML, JSON, TEXT, compared, exchanged, request_record, response_record
from rsgi.compare.storage.redaction import REDACTED, Redaction
from rsgi.compare.storage.sample import sample_of

SECRET = "hunter2secretvalue"
FORM = "application/x-www-form-urlencoded"
REDACTION = Redaction(("nickname",))


@pytest.mark.parametrize(
    "name",
    "password user_password X-Api-Key apiKey access_token csrfmiddlewaretoken XSRF-TOKEN clientSecret pwd user[pwd] auth "
    "otp sessionid card_number NickName Authorization".split(),
)
def test_secret_names(name: str) -> None:
    assert REDACTION.is_secret(name)


@pytest.mark.parametrize("name", "name author pinned hotpink id key page price sidebar keyword option".split())
def test_names_of_no_secrets(name: str) -> None:
    assert not REDACTION.is_secret(name)


def test_request_headers() -> None:
    headers = [
        ("Cookie", f"a={SECRET}; b={SECRET}"),
        ("Authorization", f"Bearer {SECRET}"),
        ("Proxy-Authorization", SECRET),
        ("X-Auth-Token", SECRET),
        ("Accept", "text/html"),
        ("Referer", f"https://shop.example/reset?token={SECRET}"),
    ]
    kept = REDACTION.request(request_record("/x", *headers))
    assert SECRET not in repr(kept)
    assert dict(kept.headers)["Cookie"] == f"a={REDACTED}; b={REDACTED}"
    assert dict(kept.headers)["Accept"] == "text/html"
    assert dict(kept.headers)["Referer"] == f"https://shop.example/reset?token={REDACTED}"


def test_targets() -> None:
    target = f"/a/{'x1' * 20}/b?page=2&access_token={SECRET}&user[password]={SECRET}&user%5Bpwd%5D={SECRET}&empty="
    assert REDACTION.target(target) == (
        f"/a/{REDACTED}/b?page=2&access_token={REDACTED}&user[password]={REDACTED}&user%5Bpwd%5D={REDACTED}&empty="
    )
    same = "/users/0b3c6a52-7a3e-4a8e-9d57-2f7a3f4c9f10/orders/17?q=a%20b&x"
    assert REDACTION.target(same) == same


@pytest.mark.parametrize(
    ("media", "body"),
    [
        (FORM, f"user=ada&password={SECRET}"),
        (JSON, json.dumps({"user": "ada", "login": {"password": SECRET, "codes": [{"otp": SECRET}]}})),
        (JSON, f'{{"user": "ada", "password": "{SECRET}", "n": '),
        (JSON, f'{{"user": "ada", "password": "{SECRET}'),
        (TEXT, f'["user": "ada", "token":"{SECRET}"]'),
        (
            "multipart/form-data; boundary=x",
            f'--x\r\nContent-Disposition: form-data; name="password"\r\n\r\n{SECRET}\r\n--x--',
        ),
        ("application/octet-stream", SECRET),
    ],
)
def test_request_bodies(media: str, body: str) -> None:
    kept = REDACTION.request(request_record("/x", ("Content-Type", media), method="POST", body=body.encode()))
    assert SECRET.encode() not in kept.body
    assert b"ada" in kept.body or "ada" not in body


@pytest.mark.parametrize(
    "page",
    [
        f'<input type="password" name=pw value="{SECRET}">',
        f"<input value='{SECRET}' name='csrf_token'>",
        f'<meta name="csrf-token" content="{SECRET}">',
        f'<script nonce="{SECRET}">let csrfToken = "{SECRET}";</script>',
    ],
)
def test_pages(page: str) -> None:
    kept = REDACTION.response(response_record(f"<p>ada</p>{page}", HTML, ("Set-Cookie", f"id={SECRET}; Path=/")))
    assert SECRET not in repr(kept)
    assert b"<p>ada</p>" in kept.body
    assert ("Set-Cookie", f"id={REDACTED}; Path=/") in kept.headers


def test_values_that_are_nothing_stay() -> None:
    kept = REDACTION.response(response_record({"token": None, "password": "", "n": 1}))
    assert json.loads(kept.body) == {"token": None, "password": "", "n": 1}


def test_redacted_responses_match_as_before() -> None:
    """A recording is redacted, and the response that is compared with it is, too."""
    one, two = response_record({"n": 1, "token": "a"}), response_record({"n": 1, "token": "b"})
    assert compared(one, two).differences
    assert not compared(REDACTION.response(one), REDACTION.response(two)).differences
    image = response_record(b"\x89PNG", "image/png")
    assert not compared(REDACTION.response(image), image).differences
    assert compared(REDACTION.response(image), response_record(b"\x89PNg", "image/png")).differences


def test_samples_have_no_secret_in_any_part() -> None:
    primary = response_record(
        {"password": SECRET, "login": {"token": SECRET}, "n": 1}, JSON, ("Set-Cookie", f"a={SECRET}")
    )
    shadow = response_record({"password": f"{SECRET}2", "n": 2}, JSON, ("Location", f"/x?token={SECRET}"))
    request = request_record(f"/x?password={SECRET}", ("Cookie", f"a={SECRET}"))
    result = compared(primary, shadow, request)
    assert {each.path for each in result.differences} == {"$.password", "$.login", "$.n", "header location"}
    sample = sample_of(exchanged(primary, shadow, request=request), result.differences, Redaction())
    assert SECRET not in json.dumps(sample)
    assert [each["primary"] for each in sample["differences"] if each["path"] == "$.n"] == ["1"]


def test_samples_are_bounded() -> None:
    primary = response_record({"rows": ["x" * 1000] * 1000}, JSON, *[("X-Long", "y" * 10_000)] * 200)
    shadow = response_record({"rows": ["z" * 1000] * 1000})
    result = compared(primary, shadow, request_record("/x?" + "q" * 100_000))
    sample = sample_of(
        exchanged(primary, shadow, request=request_record("/x?" + "q" * 100_000)), result.differences, Redaction()
    )
    assert len(json.dumps(sample)) < 100_000
    assert sample["primary"]["shortened"]
