"""Uses the chat page at the URL with aiohttp's WebSocket client."""

import asyncio
import os
import ssl
import sys

import aiohttp

url = sys.argv[1]
context = True
if len(sys.argv) > 2:
    context = ssl.create_default_context(cafile=sys.argv[2])
    # The tests' certificates have no key identifiers.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT


async def talk(session, compress):
    options = {"compress": compress, "ssl": context, "max_msg_size": 0}
    async with session.ws_connect(url + "/chat/room/ann", protocols=["chat"], **options) as ann:
        assert ann.protocol == "chat" and bool(ann.compress) == bool(compress), (ann.protocol, ann.compress)
        async with session.ws_connect(url + "/chat/room/bob", **options) as bob:
            for number in range(100):
                text = f"message {number} " + "again " * number
                await ann.send_str(text)
                assert await ann.receive_str() == await bob.receive_str() == f"ann: {text}"
        assert await ann.receive_str() == "bob left"
        await ann.ping(b"payload")
    async with session.ws_connect(url + "/echo", **options) as socket:
        for size in (0, 1, 125, 126, 65535, 65536, 1_000_000):
            for block in (b"a" * size, os.urandom(size)):
                await socket.send_bytes(block)
                assert await socket.receive_bytes() == block


async def main():
    async with aiohttp.ClientSession() as session:
        for compress in (0, 9, 12, 15):
            await talk(session, compress)
        async with session.ws_connect(url + "/done", ssl=context) as socket:
            message = await socket.receive()
            assert message.type == aiohttp.WSMsgType.CLOSE and (message.data, message.extra) == (3210, "done"), message
        try:
            await session.ws_connect(url + "/private", ssl=context)
        except aiohttp.WSServerHandshakeError as error:
            assert error.status == 403, error
        else:
            raise AssertionError("accepted")


asyncio.run(asyncio.wait_for(main(), 40))
print("ok")
