"""Serves inside a program that has an event loop of its own, and asks itself."""

import asyncio
import urllib.request

from app import new, old

import rsgi


def ask(url: str) -> str:
    with urllib.request.urlopen(url) as response:  # noqa: S310 - the URL is our own
        return response.read().decode().strip()


async def main() -> None:
    async with rsgi.Server(wsgi=old, asgi=new, port=0) as server:
        for path in ("/", "/new"):
            print(path, await asyncio.to_thread(ask, server.addresses[0] + path))
    print("ended")


if __name__ == "__main__":
    asyncio.run(main())
