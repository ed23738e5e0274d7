"""What an application sees of the bridge between WSGI and ASGI, as far as it is Python: `rsgi.WsgiToAsgi` and its parts.

The crate `bridge/` has the rest. It calls `async_body` and `forked`.
"""

from __future__ import annotations

from rsgi.bridge.wsgi_to_asgi import WsgiToAsgi

__all__ = ["WsgiToAsgi"]
