"""Litestar: its Stream."""

from litestar import Litestar, get
from litestar.response import Stream

from leaving.streams import STREAMS, live


@get("/live")
async def alive() -> dict[str, int]:
    return live()


@get("/{name:str}")
async def stream(name: str) -> Stream:
    return Stream(STREAMS[name](), media_type="text/plain")


app = Litestar([alive, stream], openapi_config=None, debug=False)
