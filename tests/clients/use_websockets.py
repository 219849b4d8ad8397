"""Uses the chat page at the URL with the websockets library."""

import asyncio
import os
import ssl
import sys

import websockets

url = sys.argv[1]
context = None
if url.startswith("wss:"):
    context = ssl.create_default_context(cafile=sys.argv[2])
    # The tests' certificates have no key identifiers.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT


def connect(path, **options):
    return websockets.connect(url + path, ssl=context, max_size=None, **options)


async def talk(compression):
    async with connect("/chat/room/ann", subprotocols=["x", "chat"], compression=compression) as ann:
        assert ann.subprotocol == "chat"
        assert bool(ann.protocol.extensions) == (compression is not None), ann.protocol.extensions
        async with connect("/chat/room/bob", compression=compression) as bob:
            assert bob.subprotocol is None
            for number in range(100):
                text = f"message {number} " + "again " * number
                await ann.send(text)
                assert await ann.recv() == await bob.recv() == f"ann: {text}"
        assert await ann.recv() == "bob left"
        await ann.send(f"{part} " for part in ("in", "fragments"))
        assert await ann.recv() == "ann: in fragments "
        await (await ann.ping(b"payload"))


async def echo(compression):
    async with connect("/echo", compression=compression) as socket:
        for size in (0, 1, 125, 126, 65535, 65536, 3_000_000):
            for block in (b"a" * size, os.urandom(size)):
                await socket.send(block)
                assert await socket.recv() == block


async def ends():
    async with connect("/done") as socket:
        try:
            await socket.recv()
        except websockets.ConnectionClosed as error:
            assert (error.rcvd.code, error.rcvd.reason) == (3210, "done"), error
    try:
        await connect("/private")
    except websockets.InvalidStatus as error:
        assert error.response.status_code == 403, error
    else:
        raise AssertionError("accepted")


async def main():
    for compression in (None, "deflate"):
        await talk(compression)
        await echo(compression)
    await ends()


asyncio.run(asyncio.wait_for(main(), 40))
print("ok")
