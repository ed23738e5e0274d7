"""Connexion: an application that is made from an OpenAPI document."""

from connexion import AsyncApp

SPECIFICATION = {
    "openapi": "3.0.0",
    "info": {"title": "matrix", "version": "1"},
    "paths": {
        "/users/{name}": {
            "get": {
                "operationId": "connexion_app.user",
                "parameters": [
                    {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}},
                    {"name": "page", "in": "query", "schema": {"type": "integer"}},
                ],
                "responses": {"200": {"description": "the user"}},
            }
        },
        "/items": {
            "post": {
                "operationId": "connexion_app.item",
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {"name": {"type": "string"}, "price": {"type": "number"}},
                            }
                        }
                    },
                },
                "responses": {"200": {"description": "the same"}},
            }
        },
    },
}


def user(name, page=None):
    return {"name": name, "page": page}


def item(body):
    return body


app = AsyncApp("matrix")
app.add_api(SPECIFICATION)
