"""The new application: FastAPI, the same price list, with a mistake that shadow traffic finds."""

from fastapi import FastAPI

app = FastAPI(openapi_url=None)
PRICES = {"lamp": 40, "chair": 12}


@app.get("/prices/{name}")
async def price(name: str):
    return {"name": name, "price": PRICES[name]}
