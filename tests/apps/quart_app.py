"""Quart: views of both kinds, streams of requests and of responses, and its startup."""

from quart import Quart, jsonify, request

app = Quart(__name__)
STARTED = []


@app.before_serving
async def startup():
    STARTED.append(True)


@app.get("/json")
async def json():
    return jsonify(hello=request.args.get("name"))


@app.post("/echo")
async def echo():
    return jsonify(await request.get_json())


@app.get("/stream")
async def stream():
    async def lines():
        for number in range(50):
            yield f"line {number}\n"

    return lines(), 200, {"content-type": "text/plain"}


@app.get("/sync")
def sync():
    return jsonify(value="from a function")


@app.post("/upload")
async def upload():
    file = (await request.files)["file"]
    field = (await request.form)["field"]
    return jsonify(name=file.filename, size=len(file.read()), field=field)


@app.get("/fails")
async def fails():
    raise RuntimeError("the view failed")


@app.get("/started")
async def started():
    return jsonify(started=bool(STARTED))


@app.post("/body-stream")
async def body_stream():
    total = 0
    async for part in request.body:
        total += len(part)
    return str(total)
