"""One ASGI application for any ASGI server: FastAPI, with the old application behind its routes."""

from fastapi import FastAPI
from old import app as old

import rsgi

app = FastAPI(openapi_url=None)


@app.get("/api/health")
async def health():
    return {"status": "ok"}


app.mount("/", rsgi.WsgiToAsgi(old, threads=4))
