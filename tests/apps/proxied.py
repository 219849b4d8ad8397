"""Says who asks, by what scheme, and whom, as far as the server knows."""

from kit import respond_json, router
from workers import routes

KEYS = ("type", "client", "server", "scheme", "root_path", "path")


async def scope_of(scope, receive, send, *rest):
    await respond_json(send, {key: scope.get(key) for key in KEYS})


http = router({**routes, "scope": scope_of})


async def app(scope, receive, send):
    if scope["type"] != "websocket":
        return await http(scope, receive, send)
    await receive()
    await send({"type": "websocket.accept"})
    import json

    await send({"type": "websocket.send", "text": json.dumps({key: scope.get(key) for key in KEYS})})
    await send({"type": "websocket.close"})
