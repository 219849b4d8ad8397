"""WebSockets: echoes, closes, denials, faults and received events, one path for each.

Over HTTP and as WebSockets alike, /notes/TOKEN returns the notes and /open/TOKEN lets an application go on.
"""

import asyncio
import json
import sys

import kit
from kit import describe_error, note, query, respond, router, routes_of
from raw import plain
from websocket_bad import BAD, BAD_BEFORE

EVENTS = {}


async def accept(receive, send, **more):
    message = await receive()
    assert message["type"] == "websocket.connect", message
    await send({"type": "websocket.accept", **more})


async def say(send, text):
    await send({"type": "websocket.send", "text": text})


async def say_and_close(scope, receive, send, text):
    """An answer, over HTTP or over a WebSocket that is then closed."""
    if scope["type"] == "http":
        return await respond(send, text)
    await accept(receive, send)
    await say(send, text)
    await send({"type": "websocket.close"})


def event(token):
    return EVENTS.setdefault(token, asyncio.Event())


def describe(message):
    """A message as one line, for tests to compare."""
    if message["type"] == "websocket.disconnect":
        return f"disconnect {message.get('code')} {message.get('reason')!r}"
    return f"{message['type']} {message.get('text')!r} {message.get('bytes')!r}"


async def notes(scope, receive, send, token):
    if scope["type"] == "http":
        return await kit.notes(scope, receive, send, token)
    await say_and_close(scope, receive, send, json.dumps(kit.NOTES.get(token, [])))


async def open(scope, receive, send, token):
    event(token).set()
    await say_and_close(scope, receive, send, "opened")


async def hello(scope, receive, send):
    """Dispatches WebSockets and plain requests."""
    await say_and_close(scope, receive, send, f"hello {scope['type']}")


async def scope(scope, receive, send, *rest):
    await say_and_close(scope, receive, send, json.dumps({
        "scope": plain(dict(scope)),
        "types": {key: type(value).__name__ for key, value in scope.items()},
    }))


async def repeat(receive, send, token=None):
    """Echoes messages until the end, which it notes."""
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            note(token, describe(message))
            return
        data = {key: message[key] for key in ("text", "bytes") if message.get(key) is not None}
        await send({"type": "websocket.send", **data})


async def echo(scope, receive, send, token=None):
    await accept(receive, send)
    await repeat(receive, send, token)


async def keys(scope, receive, send):
    """The keys of a message, and their values."""
    await accept(receive, send)
    while (message := await receive())["type"] == "websocket.receive":
        await say(send, json.dumps({key: type(value).__name__ for key, value in message.items()}))


async def count(scope, receive, send, token):
    """Answers with the size of each message, and keeps none."""
    await accept(receive, send)
    while (message := await receive())["type"] == "websocket.receive":
        await say(send, str(len(message.get("bytes") or message.get("text") or b"")))
    note(token, describe(message))


async def watch(scope, receive, send, token):
    """Notes every event."""
    await accept(receive, send)
    note(token, "accepted")
    while True:
        message = await receive()
        note(token, describe(message))
        if message["type"] == "websocket.disconnect":
            return


async def wait_then_watch(scope, receive, send, token):
    """Receives nothing until /open/TOKEN."""
    await accept(receive, send)
    note(token, "accepted")
    await event(token).wait()
    sizes = []
    while (message := await receive())["type"] == "websocket.receive":
        sizes.append(len(message.get("bytes") or message.get("text") or b""))
    note(token, f"received {len(sizes)} {sum(sizes)}")
    note(token, describe(message))


async def wait_then_say(scope, receive, send, token):
    """Answers the first message after /open/TOKEN."""
    await accept(receive, send)
    note(token, "accepted")
    await event(token).wait()
    message = await receive()
    await say(send, describe(message))
    note(token, describe(await receive()))


async def slow_accept(scope, receive, send, token):
    """Accepts after /open/TOKEN."""
    assert (await receive())["type"] == "websocket.connect"
    note(token, "asked")
    await event(token).wait()
    try:
        await send({"type": "websocket.accept"})
    except OSError as error:
        note(token, describe_error(error))
    await repeat(receive, send, token)


async def choose(scope, receive, send):
    """Accepts with the subprotocol and the header from the query, or reports the exception."""
    assert (await receive())["type"] == "websocket.connect"
    message = {"type": "websocket.accept"}
    if chosen := query(scope, "subprotocol"):
        message["subprotocol"] = chosen
    if name := query(scope, "name"):
        message["headers"] = [(name.encode("latin-1"), query(scope, "value").encode("latin-1"))]
    try:
        await send(message)
    except Exception as error:
        await send({"type": "websocket.accept"})
        await say(send, describe_error(error))
    else:
        await say(send, "no exception")
    await send({"type": "websocket.close"})


async def late_accept(scope, receive, send, token, seconds):
    """Accepts after a while."""
    assert (await receive())["type"] == "websocket.connect"
    note(token, "asked")
    await asyncio.sleep(float(seconds))
    await send({"type": "websocket.accept", "subprotocol": None, "headers": None})
    await repeat(receive, send, token)


async def not_accepted(scope, receive, send, token):
    """Waits for another event before it accepts, then accepts anyway. Events go to standard error."""
    assert (await receive())["type"] == "websocket.connect"
    note(token, "asked")
    print(f"{token} {describe(await receive())}", file=sys.stderr, flush=True)
    try:
        await send({"type": "websocket.accept"})
    except Exception as error:
        print(f"{token} accept", describe_error(error), file=sys.stderr, flush=True)
        raise


async def with_nones(scope, receive, send):
    """Messages with the keys that they do not need, as ASGI allows."""
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept", "subprotocol": None, "headers": ()})
    await send({"type": "websocket.send", "text": "text", "bytes": None})
    await send({"type": "websocket.send", "text": None, "bytes": b"bytes"})
    await send({"type": "websocket.send", "text": "", "bytes": None})
    await send({"type": "websocket.close", "reason": None})


async def bad(scope, receive, send, which):
    """Sends a bad message and reports the exception; then goes on normally."""
    await accept(receive, send)
    try:
        await send(BAD[which])
    except Exception as error:
        await say(send, describe_error(error))
    else:
        await say(send, "no exception")
    await repeat(receive, send)


async def bad_before(scope, receive, send, which):
    """Sends a bad message instead of an answer, then accepts and reports the exception."""
    assert (await receive())["type"] == "websocket.connect"
    try:
        await send(BAD_BEFORE[which])
    except Exception as error:
        await send({"type": "websocket.accept"})
        await say(send, describe_error(error))
        await send({"type": "websocket.close"})
    else:
        note("bad-before", which)


async def close(scope, receive, send, token, code=None):
    """Closes with the code from the path and the reason from the query; notes the events after that."""
    await accept(receive, send)
    message = {"type": "websocket.close"}
    if code:
        message["code"] = int(code)
    if reason := query(scope, "reason"):
        message["reason"] = reason
    await send(message)
    note(token, describe(await receive()))
    try:
        note(token, "again " + describe(await receive()))
    except Exception as error:
        note(token, "again " + describe_error(error))


async def close_unheard(scope, receive, send, token):
    """Closes after /open/TOKEN, without ever receiving."""
    await accept(receive, send)
    note(token, "accepted")
    await event(token).wait()
    await send({"type": "websocket.close"})


async def after_close(scope, receive, send, token):
    """Sends once more after its own close."""
    await accept(receive, send)
    await send({"type": "websocket.close"})
    try:
        await say(send, "more")
        note(token, "no exception")
    except Exception as error:
        note(token, describe_error(error))


async def after_disconnect(scope, receive, send, token):
    """The results of receive and send after the end."""
    await accept(receive, send)
    note(token, "accepted")
    while (message := await receive())["type"] != "websocket.disconnect":
        pass
    note(token, describe(message))
    for number in range(2):
        try:
            note(token, f"receive {number} " + describe(await receive()))
        except Exception as error:
            note(token, f"receive {number} " + describe_error(error))
    try:
        await say(send, "more")
        note(token, "send no exception")
    except Exception as error:
        note(token, "send " + describe_error(error))


async def refuse(scope, receive, send, token, code=None):
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.close", **({"code": int(code)} if code else {})})
    note(token, describe(await receive()))


async def deny(scope, receive, send, token):
    """Denies with a streamed response."""
    assert (await receive())["type"] == "websocket.connect"
    headers = [(b"content-type", b"text/plain"), (b"x-why", b"because")]
    await send({"type": "websocket.http.response.start", "status": 401, "headers": headers})
    for part in (b"no ", b"entry ", b"here"):
        await send({"type": "websocket.http.response.body", "body": part, "more_body": True})
        await asyncio.sleep(0.01)
    await send({"type": "websocket.http.response.body", "body": b"."})
    note(token, describe(await receive()))


async def half_deny(scope, receive, send):
    await receive()
    await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
    await send({"type": "websocket.http.response.body", "body": b"half", "more_body": True})
    raise RuntimeError("in the middle of a denial")


async def raise_before(scope, receive, send, token="boom"):
    raise RuntimeError(f"{token} before accept")


async def raise_after(scope, receive, send, token="boom"):
    await accept(receive, send)
    raise RuntimeError(f"{token} after accept")


async def return_before(scope, receive, send):
    await receive()


async def return_after(scope, receive, send):
    await accept(receive, send)


async def progress(scope, receive, send, token, count, size):
    """Sends messages, and notes its progress: send must wait for a client that does not read."""
    await accept(receive, send)
    block = bytes(int(size))
    try:
        for sent in range(int(count)):
            await send({"type": "websocket.send", "bytes": block})
            note(token, sent + 1)
        note(token, "done")
    except BaseException as error:
        note(token, "error " + describe_error(error))
        raise
    await send({"type": "websocket.close"})


async def stream(scope, receive, send, kind, count, size):
    """Sends messages of one kind, and notes nothing."""
    await accept(receive, send)
    block = "x" * int(size) if kind == "text" else bytes(int(size))
    for _ in range(int(count)):
        await send({"type": "websocket.send", kind: block})
    await send({"type": "websocket.close"})


async def burst(scope, receive, send, number):
    await accept(receive, send)
    for sent in range(int(number)):
        await say(send, f"message {sent}")
    await send({"type": "websocket.close"})


async def send_until_it_raises(scope, receive, send, token):
    """Never receives. An exception from sending goes to standard error and is raised; a later close raises nothing."""
    await accept(receive, send)
    try:
        while True:
            await say(send, "on")
            await asyncio.sleep(0.02)
    except Exception as error:
        print(f"{token} send", describe_error(error), file=sys.stderr, flush=True)
        await send({"type": "websocket.close"})
        raise


async def cancel_receive(scope, receive, send, number):
    """Cancels receive again and again, and collects all messages nevertheless."""
    await accept(receive, send)
    texts = []
    while len(texts) < int(number):
        try:
            texts.append((await asyncio.wait_for(receive(), 0.005))["text"])
        except TimeoutError:
            pass
    await say(send, json.dumps(texts))
    await repeat(receive, send)


async def cancel_at_the_last_moment(scope, receive, send, token):
    """Cancels a receive() after its message has come and before it returns, then receives again."""
    await accept(receive, send)
    task = asyncio.create_task(receive())
    await asyncio.sleep(0)
    note(token, "waits")
    while not (task.done() or task._fut_waiter.done()):
        await asyncio.sleep(0)
    task.cancel()
    try:
        message = await task
    except asyncio.CancelledError:
        message = await receive()
    await say(send, message["text"])
    await repeat(receive, send)


async def two_receivers(scope, receive, send, number):
    """Two tasks wait in receive; one of them gets each message."""
    await accept(receive, send)
    heard = []

    async def hear(name):
        while len(heard) < int(number):
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            heard.append((name, message["text"]))

    tasks = [asyncio.create_task(hear(name)) for name in ("a", "b")]
    done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    errors = [describe_error(each) for each in results if isinstance(each, Exception)]
    await say(send, json.dumps({"heard": sorted(text for _, text in heard), "errors": errors}))
    await repeat(receive, send)


app = router(routes_of(globals()))


async def with_state(scope, receive, send):
    """The same with a lifespan that leaves something in the state."""
    if scope["type"] == "lifespan":
        scope["state"]["shared"] = ["from the lifespan"]
        return await kit.lifespan(receive, send)
    await app(scope, receive, send)
