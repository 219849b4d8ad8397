"""The raw application with its running calls counted, for floods. GET /tasks gives the current number and the peak."""

import asyncio

import raw
from kit import body, respond_json, start

TASKS = {"running": 0, "most": 0, "started": 0}
BLOCK = b"x" * 100_000
TEN_MEGABYTES = b"x" * 10_000_000


async def in_pieces(scope, receive, send):
    """10 MB, of which the application keeps nothing."""
    await start(send)
    for _ in range(100):
        await body(send, BLOCK, True)
    await body(send)


async def in_one_piece(scope, receive, send):
    """10 MB in one message; they are the same for every request."""
    await start(send)
    await body(send, TEN_MEGABYTES)


async def deaf(scope, receive, send):
    """Neither receives nor sends for a long time: it notices nothing, and ends when it is cancelled."""
    await asyncio.sleep(600)


ROUTES = {"/in-pieces": in_pieces, "/in-one-piece": in_one_piece, "/deaf": deaf}


async def app(scope, receive, send):
    if scope["type"] != "http":
        return await raw.app(scope, receive, send)
    if scope["path"] == "/tasks":
        return await respond_json(send, TASKS)
    TASKS["started"] += 1
    TASKS["running"] += 1
    TASKS["most"] = max(TASKS["most"], TASKS["running"])
    try:
        await ROUTES.get(scope["path"], raw.app)(scope, receive, send)
    finally:
        TASKS["running"] -= 1
