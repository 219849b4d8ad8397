"""Applications for the tests."""

import asyncio
import threading


async def hello(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    await respond(send, b"hello")


async def lifespan(receive, send):
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})


async def respond(send, body, status=200):
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def whole_body(receive):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def fails_to_start(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})


class Recording:
    """Remembers the loops and threads that it was called on."""

    def __init__(self):
        self.loops = set()
        self.threads = set()
        self.events = []

    async def __call__(self, scope, receive, send):
        self.loops.add(asyncio.get_running_loop())
        self.threads.add(threading.get_ident())
        if scope["type"] == "lifespan":
            await receive()
            self.events.append("startup")
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self.events.append("shutdown")
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["path"] == "/echo":
            await respond(send, await whole_body(receive))
        elif scope["path"] == "/raise":
            raise RuntimeError("on purpose")
        elif scope["path"] == "/wait":
            try:
                while (await receive())["type"] != "http.disconnect":
                    pass
                self.events.append("disconnect")
            except asyncio.CancelledError:
                self.events.append("cancelled")
                raise
        else:
            await respond(send, b"hello")
