"""Uses its scope as frameworks do: reads all of it, and changes it."""

import asyncio

from kit import lifespan, respond_json


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    await respond_json(send, {key: scope[key] for key in ("root_path", "path")})


async def vandal(scope, receive, send):
    """Answers with the scope, and then ruins every mutable part of it."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    await respond_json(send, {key: repr(value) for key, value in sorted(scope.items())})
    scope["asgi"]["version"] = "ruined"
    scope["extensions"].clear()
    scope["extensions"]["ruined"] = {}
    scope["headers"] = [(b"x-ruined", b"1")]
    scope["path"] = scope["root_path"] = "/ruined"
    scope["ruined"] = True
    if "state" in scope:
        scope["state"]["ruined"] = True
    del scope["query_string"]


RUINED = asyncio.Event()


async def neighbours(scope, receive, send):
    """`/watch` answers with its scope after `/ruin` has changed every mutable part of another scope."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    if scope["path"] == "/ruin":
        scope["asgi"]["ruined"] = scope["extensions"]["ruined"] = True
        RUINED.set()
    else:
        await RUINED.wait()
    await respond_json(send, {key: sorted(scope[key]) for key in ("asgi", "extensions")})
