"""Requests that never end by themselves, with their reactions to cancellation."""

import asyncio

from kit import lifespan


def touch(name):
    with open(name, "w"):
        pass


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    touch("began")
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            touch("cancelled")
            if scope["path"] != "/stubborn":
                raise
