"""Quart: asynchronous generators as responses."""

from quart import Quart, jsonify

from leaving.streams import STREAMS, live

app = Quart(__name__)
# Otherwise Quart itself ends a response after a minute.
app.config["RESPONSE_TIMEOUT"] = None


@app.get("/live")
async def alive():
    return jsonify(live())


@app.get("/<name>")
async def stream(name):
    return STREAMS[name](), 200, {"content-type": "text/plain"}
