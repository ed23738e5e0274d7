"""One request, and the responses of two applications to it.

The server makes these objects, and so does `rsgi replay`. The comparer reads them. There is no code here, so that neither
side depends on the other. Texts are latin-1, as in the header section of HTTP/1.1.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RequestRecord:
    """A request.

    Attributes:
        method: The method, such as `GET`.
        target: The raw path with its query, as the client sent it.
        headers: Names and values of the header fields, in their order.
        body: The whole body.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""


@dataclass(frozen=True)
class ResponseRecord:
    """A response, or why there is none.

    Attributes:
        status: The status code; 0 without a response.
        headers: Names and values of the header fields, in their order.
        body: The body, up to the limit of the capture.
        size: The number of bytes that the body had.
        complete: Whether `body` is the whole body.
        sha256: The hash of the whole body, in hexadecimal digits, if it is known.
        seconds: The time from the call of the application to the end of its response.
        error: `None` for a response. Otherwise `timeout`, `refused`, or `exception` with its type.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    size: int
    complete: bool
    sha256: str | None
    seconds: float
    error: str | None = None


@dataclass(frozen=True)
class Exchange:
    """A request with the responses of the primary and the shadow application.

    Attributes:
        route: What the results are grouped by, such as `/users/{id}`.
        request: The request.
        primary_app: The name of the application that answered the client.
        primary: Its response.
        shadow_app: The name of the other application.
        shadow: Its response.
        repeat: A second response of the primary to the same request. What differs between `primary` and `repeat` is noise.
    """

    route: str
    request: RequestRecord
    primary_app: str
    primary: ResponseRecord
    shadow_app: str
    shadow: ResponseRecord
    repeat: ResponseRecord | None = None
