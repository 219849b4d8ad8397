"""Records the order of a request and the lifespan's events."""

import asyncio

from kit import respond


def log(text):
    with open("lifespan.log", "a") as file:
        file.write(text + "\n")


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for step in ("startup", "shutdown"):
            message = await receive()
            log(message["type"].removeprefix("lifespan."))
            await send({"type": message["type"] + ".complete"})
        return
    log("request")
    await asyncio.sleep(0.7)
    await respond(send, b"done")
    log("response")
