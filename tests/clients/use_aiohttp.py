"""Uses the server at the URL with aiohttp."""

import asyncio
import sys

import aiohttp

url = sys.argv[1]


async def parts():
    for _ in range(100):
        yield b"part"


async def fetch(session, number):
    async with session.post(f"{url}/echo", data=str(number).encode()) as response:
        return await response.text()


async def main():
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        answers = await asyncio.gather(*(fetch(session, number) for number in range(200)))
        assert answers == [str(number) for number in range(200)]
        async with session.post(f"{url}/echo", data=parts()) as response:
            assert await response.read() == b"part" * 100
        async with session.post(f"{url}/echo", data=b"x" * 100_000, expect100=True) as response:
            assert await response.read() == b"x" * 100_000
        async with session.get(f"{url}/stream/100/1000") as response:
            assert sum([len(part) async for part in response.content.iter_any()]) == 100_000
        async with session.head(f"{url}/big/1000") as response:
            assert response.headers["content-length"] == "1000"


asyncio.run(main())
print("ok")
