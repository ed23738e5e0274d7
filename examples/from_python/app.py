"""A WSGI application and an ASGI application."""

from fastapi import FastAPI
from flask import Flask

old = Flask(__name__)
new = FastAPI(openapi_url=None)


@old.get("/")
def home():
    return "Flask\n"


@new.get("/new")
async def moved():
    return "FastAPI"
