"""Shared by the raw applications: a router, short ways to answer, and notes that tests read back."""

import json
from urllib.parse import parse_qs

NOTES = {}


def note(token, text=""):
    """Records an event for the test that owns the token, which reads it at /notes/TOKEN."""
    NOTES.setdefault(token, []).append(str(text))


def query(scope, name, default=""):
    """The last value of a query parameter."""
    return parse_qs(scope["query_string"].decode("latin-1")).get(name, [default])[-1]


def describe_error(error):
    """An exception's type, its bases and its text, on one line."""
    bases = ",".join(kind.__name__ for kind in type(error).__mro__)
    return f"{type(error).__name__}|{bases}|{error}"


async def start(send, status=200, headers=(), **more):
    await send({"type": "http.response.start", "status": status, "headers": list(headers), **more})


async def body(send, content=b"", more_body=False):
    await send({"type": "http.response.body", "body": content, "more_body": more_body})


async def respond(send, content=b"", status=200, headers=()):
    """One whole response with its length."""
    if isinstance(content, str):
        content = content.encode("latin-1")
    length = (b"content-length", str(len(content)).encode())
    await start(send, status, [length, *headers])
    await body(send, content)


async def respond_json(send, value):
    await respond(send, json.dumps(value), headers=[(b"content-type", b"application/json")])


async def read_body(receive):
    """The whole request body; None if the client left first."""
    content = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        content += message.get("body", b"")
        if not message.get("more_body", False):
            return content


async def lifespan(receive, send):
    """Confirms startup and shutdown."""
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def notes(scope, receive, send, token):
    await respond_json(send, NOTES.get(token, []))


async def write_note(scope, receive, send, token, text=""):
    note(token, text)
    await respond(send, b"noted")


async def pid(scope, receive, send):
    import os

    await respond(send, str(os.getpid()))


def router(routes):
    """An application that calls routes[first segment](scope, receive, send, *other segments)."""
    routes = {"notes": notes, "note": write_note, "pid": pid, **routes}

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            return await lifespan(receive, send)
        first, *rest = scope["path"].removeprefix(scope.get("root_path", "")).strip("/").split("/")
        handler = routes.get(first)
        if handler is None:
            return await respond(send, b"no such path", 404)
        return await handler(scope, receive, send, *rest)

    return app


def routes_of(namespace):
    """The public coroutine functions of a module as routes: early_hint answers /early-hint."""
    import inspect

    return {
        name.replace("_", "-"): function
        for name, function in namespace.items()
        if getattr(function, "__module__", None) == namespace["__name__"] and inspect.iscoroutinefunction(function)
    }
