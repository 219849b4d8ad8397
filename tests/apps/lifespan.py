"""Applications that treat the lifespan differently, one attribute for each."""

import asyncio
import os
import time

from kit import respond_json, router


async def show(scope, receive, send):
    state = scope.get("state")
    await respond_json(send, {"state": state, "lifespan": os.environ.get("LIFESPAN_SEEN")})


async def change(scope, receive, send):
    """Changes the copy of the state, and an object in the state."""
    scope["state"]["top"] = "changed"
    scope["state"]["added"] = True
    scope["state"]["list"].append(len(scope["state"]["list"]))
    await respond_json(send, scope["state"])


http = router({"show": show, "change": change})


def log(text):
    """Appends to a file of the working directory, which outlives the server."""
    with open("lifespan.log", "a") as file:
        file.write(text + "\n")


async def recorded(scope, receive, send):
    """Records events in order."""
    if scope["type"] != "lifespan":
        return await http(scope, receive, send)
    log("scope " + " ".join(f"{key}={scope['asgi'].get(key)}" for key in ("version", "spec_version")))
    log((await receive())["type"])
    await send({"type": "lifespan.startup.complete"})
    log((await receive())["type"])
    await asyncio.sleep(0.05)
    log("cleaned up")
    await send({"type": "lifespan.shutdown.complete"})
    log("returned")


async def stateful(scope, receive, send):
    if scope["type"] != "lifespan":
        return await http(scope, receive, send)
    await receive()
    scope["state"].update(top="initial", list=[])
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def failed(scope, receive, send):
    if scope["type"] != "lifespan":
        return await http(scope, receive, send)
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database at db.example"})


async def raises_at_startup(scope, receive, send):
    """Raises once it has accepted the scope: not an application without lifespan, but a broken one."""
    if scope["type"] != "lifespan":
        return await http(scope, receive, send)
    await receive()
    raise RuntimeError("the startup broke")


async def unaware(scope, receive, send):
    """Supports only HTTP."""
    assert scope["type"] == "http", "only http here"
    await http(scope, receive, send)


async def returns(scope, receive, send):
    """Returns from the lifespan at once, without a message."""
    if scope["type"] == "http":
        await http(scope, receive, send)


async def slow(scope, receive, send):
    if scope["type"] != "lifespan":
        return await http(scope, receive, send)
    await receive()
    log("starting")
    await asyncio.sleep(float(os.environ.get("STARTUP_SECONDS", "3600")))
    log("started")
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def blocks_at_startup(scope, receive, send):
    """Blocks the loop, like a synchronous client of an unreachable database."""
    if scope["type"] == "lifespan":
        await receive()
        time.sleep(3600)


async def shutdown_failed(scope, receive, send):
    if scope["type"] != "lifespan":
        return await http(scope, receive, send)
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.failed", "message": "could not flush the queue"})


async def raises_at_shutdown(scope, receive, send):
    if scope["type"] != "lifespan":
        return await http(scope, receive, send)
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    raise RuntimeError("the shutdown broke")


async def raises_at_once(scope, receive, send):
    """A fault before the first message."""
    if scope["type"] != "lifespan":
        return await http(scope, receive, send)
    scope["state"].database.connect()


async def raises_while_it_runs(scope, receive, send):
    if scope["type"] != "lifespan":
        return await http(scope, receive, send)
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await asyncio.sleep(0.01)
    raise RuntimeError("the pool broke")


async def raises_after_shutdown(scope, receive, send):
    if scope["type"] != "lifespan":
        return await http(scope, receive, send)
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
    raise RuntimeError("the clean-up broke")


async def refuses_the_message(scope, receive, send):
    if scope["type"] != "lifespan":
        return await http(scope, receive, send)
    raise NotImplementedError((await receive())["type"])


async def refuses_the_type(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError(f"No application configured for scope type {scope['type']!r}")
    await http(scope, receive, send)


async def knows_no_types(scope, receive, send):
    """Treats every scope as a request."""
    await respond_json(send, {"path": scope["path"]})


async def looks_at_nothing(scope, receive, send):
    await respond_json(send, {})


async def gated(scope, receive, send):
    """Completes its startup once a file `go` exists in the working directory."""
    if scope["type"] != "lifespan":
        return await http(scope, receive, send)
    await receive()
    log("starting")
    while not os.path.exists("go"):
        await asyncio.sleep(0.01)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def background(scope, receive, send):
    """Keeps a task running from startup to shutdown, on the loop that serves requests."""
    if scope["type"] != "lifespan":
        return await respond_json(send, {"ticks": scope["state"]["ticks"]()})
    ticks = []

    async def tick():
        while True:
            ticks.append(1)
            await asyncio.sleep(0.01)

    await receive()
    loop = asyncio.get_running_loop()
    scope["state"]["ticks"] = lambda: [len(ticks), asyncio.get_running_loop() is loop]
    task = asyncio.create_task(tick())
    await send({"type": "lifespan.startup.complete"})
    await receive()
    task.cancel()
    await send({"type": "lifespan.shutdown.complete"})
