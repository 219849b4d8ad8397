"""An application with a filter and a handler of its own for Python's logging."""

import logging
import sys
import threading

from kit import respond, router, routes_of


class NoHealthChecks(logging.Filter):
    """As users of uvicorn write it."""

    def filter(self, record):
        return record.args[2] != "/health"


class Hanging(logging.Handler):
    """Never returns."""

    def emit(self, record):
        print("a handler hangs", file=sys.stderr, flush=True)
        threading.Event().wait()


async def health(scope, receive, send):
    await respond(send, b"well")


async def bytes(scope, receive, send):
    await respond(send, b"7 bytes")


async def fail(scope, receive, send):
    1 / 0


app = router(routes_of(globals()))


async def failing(scope, receive, send):
    raise RuntimeError("it does not start")
