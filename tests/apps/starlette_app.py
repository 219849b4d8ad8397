"""Starlette: streams, files, forms, background tasks, mounts, middleware and lifespan state."""
# This file is what it sends at /file.

import contextlib

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

DONE = []


@contextlib.asynccontextmanager
async def lifespan(app):
    yield {"started": True}


class Header(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["x-middleware"] = "passed"
        return response


async def json(request):
    return JSONResponse({"hello": request.query_params.get("name")})


async def echo(request):
    return JSONResponse(await request.json())


async def stream(request):
    async def lines():
        for number in range(50):
            yield f"line {number}\n"

    return StreamingResponse(lines(), media_type="text/plain")


def sync(request):
    return JSONResponse({"value": "from a function"})


async def upload(request):
    async with request.form() as form:
        file = form["file"]
        size = len(await file.read())
        return JSONResponse({"name": file.filename, "size": size, "field": form["field"]})


async def fails(request):
    raise RuntimeError("the view failed")


async def state(request):
    return JSONResponse({"started": request.state.started})


async def inner(request):
    return JSONResponse({"path": request.scope["path"], "root": request.scope["root_path"]})


async def file(request):
    return FileResponse(__file__, media_type="text/plain")


async def background(request):
    def work():
        DONE.append(request.path_params["token"])

    return PlainTextResponse("answered", background=BackgroundTask(work))


async def background_done(request):
    return JSONResponse(DONE)


async def disconnected(request):
    gone = await request.is_disconnected()
    return PlainTextResponse("gone" if gone else "still there")


routes = [
    Route("/json", json),
    Route("/echo", echo, methods=["POST"]),
    Route("/stream", stream),
    Route("/sync", sync),
    Route("/upload", upload, methods=["POST"]),
    Route("/fails", fails),
    Route("/state", state),
    Route("/file", file),
    Route("/background/{token}", background),
    Route("/background-done", background_done),
    Route("/disconnected-later", disconnected),
    Mount("/mounted", routes=[Route("/inner", inner)]),
]
app = Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(Header)])
plain = Starlette(routes=routes, lifespan=lifespan)
