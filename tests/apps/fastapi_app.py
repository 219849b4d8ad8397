"""FastAPI: validation, dependencies, models, forms, and functions that run in threads."""

import contextlib
import threading

from fastapi import Depends, FastAPI, File, Form, Request, UploadFile
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

BARRIER = threading.Barrier(10)


@contextlib.asynccontextmanager
async def lifespan(app):
    yield {"started": True}


app = FastAPI(title="Test", lifespan=lifespan)


class Item(BaseModel):
    name: str
    price: float


async def resource():
    opened = ["opened"]
    yield opened
    opened.clear()


@app.get("/json")
async def json(name: str = ""):
    return {"hello": name}


@app.post("/echo")
async def echo(request: Request):
    return await request.json()


@app.get("/stream")
async def stream():
    return StreamingResponse((f"line {number}\n" for number in range(50)), media_type="text/plain")


@app.get("/sync")
def sync():
    return {"value": "from a function"}


@app.post("/upload")
async def upload(file: UploadFile = File(), field: str = Form()):
    return {"name": file.filename, "size": len(await file.read()), "field": field}


@app.get("/fails")
async def fails():
    raise RuntimeError("the view failed")


@app.get("/items/{item}")
async def items(item: int, request: Request, q: str = ""):
    return {"item": item, "q": q, "started": request.state.started}


@app.post("/model")
async def model(item: Item) -> Item:
    return item


@app.get("/dependency")
async def dependency(opened=Depends(resource)):
    return opened


def thread_of_function():
    return threading.get_ident()


@app.get("/threads")
async def threads(other: int = Depends(thread_of_function)):
    return {"sync_elsewhere": other != threading.get_ident()}


@app.get("/barrier")
def barrier():
    BARRIER.wait(30)
    return "passed"
