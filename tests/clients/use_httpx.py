"""Uses the server at the URL with httpx."""

import asyncio
import sys

import httpx

url = sys.argv[1]

with httpx.Client(base_url=url, timeout=30) as client:
    assert client.get("/hello").text == "hello"
    assert client.head("/big/1000").headers["content-length"] == "1000"
    assert client.post("/echo", content=b"x" * 500_000).content == b"x" * 500_000
    assert client.post("/echo", content=(b"part" for _ in range(100))).content == b"part" * 100
    assert client.get("/status/204").status_code == 204
    with client.stream("GET", "/stream/100/1000") as response:
        assert sum(len(part) for part in response.iter_bytes()) == 100_000
    headers = client.get("/scope", headers={"X-Name": "value"}).json()["scope"]["headers"]
    assert ["x-name", "value"] in headers


async def main():
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        answers = await asyncio.gather(*(client.get(f"/sleep/0.0{number % 10}") for number in range(50)))
        assert [answer.status_code for answer in answers] == [200] * 50
        try:
            await client.get("/sleep/20", timeout=0.2)
        except httpx.ReadTimeout:
            pass
        assert (await client.get("/hello")).text == "hello"


asyncio.run(main())
print("ok")
