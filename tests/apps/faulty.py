"""An application with faults, one path for each."""

import asyncio
import os
import sys

from kit import body, describe_error, note, read_body, respond, router, routes_of, start


def started(status=200, headers=(), **more):
    return {"type": "http.response.start", "status": status, "headers": headers, **more}


def with_header(name, value):
    return started(headers=[(name, value)])


# Each is sent before anything else; none may affect the wire.
BAD = {
    "not-a-dict": "http.response.start",
    "none": None,
    "no-type": {"status": 200, "headers": []},
    "type-not-str": {"type": 5},
    "unknown-type": {"type": "http.response.nonsense"},
    "type-of-websocket": {"type": "websocket.accept"},
    "type-of-lifespan": {"type": "lifespan.startup.complete"},
    "body-before-start": {"type": "http.response.body", "body": b"early"},
    "trailers-before-start": {"type": "http.response.trailers", "headers": []},
    "status-missing": {"type": "http.response.start", "headers": []},
    "status-0": started(0),
    "status-99": started(99),
    "status-1000": started(1000),
    "status-negative": started(-200),
    "status-huge": started(2**80),
    "status-x": started("x"),
    "status-str": started("200"),
    "status-none": started(None),
    "status-float": started(200.5),
    "headers-int": started(headers=5),
    "headers-str-pair": with_header("x-name", "value"),
    "headers-value-str": with_header(b"x-name", "value"),
    "headers-value-none": with_header(b"x-name", None),
    "headers-three": started(headers=[(b"a", b"b", b"c")]),
    "headers-one": started(headers=[(b"a",)]),
    "headers-item-int": started(headers=[7]),
    "headers-flat": started(headers=[b"ab", b"cd", 7]),
    "header-name-cr": with_header(b"x-a\rx", b"v"),
    "header-name-lf": with_header(b"x-a\nx", b"v"),
    "header-name-crlf": with_header(b"x-a\r\nset-cookie: a=b\r\nx", b"v"),
    "header-name-nul": with_header(b"x-a\x00", b"v"),
    "header-name-space": with_header(b"x a", b"v"),
    "header-name-colon": with_header(b"x-a:", b"v"),
    "header-name-empty": with_header(b"", b"v"),
    "header-name-high": with_header(b"x-\xe9", b"v"),
    "header-value-cr": with_header(b"x-a", b"v\rw"),
    "header-value-lf": with_header(b"x-a", b"v\nset-cookie: a=b"),
    "header-value-crlf": with_header(b"x-a", b"v\r\nset-cookie: a=b"),
    "header-value-end": with_header(b"x-a", b"v\r\n\r\n<html>"),
    "header-value-nul": with_header(b"x-a", b"v\x00w"),
    "length-not-number": with_header(b"content-length", b"many"),
    "length-negative": with_header(b"content-length", b"-5"),
    "length-twice": started(headers=[(b"content-length", b"5"), (b"content-length", b"6")]),
}


async def bad(scope, receive, send, which):
    """Sends a bad message, and reports its outcome in a good response."""
    try:
        await send(BAD[which])
    except Exception as error:
        return await respond(send, describe_error(error))
    await body(send, b"no exception")


# Each is sent after a start and a first part of a body; the rest of the body then reports the exception.
async def every_bad(scope, receive, send):
    """Sends every bad message, and reports those that did not raise."""
    taken = []
    for which, message in BAD.items():
        try:
            await send(message)
            taken.append(which)
        except Exception:
            pass
    await respond(send, f"not raised: {taken}" if taken else f"all raised: {len(BAD)}")


BAD_LATER = {
    "second-start": started(),
    "body-str": {"type": "http.response.body", "body": "text"},
    "body-int": {"type": "http.response.body", "body": 5},
    "body-list": {"type": "http.response.body", "body": [1, 2]},
    "trailers-not-announced": {"type": "http.response.trailers", "headers": []},
    "unknown-type": {"type": "http.response.nonsense"},
}


async def bad_later(scope, receive, send, which):
    await start(send)
    await body(send, b"first|", True)
    try:
        await send(BAD_LATER[which])
    except Exception as error:
        return await body(send, describe_error(error).encode())
    await body(send, b"no exception")


async def too_long(scope, receive, send, token):
    await start(send, headers=[(b"content-length", b"5")])
    try:
        await body(send, b"0123456789")
        note(token, "no exception")
    except Exception as error:
        note(token, describe_error(error))


async def too_long_by_parts(scope, receive, send, token):
    await start(send, headers=[(b"content-length", b"5")])
    await body(send, b"0123", True)
    try:
        await body(send, b"456789")
        note(token, "no exception")
    except Exception as error:
        note(token, describe_error(error))


async def too_short(scope, receive, send):
    await start(send, headers=[(b"content-length", b"10")])
    await body(send, b"0123")


async def too_short_in_parts(scope, receive, send):
    await start(send, headers=[(b"content-length", b"10")])
    await body(send, b"0123", True)
    await body(send, b"")


async def after_end(scope, receive, send, token, what):
    """Sends once more after the end of the response."""
    await respond(send, b"whole")
    try:
        await (body(send, b"more") if what == "body" else start(send))
        note(token, "no exception")
    except Exception as error:
        note(token, describe_error(error))


async def after_end_from_task(scope, receive, send, token):
    """Another task sends when the application has long returned."""

    async def late():
        await asyncio.sleep(0.2)
        try:
            await body(send, b"late")
            note(token, "no exception")
        except Exception as error:
            note(token, describe_error(error))

    TASKS.append(asyncio.create_task(late()))
    await respond(send, b"whole")


TASKS = []


async def receive_after_end(scope, receive, send, token):
    """The result of receive once the response is complete."""
    await read_body(receive)
    await respond(send, b"whole")
    note(token, (await receive())["type"])


async def leave_with_the_client(scope, receive, send, token):
    """Waits for the client to leave, and returns without an answer."""
    note(token, "began")
    while (await receive())["type"] != "http.disconnect":
        pass
    note(token, "left")


async def start_then_watch(scope, receive, send, token):
    """Begins a response, and waits for the client to leave before its body."""
    await start(send)
    await leave_with_the_client(scope, receive, send, token)


async def send_to_nobody(scope, receive, send, token):
    """Waits for the client to leave, then sends."""
    note(token, "began")
    while (await receive())["type"] != "http.disconnect":
        pass
    note(token, "disconnect")
    note(token, "again " + (await receive())["type"])
    try:
        for _ in range(3):
            await start(send)
            await body(send, b"x" * 65536, True)
        note(token, "no exception")
    except Exception as error:
        note(token, "error " + describe_error(error))


async def raise_before(scope, receive, send, token="boom"):
    raise RuntimeError(f"{token} before the response")


async def raise_after_start(scope, receive, send, token="boom"):
    """Only the start: nothing need be on the wire yet."""
    await start(send)
    raise RuntimeError(f"{token} after the start")


async def raise_middle(scope, receive, send, token="boom", length=None):
    headers = [(b"content-length", length.encode())] if length else []
    await start(send, headers=headers)
    await body(send, b"part", True)
    raise RuntimeError(f"{token} in the middle")


async def raise_after(scope, receive, send, token="boom"):
    await respond(send, b"whole")
    raise RuntimeError(f"{token} after the response")


async def return_before(scope, receive, send):
    pass


async def return_after_start(scope, receive, send):
    await start(send)


async def return_middle(scope, receive, send):
    await start(send)
    await body(send, b"part", True)


class Unprintable(Exception):
    def __str__(self):
        raise ValueError("not even this works")


def recurse(depth):
    return recurse(depth + 1) + 1


async def raises(scope, receive, send, what):
    """Raises an unusual exception."""
    if what == "recursion":
        recurse(0)
    if what == "group":
        raise ExceptionGroup("several", [ValueError("one"), KeyError("two")])
    if what == "sys-exit":
        sys.exit(3)
    if what == "exit-in-task":
        await asyncio.create_task(exit_soon())
    kinds = {
        "base": BaseException, "cancelled": asyncio.CancelledError, "generator-exit": GeneratorExit,
        "memory": MemoryError, "stop": StopAsyncIteration, "system-exit": SystemExit, "unprintable": Unprintable,
        "keyboard": KeyboardInterrupt, "os-error": OSError,
    }
    raise kinds[what]("raised by the application")


async def exit_soon():
    sys.exit(4)


async def close_descriptors(scope, receive, send):
    """Closes standard input, as careless daemons do."""
    os.close(0)
    await respond(send, b"closed")


async def page(scope, receive, send):
    """For the debug page: secrets in a local, in a header and in the environment."""
    password = "".join(["local-", "sec", "ret"])
    harmless = "".join(["plain-", "val", "ue"])
    raise RuntimeError(f"<script>alert({len(password) + len(harmless)})</script>")  # marker line


async def half_sync(scope, receive, send):
    return 5


app = router(routes_of(globals()))


def plain(scope, receive, send):
    """A plain function that returns a coroutine, except for three paths."""
    path = scope.get("path")
    if path == "/sync-raises":
        raise RuntimeError("raised before there was a coroutine")
    if path in ("/sync-none", "/sync-number"):
        return None if path == "/sync-none" else 5
    return app(scope, receive, send)
