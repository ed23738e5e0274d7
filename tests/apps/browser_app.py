"""A page for a real browser: its script talks over WebSockets and posts what it saw to `/result`.

`GET /result` gives that back, or `null` while there is none. The WebSockets are those of `websocket_kitchen`. With
`?report=ORIGIN` the page has one that stays open, and posts to that server that it is, and how it ended.
"""

import json

import websocket_kitchen

PAGE = """<!doctype html><meta charset="utf-8"><title>WebSocket</title><script>
const url = path => location.origin.replace("http", "ws") + path;
const once = (target, kind) => new Promise(resolve => target.addEventListener(kind, resolve, {once: true}));
async function opened(path, protocols) {
    const socket = new WebSocket(url(path), protocols);
    socket.binaryType = "arraybuffer";
    await once(socket, "open");
    return socket;
}
async function closed(socket) {
    const event = await once(socket, "close");
    return [event.code, event.reason, event.wasClean];
}
async function run() {
    const seen = {};
    const echo = await opened("/ws/echo");
    seen.extensions = echo.extensions;
    const texts = {empty: "", emoji: "caf\\u00e9 \\u{1F600}", large: "compress me! ".repeat(40000)};
    for (const [name, text] of Object.entries(texts)) {
        echo.send(text);
        seen[name] = (await once(echo, "message")).data === text;
    }
    const bytes = crypto.getRandomValues(new Uint8Array(50000));
    echo.send(bytes);
    const back = new Uint8Array((await once(echo, "message")).data);
    seen.binary = back.length === bytes.length && back.every((byte, place) => byte === bytes[place]);
    for (let number = 0; number < 200; number++) echo.send("message number " + number + " of many, all alike, all short");
    seen.burst = 0;
    await new Promise(resolve => echo.addEventListener("message", ({data}) => {
        if (data.startsWith("message number " + seen.burst + " ")) seen.burst++;
        if (data.startsWith("message number 199 ")) resolve();
    }));
    const ending = closed(echo);
    echo.close(3001, "enough");
    seen.closedByClient = await ending;
    const chat = await opened("/ws/subprotocol", ["chat.v1", "chat.v2"]);
    seen.protocol = chat.protocol;
    chat.close();
    seen.closedByServer = await closed(await opened("/ws/close-code"));
    const scope = await opened("/ws/scope");
    seen.version = JSON.parse((await once(scope, "message")).data).http_version;
    scope.close();
    seen.failed = await closed(await opened("/ws/raise-after-accept"));
    for (const [name, path] of [["refused", "/ws/reject"], ["denied", "/ws/deny"]]) {
        const socket = new WebSocket(url(path));
        const events = [once(socket, "error"), once(socket, "close")];
        seen[name] = [(await events[0]).type, (await events[1]).code];
    }
    return seen;
}
async function stay(report) {
    const tell = seen => fetch(report + "/result", {method: "POST", mode: "no-cors", body: JSON.stringify(seen)});
    const socket = await opened("/ws/echo");
    await tell("open");
    await tell(await closed(socket));
}
const report = new URLSearchParams(location.search).get("report");
if (report) stay(report);
else {
    const post = seen => fetch("/result", {method: "POST", body: JSON.stringify(seen)});
    run().catch(error => ({error: String(error)})).then(post);
}
</script>"""

result = None


async def app(scope, receive, send):
    global result
    if scope["type"] == "lifespan":
        return
    if scope["type"] == "websocket":
        await websocket_kitchen.app(scope, receive, send, lambda label, value: None)
        return
    kind, response = b"text/html", PAGE.encode()
    if scope["path"] == "/result":
        if scope["method"] == "POST":
            body, more = b"", True
            while more:
                message = await receive()
                body, more = body + message["body"], message["more_body"]
            result = json.loads(body)
        kind, response = b"application/json", json.dumps(result).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
    await send({"type": "http.response.body", "body": response})
