"""`rsgi.publish`: sends something to the clients that this server holds for an application (GRIP).

Apart from the rest of the package because applications call it, in the process of a worker.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping


def publish(
    channel: str,
    content: str | bytes | None = None,
    *,
    id: str | None = None,
    prev_id: str | None = None,
    meta: Mapping[str, str] | None = None,
    formats: Mapping[str, object] | None = None,
) -> None:
    """Publish an item to all held clients of a channel, in all worker processes. Callable from any thread or task.

    Args:
        channel: The channel, as in `Grip-Channel`.
        content: What held streams (`Grip-Hold: stream`) get, and the body of the response to held requests (`Grip-Hold:
            response`).
        id: The id of the item, if it has one.
        prev_id: The id of the item before it on the channel.
        meta: What filters look at, such as `{"skip_users": "1,2"}`.
        formats: The payloads as GRIP writes them, instead of `content`: `{"http-stream": {"action": "close"}}`.

    Raises:
        RuntimeError: when no server of this process has `--grip`.
        TypeError: when there is neither `content` nor `formats`, or both.
        ValueError: when the item is invalid.
    """
    from rsgi import _rsgi

    if (content is None) == (formats is None):
        raise TypeError("publish() needs either `content` or `formats`")
    item: dict[str, object] = {"channel": channel, "meta": dict(meta or {})}
    item.update(_payloads(content) if formats is None else {"formats": dict(formats)})
    if id is not None:
        item["id"] = id
    if prev_id is not None:
        item["prev-id"] = prev_id
    _rsgi.publish(json.dumps({"items": [item]}))


def _payloads(content: str | bytes | None) -> dict[str, object]:
    if isinstance(content, str):
        return {"http-stream": {"content": content}, "http-response": {"body": content}}
    text = base64.b64encode(content or b"").decode("ascii")
    return {"http-stream": {"content-bin": text}, "http-response": {"body-bin": text}}
