"""Behaviour that is the same over every transport: the paths of raw, faulty and extensions, a state, and more."""

import asyncio

import extensions
import faulty
import raw
from kit import body, describe_error, note, respond, respond_json, router, routes_of, start

async def state(scope, receive, send):
    """This request's copy of the lifespan's state; a key that it adds is not shared."""
    seen = {key: list(value) if isinstance(value, list) else value for key, value in scope["state"].items()}
    scope["state"]["own"] = True
    scope["state"]["shared"].append(1)
    await respond_json(send, seen)


async def tls(scope, receive, send):
    """The tls extension as it is; null without one."""
    await respond_json(send, raw.plain(scope["extensions"].get("tls")))


async def two_headers(scope, receive, send):
    headers = [(b"X-First", b"1"), (b"x-again", b"a"), (b"x-again", b"b"), (b"x-latin", b"caf\xe9")]
    await respond(send, b"headers", headers=headers)


async def step_by_step(scope, receive, send, token):
    """A head, then a piece for each /open/TOKEN-n, then the end."""
    await start(send)
    for number in range(3):
        await body(send, b"piece %d;" % number, True)
        await raw.EVENTS.setdefault(f"{token}-{number}", asyncio.Event()).wait()
    await body(send)
    note(token, "ended")


async def slow_stream(scope, receive, send, count, seconds):
    """A piece after each pause."""
    await start(send)
    for number in range(int(count)):
        await body(send, b"piece %d;" % number, True)
        await asyncio.sleep(float(seconds))
    await body(send)


async def go_on(scope, receive, send, token, seconds):
    """Goes on after its response, as background tasks do."""
    await respond(send, b"answered")
    await asyncio.sleep(float(seconds))
    note(token, "ended")


async def hint_then_wait(scope, receive, send, token):
    """Early hints, and the response once a client asks for /open/TOKEN."""
    await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
    await raw.EVENTS.setdefault(token, asyncio.Event()).wait()
    await respond(send, b"waited")


async def never(scope, receive, send, token):
    """Waits for its client to leave, and then sends until that raises."""
    note(token, "began")
    message = await receive()
    while message["type"] == "http.request":
        message = await receive()
    note(token, message["type"])
    try:
        await start(send)
        for _ in range(20):
            # A client that has closed may only have finished sending: the first piece finds out.
            await body(send, b"late", True)
            await asyncio.sleep(0.05)
        note(token, "error none: sent")
    except Exception as error:
        note(token, "error " + describe_error(error))


async def stream_until_it_raises(scope, receive, send, token, status):
    """Never receives, and sends without end."""
    note(token, "began")
    try:
        await start(send, int(status))
        while True:
            await body(send, b"more", True)
            await asyncio.sleep(0.02)
    except Exception as error:
        note(token, "error " + describe_error(error))


async def listen_within_a_response(scope, receive, send, token, status):
    """Begins a response, and waits for its client to leave."""
    note(token, "began")
    await start(send, int(status))
    await body(send, b"", True)
    while (message := await receive())["type"] == "http.request":
        pass
    note(token, message["type"])


async def take_step_by_step(scope, receive, send, token):
    """Notes each piece of the body as it comes, and answers with how many bytes there were."""
    total, more = 0, True
    while more:
        message = await receive()
        assert message["type"] == "http.request", message
        total += len(message.get("body", b""))
        more = message.get("more_body", False)
        note(token, f"{total} {more}")
    await respond(send, str(total))


async def early_answer(scope, receive, send):
    """Answers without reading the body, which may still be arriving."""
    await respond(send, b"early")


async def trailers_if_offered(scope, receive, send):
    """Sends trailers if the client accepts them, as the extension is meant to be used."""
    offered = "http.response.trailers" in scope["extensions"]
    await start(send, trailers=offered)
    await body(send, b"content")
    if offered:
        await send({"type": "http.response.trailers", "headers": [(b"x-checksum", b" abc\t")]})


routes = {**routes_of(vars(raw)), **routes_of(vars(faulty)), **routes_of(vars(extensions)), **routes_of(globals())}
requests = router(routes)


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        scope["state"].update(word="from the lifespan", shared=[])
    await requests(scope, receive, send)
