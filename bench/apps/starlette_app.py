"""The workloads on Starlette: a JSON endpoint, and a file of 50 KiB named by BENCH_FILE."""

import os

from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse
from starlette.routing import Route

FILE = os.environ.get("BENCH_FILE", __file__)


async def json(request):
    return JSONResponse({"message": "Hello, world!", "items": list(range(10)), "ok": True})


async def file(request):
    return FileResponse(FILE, media_type="application/octet-stream")


app = Starlette(routes=[Route("/json", json), Route("/file", file)])
