"""Settings that do not go together: each is valid, and the two of them do something that nobody wants.

What makes a start impossible is an error of `Config` or of the start. Here is what starts and is then a surprise.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from rsgi.doctor.findings import Finding
from rsgi.settings.config import Config
from rsgi.settings.values import write_value

# How long nginx keeps a connection to a server that it does not use; other proxies have about the same.
_IDLE_OF_A_PROXY = 60.0


def look_at_settings(config: Config) -> list[Finding]:
    """Everything that is probably not meant, or one line that there is nothing."""
    found = [*_times(config), *_limits(config), *_proxies(config), *_processes(config), *_without_effect(config)]
    return found or [Finding("settings", "ok", "nothing that does not go together")]


def _warning(message: str, hint: str) -> Finding:
    return Finding("settings", "warning", message, hint)


def _seconds(value: float) -> str:
    return write_value(value, "duration")


def _times(config: Config) -> Iterator[Finding]:
    grace = _seconds(config.grace)
    if config.request_timeout is not None and config.request_timeout > config.grace:
        longest = _seconds(config.request_timeout)
        yield _warning(
            f"`request_timeout` ({longest}) is longer than `grace` ({grace}): a stop cuts requests that may still run",
            f"`--grace {longest}`, or a shorter `--request-timeout`",
        )
    if config.stream_grace > config.grace:
        yield _warning(
            f"`stream_grace` ({_seconds(config.stream_grace)}) is longer than `grace` ({grace}), which ends first",
            "make `--stream-grace` the shorter one",
        )


def _limits(config: Config) -> Iterator[Finding]:
    limit, threads = config.limit_concurrency, config.wsgi_threads
    alone = sum(app.interface == "wsgi" for app in config.apps) == 1
    if limit is not None and limit < threads and alone:
        yield _warning(
            f"`limit_concurrency` is {limit}: of the {threads} WSGI threads, {threads - limit} never have work",
            f"`--wsgi-threads {limit}`, or a higher `--limit-concurrency`",
        )
    most = config.max_connections
    if limit is not None and most is not None and most < limit:
        yield _warning(
            f"`max_connections` ({most}) is less than `limit_concurrency` ({limit}), which HTTP/1 then never reaches",
            "raise `--max-connections`: idle connections count there as well",
        )
    if config.fallback == "probe" and (config.max_body is None or config.max_body > config.replay_limit):
        largest = write_value(config.replay_limit, "size")
        yield _warning(
            f"`fallback` is probe: with a body over `replay_limit` ({largest}), the 404 of the ASGI application stands",
            "set `--max-body` and `--replay-limit` to the same size",
        )


def _proxies(config: Config) -> Iterator[Finding]:
    behind = bool(config.trust_proxy) or config.proxy_protocol
    if behind and config.keep_alive_timeout < _IDLE_OF_A_PROXY:
        yield _warning(
            f"`keep_alive_timeout` ({_seconds(config.keep_alive_timeout)}) may be shorter than that of the proxy (nginx: "
            "60s): it then sends requests on connections that just close, and answers 502",
            "`--keep-alive-timeout 75s`",
        )
    if config.http == "2" and not config.tls_cert and not behind:
        yield _warning(
            "`http` is 2 without TLS: browsers speak HTTP/2 over TLS only, and get no page",
            "`--http auto`, or a certificate: `--tls-cert`, `--tls-key`",
        )


def _processes(config: Config) -> Iterator[Finding]:
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if root and config.user is None:
        yield _warning("the applications would run as root", "`--user` with an account that has no other rights")
    if "WEB_CONCURRENCY" in os.environ and str(config.workers) != os.environ["WEB_CONCURRENCY"].strip():
        yield _warning(
            f"`WEB_CONCURRENCY` is {os.environ['WEB_CONCURRENCY']!r}, and `workers` is {config.workers}: `workers` wins",
            "set only one of them",
        )


def _without_effect(config: Config) -> Iterator[Finding]:
    """Settings of something that is off."""
    given = {
        "history_folder": (config.history_folder is not None and config.admin is None, "admin"),
        "access_log_skip": (bool(config.access_log_skip) and not _logs_access(config), "access_log"),
        "compress_types": (config.compress_types != Config().compress_types and not config.compress, "compress"),
        "admin_token": (config.admin_token is not None and config.admin is None, "admin"),
    }
    for name, (is_idle, needed) in given.items():
        if is_idle:
            yield _warning(f"`{name}` has no effect without `{needed}`", f"set `{needed}` too, or remove `{name}`")


def _logs_access(config: Config) -> bool:
    return config.access_log or config.access_log_file is not None
