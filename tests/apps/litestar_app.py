"""Litestar: handlers of both kinds, streams, uploads, background tasks and its startup."""

from typing import Any

from litestar import Litestar, Request, Response, get, post
from litestar.background_tasks import BackgroundTask
from litestar.response import Stream

DONE = []


async def startup(app):
    app.state.started = True


@get("/json")
async def json(name: str = "") -> dict[str, str]:
    return {"hello": name}


@post("/echo", status_code=200)
async def echo(request: Request) -> Any:
    return await request.json()


@get("/stream")
async def stream() -> Stream:
    async def lines():
        for number in range(50):
            yield f"line {number}\n"

    return Stream(lines(), media_type="text/plain")


@get("/sync", sync_to_thread=True)
def sync() -> dict[str, str]:
    return {"value": "from a function"}


@post("/upload", status_code=200)
async def upload(request: Request) -> dict[str, Any]:
    form = await request.form()
    file = form["file"]
    return {"name": file.filename, "size": len(await file.read()), "field": form["field"]}


@get("/fails")
async def fails() -> None:
    raise RuntimeError("the view failed")


@get("/started")
async def started(request: Request) -> dict[str, bool]:
    return {"started": request.app.state.started}


async def work(token: str) -> None:
    DONE.append(token)


@get("/background/{token:str}", media_type="text/plain")
async def background(token: str) -> Response[str]:
    return Response("answered", background=BackgroundTask(work, token), media_type="text/plain")


@get("/background-done")
async def background_done() -> list[str]:
    return DONE


app = Litestar(
    [json, echo, stream, sync, upload, fails, started, background, background_done], on_startup=[startup],
    openapi_config=None, debug=False,
)
