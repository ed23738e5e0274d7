"""Settings: how text is read, what is refused, and that a value means the same through every door."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsgi.errors import StartupError
from rsgi.settings.config import SECTIONS, AppTarget, Config, flag_of, setting_of, settings
from rsgi.settings.values import SettingValueError, check_address, parse_duration, parse_number, parse_size, write_value


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10", 10), ("0", 0), ("0.5", 0.5), ("10s", 10), ("250ms", 0.25), ("2m", 120), ("1h", 3600), (" 3 S ", 3)],
)
def test_a_duration_is_read_as_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1", "1x", "1e3", "nan", "inf", "1 2", "10KiB", "99999999999h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(SettingValueError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        *(("0", 0), ("65536", 65536), ("64KiB", 65536), ("64k", 65536), ("16MiB", 2**24), ("1GiB", 2**30)),
        *(("1.5KiB", 1536), ("1KB", 1000), ("2MB", 2_000_000), ("7B", 7)),
    ],
)
def test_a_size_is_read_as_bytes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "KiB", "-1", "1.0001KiB", "0.5", "10s", "1e3", "9999999999GiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(SettingValueError):
        parse_size(text)


@pytest.mark.parametrize("text", ["", "1.5", "0x10", "1_000", "ten", "٣"])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(SettingValueError):
        parse_number(text)


@given(st.integers(min_value=0, max_value=2**50))
def test_a_size_that_is_written_reads_back_the_same(size: int) -> None:
    assert parse_size(write_value(size, "size")) == size


@given(st.integers(min_value=0, max_value=99999))
def test_a_duration_that_is_written_reads_back_the_same(seconds: int) -> None:
    assert parse_duration(write_value(float(seconds), "duration")) == seconds


@pytest.mark.parametrize("text", ["127.0.0.1:8000", "localhost:0", "[::1]:8000", "unix:/run/a.sock"])
def test_what_is_an_address_is_taken(text: str) -> None:
    check_address(text)


@pytest.mark.parametrize(
    "text", ["", "8000", "localhost", ":8000", "::1:8000", "host:99999", "unix:", "host:", ":8000x"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(SettingValueError):
        check_address(text)


@pytest.mark.parametrize(
    ("text", "prefix", "target"),
    [
        ("old:app", "", "old:app"),
        ("/api=new:app", "/api", "new:app"),
        ("/=new:app", "/", "new:app"),
        ("/a/b/ = new:create_app()", "/a/b/", "new:create_app()"),
    ],
)
def test_an_application_is_read_with_its_prefix(text: str, prefix: str, target: str) -> None:
    assert AppTarget.parse("asgi", text) == AppTarget("asgi", target, prefix)


@pytest.mark.parametrize("text", ["api=new:app", "/api=", "/api", "", "=new:app"])
def test_an_application_without_target_or_slash_is_refused(text: str) -> None:
    with pytest.raises(SettingValueError):
        AppTarget.parse("wsgi", text)


def test_the_defaults_are_those_of_the_documentation() -> None:
    config = Config()
    assert (config.host, config.port, config.bind, config.uds) == ("127.0.0.1", 8000, (), None)
    assert config.max_body is None
    assert config.limit_concurrency is None
    assert config.max_request_line == 8 * 1024
    assert config.ws_max_message == 16 * 1024**2
    assert (config.header_timeout, config.keep_alive_timeout, config.grace) == (10.0, 75.0, 30.0)
    assert 5 <= config.wsgi_threads <= 32


def test_text_means_the_same_from_python() -> None:
    config = Config(header_timeout="2m", max_body="1MiB", limit_concurrency="none", grace=3, access_log="yes")  # type: ignore[arg-type]
    assert (config.header_timeout, config.max_body, config.limit_concurrency) == (120.0, 2**20, None)
    assert config.grace == 3.0
    assert config.access_log is True
    assert isinstance(config.grace, float)


def test_one_address_may_stand_alone_and_lists_become_tuples() -> None:
    assert Config(bind="localhost:1").bind == ("localhost:1",)  # type: ignore[arg-type]
    assert Config(bind=["localhost:1", "unix:/a"]).bind == ("localhost:1", "unix:/a")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", -1),
        ("port", 65536),
        ("port", True),
        ("port", "http"),
        ("port", None),
        ("wsgi_threads", 0),
        ("loop", "trio"),
        ("fallback", "maybe"),
        ("header_timeout", -1.0),
        ("header_timeout", float("nan")),
        ("grace", float("inf")),
        ("max_body", -1),
        ("max_body", 1.5),
        ("bind", ("nowhere",)),
        ("bind", 8000),
        ("access_log", "maybe"),
        ("apps", ("old:app",)),
        ("host", 127),
    ],
)
def test_a_value_that_a_setting_cannot_have_names_the_setting(name: str, value: object) -> None:
    with pytest.raises(StartupError, match=f"`{name}`") as raised:
        Config(**{name: value})  # type: ignore[arg-type]
    assert raised.value.hint is not None


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Config().port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given_settings", "addresses"),
    [
        ({}, ("127.0.0.1:8000",)),
        ({"host": "::1", "port": 1}, ("[::1]:1",)),
        ({"host": "[::1]", "port": 1}, ("[::1]:1",)),
        ({"uds": "/run/a"}, ("unix:/run/a",)),
        ({"bind": ("a:1",), "uds": "/b"}, ("a:1", "unix:/b")),
    ],
)
def test_bind_and_uds_replace_host_and_port(given_settings: dict[str, object], addresses: tuple[str, ...]) -> None:
    assert Config(**given_settings).addresses() == addresses  # type: ignore[arg-type]


def test_every_setting_is_explained_under_a_known_heading() -> None:
    flags = set()
    for field, setting in settings():
        assert setting.section in SECTIONS, field.name
        assert setting.help.endswith("."), field.name
        flags.add(flag_of(field.name))
    assert len(flags) == len(fields(Config))


def test_every_default_is_a_value_of_its_own_setting() -> None:
    config = Config()
    for field in fields(Config):
        value = getattr(config, field.name)
        assert setting_of(field).check(value) == value
