"""sse-starlette: EventSourceResponse."""

from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from leaving.streams import STREAMS, live


async def stream(request):
    return EventSourceResponse(STREAMS[request.path_params["name"]]())


app = Starlette(routes=[Route("/live", lambda request: JSONResponse(live())), Route("/{name}", stream)])
