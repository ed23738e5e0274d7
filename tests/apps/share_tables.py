"""A Flask and a FastAPI application with the same route: for tests about shares of a route that both have."""

from fastapi import FastAPI
from flask import Flask

old = Flask(__name__)
new = FastAPI()


@old.get("/users/<id>")
def user_of_old(id):
    return {"by": "flask"}


@new.get("/users/{id}")
async def user_of_new(id: str):
    return {"by": "fastapi"}
