"""The WebSocket workloads without a framework: `/echo` and `/broadcast`."""

from raw import lifespan, respond

ACCEPT = {"type": "websocket.accept"}

# The `send` of every client of `/broadcast`.
clients = set()


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "http":
        # How the benchmark sees that the server is up.
        await respond(send, b"up")
    else:
        await receive()
        await ROUTES[scope["path"]](receive, send)


async def echo(receive, send):
    """Sends every message back."""
    await send(ACCEPT)
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def broadcast(receive, send):
    """Sends every message to all clients, the sender among them."""
    # Before accepting: who has connected gets every message from then on.
    clients.add(send)
    try:
        await send(ACCEPT)
        while (message := await receive())["type"] == "websocket.receive":
            sent = {"type": "websocket.send", "text": message["text"]}
            for client in list(clients):
                await client(sent)
    finally:
        clients.discard(send)


ROUTES = {"/echo": echo, "/broadcast": broadcast}
