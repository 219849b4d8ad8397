"""The workloads without a framework: one ASGI application, one path per workload."""

import asyncio

KIB = b"x" * 1024
CHUNK = b"x" * 16384

GET_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain"), (b"content-length", b"1024")],
}
GET_BODY = {"type": "http.response.body", "body": KIB}


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["path"] == "/":
        await send(GET_START)
        await send(GET_BODY)
    else:
        await ROUTES[scope["path"]](receive, send)


async def lifespan(receive, send):
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def respond(send, body):
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"application/octet-stream"),
                (b"content-length", str(len(body)).encode()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def echo(receive, send):
    """Reads the body whole and sends it back."""
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    await respond(send, b"".join(chunks))


async def upload(receive, send):
    """Reads the body without keeping it and answers with its length."""
    length = 0
    while True:
        message = await receive()
        length += len(message.get("body", b""))
        if not message.get("more_body", False):
            break
    await respond(send, str(length).encode())


async def stream(receive, send):
    """64 pieces of 16 KiB with no content-length."""
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"application/octet-stream")],
        }
    )
    for _ in range(64):
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def sleep(receive, send):
    """A coroutine that waits."""
    await asyncio.sleep(0.01)
    await respond(send, KIB)


ROUTES = {"/echo": echo, "/upload": upload, "/stream": stream, "/sleep": sleep}
