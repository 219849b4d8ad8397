"""WebSockets: echoes, closes, denials, faults and what an application is told, one path for each.

Over HTTP and as WebSockets alike, /notes/TOKEN tells what was noted and /open/TOKEN lets an application go on.
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
    """An answer, over HTTP or as a WebSocket that is closed behind it."""
    if scope["type"] == "http":
        return await respond(send, text)
    await accept(receive, send)
    await say(send, text)
    await send({"type": "websocket.close"})


def event(token):
    return EVENTS.setdefault(token, asyncio.Event())


def describe(message):
    """A message in a line: what a test compares with."""
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
    """What is asked for: a WebSocket or a plain request."""
    await say_and_close(scope, receive, send, f"hello {scope['type']}")


async def scope(scope, receive, send, *rest):
    await say_and_close(scope, receive, send, json.dumps({
        "scope": plain(dict(scope)),
        "types": {key: type(value).__name__ for key, value in scope.items()},
    }))


async def repeat(receive, send, token=None):
    """Sends back what comes, until the end, which is noted."""
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
    """Which keys a message has, and what is behind them."""
    await accept(receive, send)
    while (message := await receive())["type"] == "websocket.receive":
        await say(send, json.dumps({key: type(value).__name__ for key, value in message.items()}))


async def count(scope, receive, send, token):
    """Keeps nothing: the size of each message."""
    await accept(receive, send)
    while (message := await receive())["type"] == "websocket.receive":
        await say(send, str(len(message.get("bytes") or message.get("text") or b"")))
    note(token, describe(message))


async def watch(scope, receive, send, token):
    """Notes whatever comes."""
    await accept(receive, send)
    note(token, "accepted")
    while True:
        message = await receive()
        note(token, describe(message))
        if message["type"] == "websocket.disconnect":
            return


async def wait_then_watch(scope, receive, send, token):
    """Receives nothing until it may."""
    await accept(receive, send)
    note(token, "accepted")
    await event(token).wait()
    sizes = []
    while (message := await receive())["type"] == "websocket.receive":
        sizes.append(len(message.get("bytes") or message.get("text") or b""))
    note(token, f"received {len(sizes)} {sum(sizes)}")
    note(token, describe(message))


async def wait_then_say(scope, receive, send, token):
    """Answers the first message when it may."""
    await accept(receive, send)
    note(token, "accepted")
    await event(token).wait()
    message = await receive()
    await say(send, describe(message))
    note(token, describe(await receive()))


async def slow_accept(scope, receive, send, token):
    """Accepts when it may."""
    assert (await receive())["type"] == "websocket.connect"
    note(token, "asked")
    await event(token).wait()
    try:
        await send({"type": "websocket.accept"})
    except OSError as error:
        note(token, describe_error(error))
    await repeat(receive, send, token)


async def choose(scope, receive, send):
    """Accepts with the subprotocol and the header that the query names, or says what that raised."""
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


async def with_nones(scope, receive, send):
    """Messages with the keys that they do not need, as ASGI allows."""
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept", "subprotocol": None, "headers": ()})
    await send({"type": "websocket.send", "text": "text", "bytes": None})
    await send({"type": "websocket.send", "text": None, "bytes": b"bytes"})
    await send({"type": "websocket.send", "text": "", "bytes": None})
    await send({"type": "websocket.close", "reason": None})


async def bad(scope, receive, send, which):
    """Sends a bad message and says what it raised; goes on as if nothing had been."""
    await accept(receive, send)
    try:
        await send(BAD[which])
    except Exception as error:
        await say(send, describe_error(error))
    else:
        await say(send, "no exception")
    await repeat(receive, send)


async def bad_before(scope, receive, send, which):
    """Sends a bad message instead of an answer, then accepts and says what that raised."""
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
    """Closes with the code of the path and the reason of the query; notes what it hears then."""
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
    """Closes when it may, without ever having received."""
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
    """What receive and send do after the end."""
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
    """A response of its own, streamed."""
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
    """Sends messages, and notes how far it came: send must wait for a client that does not read."""
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
    """Hears nothing. What sending raises goes to standard error and out of here, closing after it raises nothing."""
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
    """Gives up receive again and again, and collects what comes nevertheless."""
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
    """Cancels a receive() when its message has come and before it could return it, then receives again."""
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
    """Two tasks wait in receive; every message is heard by one of them."""
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
