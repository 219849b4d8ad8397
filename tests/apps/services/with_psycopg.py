"""PostgreSQL by psycopg: a pool that requests share, separate connections, notifications. It watches its
sockets with the loop's add_reader and add_writer."""

import contextlib
import os

import psycopg
from psycopg_pool import AsyncConnectionPool

from kit import respond_json
from services.served import either_way, served

URL = os.environ["POSTGRES_URL"]


@contextlib.asynccontextmanager
async def opened():
    async with AsyncConnectionPool(URL, min_size=1, max_size=3, timeout=60, open=False) as pool:
        yield {"pool": pool}


async def one(connection, query, *values):
    cursor = await connection.execute(query, values)
    return await cursor.fetchone()


async def queries(scope, receive, send, count):
    async with scope["state"]["pool"].connection() as connection:
        found = [(await one(connection, "SELECT %s::int * 2", number))[0] for number in range(int(count))]
    await respond_json(send, {"sum": sum(found), "count": len(found)})


async def connect(scope, receive, send, count):
    async with await psycopg.AsyncConnection.connect(URL) as connection:
        found = [(await one(connection, "SELECT %s::text || '!'", str(number)))[0] for number in range(int(count))]
    await respond_json(send, found)


async def insert(scope, receive, send, table, number):
    async with scope["state"]["pool"].connection() as connection, connection.transaction():
        await connection.execute(f"INSERT INTO {table} VALUES (%s, %s)", (int(number), f"row {number}"))
        row = await one(connection, f"SELECT number, text FROM {table} WHERE number = %s", int(number))
        total = await one(connection, "SELECT sum(n) FROM generate_series(1, 500) AS n")
    await respond_json(send, [*row, int(total[0])])


async def copy(scope, receive, send):
    """COPY in both directions, which fills the socket's buffers."""
    async with scope["state"]["pool"].connection() as connection, connection.cursor() as cursor:
        await cursor.execute("CREATE TEMP TABLE copied (number int, text text) ON COMMIT DROP")
        async with cursor.copy("COPY copied FROM STDIN") as copying:
            for number in range(3000):
                await copying.write_row((number, "x" * 1000))
        size = 0
        async with cursor.copy("COPY (SELECT text FROM copied) TO STDOUT") as copying:
            async for block in copying:
                size += len(block)
        row = await one(connection, "SELECT count(*), sum(number) FROM copied")
    await respond_json(send, [*map(int, row), size])


async def listen(scope, receive, send, channel):
    async with await psycopg.AsyncConnection.connect(URL, autocommit=True) as connection:
        await connection.execute(f"LISTEN {channel}")

        async def events():
            yield "listening"
            async for notification in connection.notifies():
                if notification.payload == "last":
                    return
                yield notification.payload

        await either_way(scope, receive, send, events())


def create():
    return served({"queries": queries, "connect": connect, "insert": insert, "copy": copy, "listen": listen}, opened)
