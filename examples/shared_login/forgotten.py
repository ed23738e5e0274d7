"""A new application that has taken `/orders` over and forgotten the login: anybody may read them."""

from fastapi import FastAPI

app = FastAPI(openapi_url=None)


@app.get("/orders")
async def orders():
    return {"orders of": "anybody", "from": "fastapi"}
