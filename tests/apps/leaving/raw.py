"""Raw applications, each with another way to end once its client has left: /WAY/endless and /WAY/idle."""

import asyncio

from kit import note, respond_json, router, start
from leaving.streams import STREAMS, counted, live


async def until_gone(receive):
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass


async def opened(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
    else:
        await start(send)


async def piece(scope, send, text):
    if scope["type"] == "websocket":
        await send({"type": "websocket.send", "text": text})
    else:
        await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def until_send_raises(scope, receive, send, name):
    """Sends for as long as the client reads; an idle stream sends again once its client has gone."""
    with counted():
        await opened(scope, receive, send)
        if name == "idle":
            await piece(scope, send, "begun")
            await until_gone(receive)
        while True:
            await piece(scope, send, "x" * 1000)
            await asyncio.sleep(0)


async def raises(scope, receive, send, name):
    await until_send_raises(scope, receive, send, name)


async def grouped(scope, receive, send, name):
    async with asyncio.TaskGroup() as group:
        group.create_task(until_send_raises(scope, receive, send, name))


async def nested(scope, receive, send, name):
    """As several middlewares in a row do it."""
    async with asyncio.TaskGroup() as group:
        group.create_task(grouped(scope, receive, send, name))


async def returns(scope, receive, send, name):
    try:
        await until_send_raises(scope, receive, send, name)
    except OSError:
        return


async def returns_when_told(scope, receive, send, name):
    """The stream is a task that is cancelled, and the response is never completed."""
    with counted():
        await opened(scope, receive, send)

        async def stream():
            async for text in STREAMS[name]():
                await piece(scope, send, text)

        task = asyncio.create_task(stream())
        await until_gone(receive)
        task.cancel()
        await asyncio.wait([task])
        # Any exception; if it were not retrieved, asyncio would report it.
        if not task.cancelled():
            task.exception()


async def completes(scope, receive, send, name):
    """Completes its response although the client has left."""
    with counted():
        await opened(scope, receive, send)
        await piece(scope, send, "begun")
        await until_gone(receive)
        await send({"type": "http.response.body"})


async def unrelated(scope, receive, send, token):
    """Fails for an unrelated reason after its client has left."""
    await opened(scope, receive, send)
    await piece(scope, send, "begun")
    await until_gone(receive)
    raise RuntimeError(f"{token} has nothing to do with it")


async def unrelated_os_error(scope, receive, send, token):
    await opened(scope, receive, send)
    await piece(scope, send, "begun")
    await until_gone(receive)
    raise ConnectionRefusedError(f"{token} is another connection's")


async def among_others(scope, receive, send, token):
    """Raises what send raised, together with another exception."""
    await opened(scope, receive, send)
    await piece(scope, send, "begun")
    await until_gone(receive)
    found = []
    while not found:
        try:
            await piece(scope, send, "x" * 1000)
        except OSError as error:
            found.append(error)
        await asyncio.sleep(0)
    raise ExceptionGroup("both", [*found, RuntimeError(f"{token} has nothing to do with it")])


async def each_message(scope, receive, send, token):
    """The outcome of each message of a response when the client has left before it."""
    note(token, "began")
    await until_gone(receive)
    for name, message in {
        "start": {"type": "http.response.start", "status": 200, "headers": []},
        "piece": {"type": "http.response.body", "body": b"x", "more_body": True},
        "end": {"type": "http.response.body", "body": b"x"},
    }.items():
        try:
            await send(message)
            note(token, f"{name} was taken")
        except OSError as error:
            note(token, f"{name} raised {type(error).__name__}")
    note(token, "over")


async def alive(scope, receive, send):
    await respond_json(send, live())


WAYS = {
    "raises": raises, "grouped": grouped, "nested": nested, "returns": returns,
    "returns-when-told": returns_when_told, "completes": completes, "unrelated": unrelated,
    "unrelated-os-error": unrelated_os_error, "among-others": among_others, "each-message": each_message,
}
app = router({**WAYS, "live": alive})
