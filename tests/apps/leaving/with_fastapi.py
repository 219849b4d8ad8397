"""FastAPI: StreamingResponse from a route with a dependency that is closed, and background tasks."""

import asyncio

from fastapi import BackgroundTasks, Depends, FastAPI, Request
from fastapi.responses import StreamingResponse

from leaving.streams import STREAMS, counted, live

app = FastAPI()
DONE = []


async def connection():
    """Like a session of a database: open until the response ends."""
    with counted():
        yield "connection"


@app.get("/live")
async def alive():
    return live()


@app.get("/done")
async def done():
    return DONE


@app.get("/background/{token}")
async def background(token: str, request: Request, tasks: BackgroundTasks):
    DONE.append(f"{token} began")
    while not await request.is_disconnected():
        await asyncio.sleep(0.01)
    tasks.add_task(DONE.append, f"{token} done")
    return "nobody reads this"


@app.get("/{name}")
async def stream(name: str, opened: str = Depends(connection)):
    return StreamingResponse(STREAMS[name](), media_type="text/plain")
