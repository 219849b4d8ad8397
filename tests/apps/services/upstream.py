"""The server for other applications' HTTP clients: it names the connection of each request."""

import asyncio

from kit import read_body, respond, respond_json, routes_of, router, start


async def double(scope, receive, send, number):
    await respond_json(send, {"twice": int(number) * 2, "connection": scope["client"][1]})


async def length(scope, receive, send):
    body = await read_body(receive)
    await respond(send, str(len(body)))


async def stream(scope, receive, send):
    """Twenty lines, a pause before each."""
    await start(send)
    for number in range(20):
        await asyncio.sleep(0.005)
        await send({"type": "http.response.body", "body": b"line %d\n" % number, "more_body": True})
    await send({"type": "http.response.body"})


app = router(routes_of(globals()))
