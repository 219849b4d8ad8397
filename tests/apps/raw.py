"""An application without a framework: echoes, streams, sizes, delays and a look at the scope."""

import asyncio
import contextvars
import os
import sys
from collections import ChainMap
from urllib.parse import unquote_to_bytes

from kit import (
    body, describe_error, note, query, read_body, respond, respond_json, router, routes_of, start,
)

EVENTS = {}
LEAK = contextvars.ContextVar("LEAK", default="clean")


def plain(value):
    """A value for JSON: bytes become latin-1 text."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)


def type_names(values):
    return [type(value).__name__ for value in values or ()]


async def hello(scope, receive, send):
    await respond(send, b"hello")


async def scope(scope, receive, send, *rest):
    headers = list(scope["headers"])
    await respond_json(send, {
        "scope": plain(dict(scope)),
        "types": {key: type(value).__name__ for key, value in scope.items()},
        "header_types": sorted({name for pair in headers for name in type_names(pair)}),
        "header_lengths": sorted({len(pair) for pair in headers}),
        "client_types": type_names(scope.get("client")),
        "server_types": type_names(scope.get("server")),
    })


async def echo(scope, receive, send, *rest):
    content = await read_body(receive)
    if content is not None:
        await respond(send, content)


async def echo_stream(scope, receive, send):
    await start(send)
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        await body(send, message.get("body", b""), more)


async def count(scope, receive, send, token=None):
    """Reads the body without keeping it, and answers with its size."""
    total, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return note(token, f"disconnect after {total}")
        total += len(message.get("body", b""))
        more = message.get("more_body", False)
    await respond(send, str(total))


async def status(scope, receive, send, code):
    await respond(send, b"status " + code.encode(), int(code))


async def bare_status(scope, receive, send, code):
    """A status with a body but without any header."""
    await start(send, int(code))
    await body(send, b"body of " + code.encode())


async def no_body_key(scope, receive, send):
    """Messages with only the keys that ASGI requires."""
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})


def with_own_keys(message):
    """The message, with keys that are equal to those of others and not the same objects, among further ones."""
    more = {f"x-{number}": number for number in range(3)}
    return more | {"".join(list(key)): value for key, value in message.items()} | {7: None}


async def own_keys(scope, receive, send):
    """Messages as they come from anywhere: dicts with their own keys, and mappings."""
    headers = [(b"x-kept", b"yes")]
    await send(with_own_keys({"type": "http.response.start", "status": 201, "headers": headers}))
    await send(with_own_keys({"type": "http.response.body", "body": b"first ", "more_body": True}))
    await send(ChainMap({"body": b"last"}, {"type": "http.response.body"}))


async def header(scope, receive, send, name):
    """A response with one header of the client's choice."""
    value = unquote_to_bytes(scope["query_string"].partition(b"value=")[2])
    await respond(send, b"with header", headers=[(name.encode("latin-1"), value)])


async def stream(scope, receive, send, chunks, size):
    await start(send, headers=[(b"content-type", b"text/plain")])
    block = b"x" * int(size)
    for _ in range(int(chunks)):
        await body(send, block, True)
    await body(send)


async def progress(scope, receive, send, token, chunks, size):
    """Streams, and notes its progress: send must wait for a client that does not read."""
    await start(send)
    block = b"x" * int(size)
    try:
        for sent in range(int(chunks)):
            await body(send, block, True)
            note(token, sent + 1)
        await body(send)
        note(token, "done")
    except BaseException as error:
        note(token, "error " + describe_error(error))
        raise


async def big(scope, receive, send, size):
    await respond(send, b"x" * int(size))


async def two_parts(scope, receive, send):
    await start(send, headers=[(b"content-length", b"10")])
    await body(send, b"first", True)
    await body(send, b"-last")


async def empty_parts(scope, receive, send):
    await start(send)
    for part in (b"", b"one", b"", b"two", b""):
        await body(send, part, True)
    await body(send)


async def own_chunked(scope, receive, send):
    """The application names the transfer coding itself."""
    await start(send, headers=[(b"transfer-encoding", b"chunked")])
    await body(send, b"coded by the server")


async def sleep(scope, receive, send, seconds, token=None):
    if token:
        note(token, "began")
    try:
        await asyncio.sleep(float(seconds))
    except asyncio.CancelledError:
        if token:
            note(token, "cancelled")
        raise
    await respond(send, f"slept {seconds}")


async def wait(scope, receive, send, token):
    """Answers once a client asks for /open/TOKEN."""
    event = EVENTS.setdefault(token, asyncio.Event())
    note(token, "waiting")
    await event.wait()
    await respond(send, b"opened")


async def begin_then_wait(scope, receive, send, token):
    """Sends a piece, and the rest once a client asks for /open/TOKEN."""
    event = EVENTS.setdefault(token, asyncio.Event())
    await start(send)
    await body(send, b"begun", True)
    note(token, "waiting")
    await event.wait()
    await body(send, b" and done")


async def paced(scope, receive, send, chunks, seconds):
    """A stream with a pause before each piece."""
    await start(send)
    for _ in range(int(chunks)):
        await asyncio.sleep(float(seconds))
        await body(send, b"x", True)
    await body(send)


async def wait_then_count(scope, receive, send, token):
    """Does not read the request body until a client asks for /open/TOKEN."""
    event = EVENTS.setdefault(token, asyncio.Event())
    note(token, "waiting")
    await event.wait()
    await count(scope, receive, send, token)


async def open(scope, receive, send, token):
    EVENTS.setdefault(token, asyncio.Event()).set()
    await respond(send, b"opened")


async def ignore_body(scope, receive, send):
    await respond(send, b"not read")


async def answer_and_go_on(scope, receive, send, token):
    """Answers without reading the body, and goes on until a client asks for /open/TOKEN."""
    await respond(send, b"answered")
    await EVENTS.setdefault(token, asyncio.Event()).wait()


async def receive_then_answer(scope, receive, send, token):
    """For 100-continue: notes before the first receive, then echoes."""
    note(token, "called")
    await asyncio.sleep(0.2)
    note(token, "receives")
    await respond(send, await read_body(receive) or b"")


async def watch(scope, receive, send, token):
    """Reads the body, then waits for the client to leave without ever answering."""
    note(token, "began")
    while True:
        message = await receive()
        note(token, message["type"])
        if message["type"] == "http.disconnect":
            return


async def poll_then_wait(scope, receive, send, token):
    """Cancels a receive(), as code that only checks does, then waits for /open/TOKEN, then reads on."""
    if scope["method"] == "GET":
        await receive()
    try:
        await asyncio.wait_for(receive(), 0.05)
    except asyncio.TimeoutError:
        note(token, "gave up")
    await EVENTS.setdefault(token, asyncio.Event()).wait()
    message = await receive()
    note(token, f"then {message['type']}")
    await respond(send, message.get("body", b""))


async def cancel_at_the_last_moment(scope, receive, send, token):
    """Cancels a receive() after its data has come and before it returns, then reads everything."""
    task = asyncio.create_task(receive())
    await asyncio.sleep(0)
    note(token, "waits")
    while not (task.done() or task._fut_waiter.done()):
        await asyncio.sleep(0)
    task.cancel()
    try:
        received = (await task)["body"]
    except asyncio.CancelledError:
        received = b""
    await respond(send, received + (await read_body(receive) or b""))


async def one_large_piece(scope, receive, send, token, size):
    """Notes when `send` of a large body in one piece returns: the client has read it, or has gone."""
    await start(send, headers=[(b"content-length", size.encode())])
    note(token, "sends")
    try:
        await body(send, b"x" * int(size))
        note(token, "sent")
    except OSError:
        note(token, "gone")


async def leave_a_receiver(scope, receive, send, token):
    """Returns while a task that it started still waits in receive()."""
    await read_body(receive)

    async def wait():
        note(token, (await receive())["type"])

    TASKS.append(asyncio.create_task(wait()))
    await asyncio.sleep(0.05)
    await respond(send, b"left")


TASKS = []


async def context(scope, receive, send, value):
    """The value that a previous request left in the context, if any."""
    before = LEAK.get()
    LEAK.set(value)
    await asyncio.sleep(0)
    await respond(send, f"{before} {LEAK.get()}")


async def counted(scope, receive, send, file, number):
    """First records the number, in the working directory, to show the test which requests began."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "w") as log:
        log.write(number + "\n")
    await asyncio.sleep(0.003)
    await respond(send, number)


async def environ(scope, receive, send, name):
    await respond(send, os.environ.get(name, "unset"))


async def python(scope, receive, send):
    await respond_json(send, {"prefix": sys.prefix, "path": sys.path, "executable": sys.executable})


app = router(routes_of(globals()))
