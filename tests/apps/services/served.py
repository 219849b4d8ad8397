"""Shared by the applications that use services: a lifespan that holds their clients open for the requests of one
worker. Each module has a factory, `create()`, so that each worker thread gets separate clients too."""

from kit import router


def served(routes, opened):
    """An application of `routes` whose lifespan enters `opened()`; `scope["state"]` has the resulting dict."""
    inner = router(routes)

    async def app(scope, receive, send):
        if scope["type"] != "lifespan":
            return await inner(scope, receive, send)
        await receive()
        async with opened() as state:
            scope["state"].update(state)
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    return app


async def event_stream(send, events):
    """Sends each item of an asynchronous iterator at once, as server-sent events."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    async for event in events:
        await send({"type": "http.response.body", "body": b"data: %s\n\n" % event.encode(), "more_body": True})
    await send({"type": "http.response.body"})


async def over_websocket(receive, send, events):
    """Sends each item of an asynchronous iterator as a text message, and closes."""
    await receive()
    await send({"type": "websocket.accept"})
    async for event in events:
        await send({"type": "websocket.send", "text": event})
    await send({"type": "websocket.close"})


async def either_way(scope, receive, send, events):
    """Sends events over HTTP or a WebSocket, as requested."""
    if scope["type"] == "websocket":
        await over_websocket(receive, send, events)
    else:
        await event_stream(send, events)
