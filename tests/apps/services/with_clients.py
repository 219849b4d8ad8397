"""HTTP clients that the requests of a worker share: httpx and aiohttp, each made in the lifespan."""

import contextlib
import os

from kit import respond_json
from services.served import served

URL = os.environ["UPSTREAM_URL"]


def lines():
    return [f"line {number}" for number in range(20)]


class Httpx:
    @staticmethod
    @contextlib.asynccontextmanager
    async def opened():
        import httpx

        limits = httpx.Limits(max_connections=3)
        # The default timeout is 5 s, which a busy machine may exceed.
        async with httpx.AsyncClient(base_url=URL, limits=limits, timeout=60) as client:
            yield Httpx(client)

    def __init__(self, client):
        self.client = client

    async def double(self, number):
        return (await self.client.get(f"/double/{number}")).raise_for_status().json()

    async def length(self, body):
        async def pieces():
            for start in range(0, len(body), 10_000):
                yield body[start:start + 10_000]

        return int((await self.client.post("/length", content=pieces())).raise_for_status().text)

    async def lines(self):
        async with self.client.stream("GET", "/stream") as response:
            return [line async for line in response.aiter_lines()]


class Aiohttp:
    @staticmethod
    @contextlib.asynccontextmanager
    async def opened():
        import aiohttp

        connector = aiohttp.TCPConnector(limit=3)
        async with aiohttp.ClientSession(URL, connector=connector, raise_for_status=True) as session:
            yield Aiohttp(session)

    def __init__(self, session):
        self.session = session

    async def double(self, number):
        async with self.session.get(f"/double/{number}") as response:
            return await response.json()

    async def length(self, body):
        async def pieces():
            for start in range(0, len(body), 10_000):
                yield body[start:start + 10_000]

        async with self.session.post("/length", data=pieces()) as response:
            return int(await response.text())

    async def lines(self):
        async with self.session.get("/stream") as response:
            return [line.decode().rstrip("\n") async for line in response.content]


@contextlib.asynccontextmanager
async def opened():
    kind = {"httpx": Httpx, "aiohttp": Aiohttp}[os.environ["CLIENT"]]
    async with kind.opened() as client:
        yield {"client": client}


async def double(scope, receive, send, first, count):
    """Requests one after the other, and the number of connections they used."""
    client = scope["state"]["client"]
    found = [await client.double(int(first) + number) for number in range(int(count))]
    connections = {answer["connection"] for answer in found}
    await respond_json(send, {"sum": sum(answer["twice"] for answer in found), "connections": len(connections)})


async def bodies(scope, receive, send):
    """A large body up, and a stream down."""
    client = scope["state"]["client"]
    await respond_json(send, [await client.length(b"x" * 3_000_000), await client.lines() == lines()])


def create():
    return served({"double": double, "bodies": bodies}, opened)
