"""Redis by redis-py's asyncio client: one client that requests share, pipelines, subscriptions, blocking pops."""

import contextlib
import os

import redis.asyncio

from kit import respond_json
from services.served import either_way, served


@contextlib.asynccontextmanager
async def opened():
    # The default timeout is 5 s, which a busy machine may exceed.
    client = redis.asyncio.from_url(os.environ["REDIS_URL"], decode_responses=True, socket_timeout=60)
    try:
        yield {"redis": client}
    finally:
        await client.aclose()


async def commands(scope, receive, send, key, count):
    client = scope["state"]["redis"]
    found = []
    for number in range(int(count)):
        await client.set(f"{key}:{number}", f"value {number}")
        found.append(await client.get(f"{key}:{number}"))
    await respond_json(send, found)


async def pipeline(scope, receive, send, key, count):
    """A transaction of several commands, and a large value."""
    async with scope["state"]["redis"].pipeline(transaction=True) as pipe:
        for number in range(int(count)):
            pipe.rpush(key, number)
        pipe.lrange(key, 0, -1)
        pipe.delete(key)
        *_, values, deleted = await pipe.execute()
    await scope["state"]["redis"].set(key, "x" * 1_000_000)
    large = await scope["state"]["redis"].getdel(key)
    await respond_json(send, [sum(map(int, values)), deleted, len(large)])


async def count(scope, receive, send, key, number):
    """Increments the counter that all requests share."""
    client = scope["state"]["redis"]
    await client.incr(key)
    await client.sadd(f"{key}:seen", number)
    await respond_json(send, int(number))


async def pop(scope, receive, send, key):
    """Waits for a push without a time limit."""
    _, value = await scope["state"]["redis"].blpop(key, timeout=0)
    await respond_json(send, value)


async def subscribe(scope, receive, send, channel):
    """Published messages, up to the one marked as the last."""

    async def events():
        async with scope["state"]["redis"].pubsub() as subscription:
            await subscription.subscribe(channel)
            async for message in subscription.listen():
                if message["type"] == "subscribe":
                    yield "listening"
                elif message["data"] == "last":
                    return
                else:
                    yield message["data"]

    await either_way(scope, receive, send, events())


def create():
    return served(
        {"commands": commands, "pipeline": pipeline, "count": count, "pop": pop, "subscribe": subscribe}, opened)
