"""The new application: FastAPI, which takes the same uploads without a thread and sends a large file in pieces."""

import asyncio
import hashlib

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

app = FastAPI(openapi_url=None)


@app.put("/upload")
async def upload(request: Request):
    digest, size = hashlib.sha256(), 0
    async for piece in request.stream():
        digest.update(piece)
        size += len(piece)
    return {"bytes": size, "sha256": digest.hexdigest()[:12], "from": "fastapi"}


async def pieces(size):
    while size > 0:
        yield bytes(min(size, 65536))
        size -= 65536
        await asyncio.sleep(0)


@app.get("/zeros/{size}")
async def zeros(size: int):
    return StreamingResponse(pieces(size), headers={"content-length": str(size)})
