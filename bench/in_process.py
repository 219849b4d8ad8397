"""What an application costs without a server: calls `app` of MODULE for PATH in a plain loop, and prints the CPU
time of a call in microseconds.

    python in_process.py MODULE PATH SECONDS

`receive` gives an empty body once, and `send` takes what comes.
"""

import asyncio
import importlib
import sys
import time

RECEIVED = {"type": "http.request", "body": b"", "more_body": False}


def scope_of(path):
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1:8000")],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "extensions": {},
    }


def receive_of():
    """A `receive` that gives an empty body once; the client never leaves."""
    given = False

    async def receive():
        nonlocal given
        if given:
            await asyncio.get_running_loop().create_future()
        given = True
        return RECEIVED

    return receive


async def send(message):
    pass


async def call(app, path, seconds):
    """Calls for so long; the CPU time of one call in seconds."""
    calls, start, end = 0, time.process_time(), time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(100):
            await app(scope_of(path), receive_of(), send)
        calls += 100
    return (time.process_time() - start) / calls


async def main(module, path, seconds):
    app = importlib.import_module(module).app
    await call(app, path, 0.5)
    print(await call(app, path, float(seconds)) * 1e6)


asyncio.run(main(*sys.argv[1:]))
