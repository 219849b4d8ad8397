"""Starlette: its StreamingResponse, its WebSockets, and background tasks after a response that is not read."""

import asyncio

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from leaving.streams import STREAMS, counted, live

DONE = []


async def stream(request):
    return StreamingResponse(STREAMS[request.path_params["name"]](), media_type="text/plain")


async def background(request):
    """Answers once the client has gone."""
    token = request.path_params["token"]
    DONE.append(f"{token} began")
    while not await request.is_disconnected():
        await asyncio.sleep(0.01)

    def work():
        DONE.append(f"{token} done")

    return PlainTextResponse("nobody reads this", background=BackgroundTask(work))


async def socket(websocket):
    await websocket.accept()
    with counted():
        try:
            async for text in STREAMS[websocket.path_params["name"]]():
                await websocket.send_text(text)
        except WebSocketDisconnect:
            pass


async def listening(websocket):
    await websocket.accept()
    with counted():
        async for text in websocket.iter_text():
            await websocket.send_text(text)


app = Starlette(routes=[
    Route("/live", lambda request: JSONResponse(live())),
    Route("/done", lambda request: JSONResponse(DONE)),
    Route("/background/{token}", background),
    Route("/{name}", stream),
    WebSocketRoute("/listening", listening),
    WebSocketRoute("/{name}", socket),
])
