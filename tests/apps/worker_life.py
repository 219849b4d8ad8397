"""Records the lifespan and the worker hooks of every worker, and answers with its state."""

import asyncio
import json

from kit import body, respond, respond_json, start
from workers import append, worker


def log(text):
    append("life.log", f"{text} {worker()}")


def shown(value):
    """A value converted for JSON."""
    try:
        json.dumps(value)
    except TypeError:
        return repr(value)
    return value


class App:
    is_draining = False

    async def __call__(self, scope, receive, send):
        kind = scope["type"]
        if kind == "lifespan":
            return await self.lifespan(scope, receive, send)
        if kind.startswith("pounce.worker."):
            self.is_draining |= kind.endswith(".draining")
            return log(kind)
        await self.http(scope, receive, send)

    async def lifespan(self, scope, receive, send):
        await receive()
        log("startup")
        scope["state"].update(number=7, nested={"list": []}, handle=object())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        log("shutdown")
        await send({"type": "lifespan.shutdown.complete"})

    async def http(self, scope, receive, send):
        state = scope["state"]
        if scope["path"] == "/change":
            state["number"] = 8
            state["added"] = True
            state["nested"]["list"].append(1)
        elif scope["path"] == "/app":
            return await respond(send, f"{worker()} {id(self)}")
        elif scope["path"] == "/until-draining":
            await start(send)
            await body(send, b"begun", True)
            while not self.is_draining:
                await asyncio.sleep(0.02)
            return await body(send, b" and done")
        elif scope["path"].startswith("/who"):
            return await respond(send, worker())
        await respond_json(send, {"worker": worker(), "state": {key: shown(state[key]) for key in state}})


app = App()


async def failing(scope, receive, send):
    """Starts up, fails in the worker's startup hook, and says what it is asked."""
    if scope["type"] != "lifespan":
        raise RuntimeError("the hook fails")
    for phase in ("startup", "shutdown"):
        await receive()
        print(phase, flush=True)
        await send({"type": f"lifespan.{phase}.complete"})


def make():
    log("made")
    return App()
