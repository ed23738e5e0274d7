"""An ASGI application that sends trailers after its body, well and badly; `/said` shows what was raised in it."""

from urllib.parse import parse_qs

said = []

NAMED = [(b"trailer", b"x-sum, x-more")]


async def app(scope, receive, send):
    query = {name: values[-1] for name, values in parse_qs(scope["query_string"].decode()).items()}
    headers = list(NAMED) if "unnamed" not in query else []
    if "length" in query:
        headers.append((b"content-length", query["length"].encode()))
    start = {"type": "http.response.start", "status": int(query.get("status", "200")), "headers": headers}
    promising = {**start, "trailers": True}
    body = {"type": "http.response.body", "body": b"hello"}
    trailers = {"type": "http.response.trailers", "headers": [(b"x-sum", b"5d41")]}
    try:
        match scope["path"]:
            case "/offered":
                names = ",".join(sorted(scope["extensions"]))
                await send({**start, "headers": []})
                await send({**body, "body": names.encode()})
            case "/said":
                await send({**start, "headers": []})
                await send({**body, "body": (said[-1] if said else "").encode()})
            case "/trailers":
                await send(promising)
                await send({**body, "body": b"hel", "more_body": True})
                await send({**body, "body": b"lo"})
                await send(trailers)
            case "/in-pieces":
                await send(promising)
                await send(body)
                await send({**trailers, "more_trailers": True})
                await send({**trailers, "headers": [(b"x-sum", b"again"), (b"x-more", b"m\xe9")]})
            case "/none-after-all":
                await send(promising)
                await send(body)
                await send({**trailers, "headers": []})
            case "/broken-promise":
                await send(promising)
                await send(body)
            case "/unpromised":
                await send({**start, "headers": []})
                await send({**body, "more_body": True})
                await send(trailers)
            case "/early":
                await send(promising)
                await send({**body, "more_body": True})
                await send(trailers)
            case "/field":
                await send(promising)
                await send(body)
                await send({**trailers, "headers": [(query["name"].encode(), b"1")]})
    except Exception as error:
        said.append(f"{type(error).__name__}: {error}")
        raise
