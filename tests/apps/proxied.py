"""Says who asks, by what scheme, and whom, as far as the server knows."""

from kit import respond, respond_json, router
from workers import routes

KEYS = ("type", "client", "server", "scheme", "root_path", "path")


async def scope_of(scope, receive, send, *rest):
    await respond_json(send, {key: scope.get(key) for key in KEYS})


async def ids(scope, receive, send, *own):
    """The request's ids as the application sees them; its response has one of its own if a path names it."""
    headers = [(b"x-request-id", name.encode()) for name in own]
    names = [value.decode() for name, value in scope["headers"] if name == b"x-request-id"]
    await respond(send, ",".join(names), headers=headers)


async def crash(scope, receive, send):
    raise RuntimeError("it fails")


http = router({**routes, "scope": scope_of, "ids": ids, "crash": crash})


async def app(scope, receive, send):
    if scope["type"] != "websocket":
        return await http(scope, receive, send)
    await receive()
    await send({"type": "websocket.accept"})
    import json

    await send({"type": "websocket.send", "text": json.dumps({key: scope.get(key) for key in KEYS})})
    await send({"type": "websocket.close"})
