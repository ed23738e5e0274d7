"""Step 1: an empty new application beside the old one, with a single route of its own to see that it lives."""

from fastapi import FastAPI

app = FastAPI(openapi_url=None)


@app.get("/health")
async def health():
    return {"status": "ok", "from": "fastapi"}
