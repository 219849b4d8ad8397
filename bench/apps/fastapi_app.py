"""The workloads on FastAPI: the same JSON from a coroutine and from a `def` endpoint in the thread pool."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/json")
async def json():
    return {"message": "Hello, world!", "items": list(range(10)), "ok": True}


@app.get("/sync")
def sync():
    return {"message": "Hello, world!", "items": list(range(10)), "ok": True}
