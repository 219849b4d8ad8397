"""A chat page: FastAPI's own example of WebSockets, in rooms."""

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import HTMLResponse

app = FastAPI()
ROOMS = {}
PAGE = "<!doctype html><title>Chat</title><script>new WebSocket(location.href.replace(/^http/, 'ws') + 'ws')</script>"


@app.get("/")
async def page():
    return HTMLResponse(PAGE)


@app.websocket("/chat/{room}/{name}")
async def chat(socket: WebSocket, room: str, name: str):
    await socket.accept(subprotocol="chat" if "chat" in socket.scope["subprotocols"] else None)
    members = ROOMS.setdefault(room, [])
    members.append(socket)
    try:
        while True:
            text = await socket.receive_text()
            for member in list(members):
                await member.send_text(f"{name}: {text}")
    except WebSocketDisconnect:
        members.remove(socket)
        for member in list(members):
            await member.send_text(f"{name} left")


@app.websocket("/echo")
async def echo(socket: WebSocket):
    await socket.accept()
    async for message in socket.iter_bytes():
        await socket.send_bytes(message)


@app.websocket("/private")
async def private(socket: WebSocket):
    await socket.close(code=1008)


@app.websocket("/done")
async def done(socket: WebSocket):
    await socket.accept()
    await socket.close(code=3210, reason="done")
