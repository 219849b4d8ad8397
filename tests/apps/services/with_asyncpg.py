"""PostgreSQL by asyncpg: a pool that requests share, separate connections, notifications."""

import asyncio
import contextlib
import os

import asyncpg

from kit import respond_json
from services.served import either_way, served

URL = os.environ["POSTGRES_URL"]


@contextlib.asynccontextmanager
async def opened():
    async with asyncpg.create_pool(URL, min_size=1, max_size=3) as pool:
        yield {"pool": pool}


async def queries(scope, receive, send, count):
    """Many queries one after the other, and their sum."""
    async with scope["state"]["pool"].acquire() as connection:
        found = [await connection.fetchval("SELECT $1::int * 2", number) for number in range(int(count))]
    await respond_json(send, {"sum": sum(found), "count": len(found)})


async def connect(scope, receive, send, count):
    """A connection that only this request uses."""
    connection = await asyncpg.connect(URL)
    try:
        found = [await connection.fetchval("SELECT $1::text || '!'", str(number)) for number in range(int(count))]
    finally:
        await connection.close()
    await respond_json(send, found)


async def insert(scope, receive, send, table, number):
    """A transaction of several statements on a free connection of the pool."""
    async with scope["state"]["pool"].acquire() as connection, connection.transaction():
        await connection.execute(f"INSERT INTO {table} VALUES ($1, $2)", int(number), f"row {number}")
        row = await connection.fetchrow(f"SELECT number, text FROM {table} WHERE number = $1", int(number))
        rows = await connection.fetch("SELECT n FROM generate_series(1, 500) AS n")
    await respond_json(send, [row["number"], row["text"], sum(row["n"] for row in rows)])


async def large(scope, receive, send):
    """More rows than one read of a socket gives, by a cursor."""
    async with scope["state"]["pool"].acquire() as connection, connection.transaction():
        query = "SELECT n, repeat('x', 1000) AS text FROM generate_series(1, 3000) AS n"
        found = [(row["n"], len(row["text"])) async for row in connection.cursor(query, prefetch=100)]
    await respond_json(send, [len(found), sum(n for n, _ in found), sum(size for _, size in found)])


async def listen(scope, receive, send, channel):
    """Notifications as they come, up to the one marked as the last."""
    queue = asyncio.Queue()
    connection = await asyncpg.connect(URL)
    await connection.add_listener(channel, lambda _connection, _pid, _channel, payload: queue.put_nowait(payload))

    async def events():
        yield "listening"
        while (payload := await queue.get()) != "last":
            yield payload

    try:
        await either_way(scope, receive, send, events())
    finally:
        await connection.close()


def create():
    return served(
        {"queries": queries, "connect": connect, "insert": insert, "large": large, "listen": listen}, opened)
