"""The application's own I/O, each kind with many round trips to a peer outside the loop."""

import asyncio
import contextlib
import os
import socket
import threading
import time

from kit import respond_json
from services.served import served

ECHO = ("127.0.0.1", int(os.environ["ECHO_PORT"]))


def line(number):
    return f"line {number}\n".encode()


async def pipes(scope, receive, send, count):
    """One `cat`, through its standard input and output."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("cat", stdin=pipe, stdout=pipe)
    right = 0
    for number in range(int(count)):
        process.stdin.write(line(number))
        right += await process.stdout.readline() == line(number)
    process.stdin.close()
    rest = await process.stdout.read()
    await respond_json(send, [right, rest.decode(), await process.wait()])


async def pipe_volume(scope, receive, send):
    """More data than the pipes hold, in both directions at once."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("cat", stdin=pipe, stdout=pipe)
    out, _ = await process.communicate(b"x" * 2_000_000)
    await respond_json(send, [len(out), process.returncode])


async def sockets(scope, receive, send, count):
    """The loop's methods for plain sockets."""
    loop = asyncio.get_running_loop()
    right = 0
    with socket.socket() as plain:
        plain.setblocking(False)
        await loop.sock_connect(plain, ECHO)
        for number in range(int(count)):
            await loop.sock_sendall(plain, line(number))
            got = b""
            while len(got) < len(line(number)):
                got += await loop.sock_recv(plain, 100)
            right += got == line(number)
    await respond_json(send, right)


async def socket_volume(scope, receive, send):
    """More data than the socket's buffers hold: sock_sendall waits for room while sock_recv makes it."""
    loop = asyncio.get_running_loop()
    size = 3_000_000
    with socket.socket() as plain:
        plain.setblocking(False)
        await loop.sock_connect(plain, ECHO)
        sending = asyncio.create_task(loop.sock_sendall(plain, b"x" * size))
        got = 0
        while got < size:
            got += len(await loop.sock_recv(plain, 65536))
        await sending
    await respond_json(send, got)


async def accepted(scope, receive, send, count):
    """sock_accept, and a client that is a thread."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        address = listener.getsockname()

        def client(number):
            with socket.create_connection(address, 60) as stream:
                stream.sendall(line(number))
                return stream.makefile("rb").readline() == line(number)

        right = 0
        for number in range(int(count)):
            answered = loop.run_in_executor(None, client, number)
            stream, _ = await loop.sock_accept(listener)
            with stream:
                await loop.sock_sendall(stream, await loop.sock_recv(stream, 100))
            right += await answered
    await respond_json(send, right)


async def datagrams(scope, receive, send, count):
    loop = asyncio.get_running_loop()
    got = asyncio.Queue()

    class Receiver(asyncio.DatagramProtocol):
        def datagram_received(self, data, address):
            got.put_nowait(data)

    transport, _ = await loop.create_datagram_endpoint(Receiver, remote_addr=ECHO)
    right = 0
    for number in range(int(count)):
        transport.sendto(line(number))
        right += await got.get() == line(number)
    transport.close()
    await respond_json(send, right)


async def streams(scope, receive, send, count):
    reader, writer = await asyncio.open_connection(*ECHO)
    right = 0
    for number in range(int(count)):
        writer.write(line(number))
        await writer.drain()
        right += await reader.readline() == line(number)
    writer.close()
    await writer.wait_closed()
    await respond_json(send, right)


async def many_streams(scope, receive, send, count):
    """Concurrent connections: reading one must not hide that another is readable."""

    async def one(number):
        reader, writer = await asyncio.open_connection(*ECHO)
        right = 0
        for _ in range(20):
            writer.write(line(number))
            right += await reader.readline() == line(number)
        writer.close()
        return right

    await respond_json(send, sum(await asyncio.gather(*map(one, range(int(count))))))


async def watched(scope, receive, send, count):
    """add_reader on a pipe that a thread writes to, each piece after the previous one was read."""
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    was_read = threading.Semaphore(1)
    got = asyncio.Queue()

    def write():
        for number in range(int(count)):
            was_read.acquire(timeout=60)
            os.write(writing, line(number))
        os.close(writing)

    def read():
        got.put_nowait(os.read(reading, 100))
        was_read.release()

    loop.add_reader(reading, read)
    thread = threading.Thread(target=write)
    thread.start()
    right = 0
    for number in range(int(count)):
        right += await got.get() == line(number)
    end = await got.get()
    loop.remove_reader(reading)
    os.close(reading)
    thread.join()
    await respond_json(send, [right, end.decode()])


async def executor(scope, receive, send, count):
    """Threads that end while nothing else would wake the loop, and threads that call it."""
    loop = asyncio.get_running_loop()

    def square(number):
        time.sleep(0.001)
        return number * number

    async def double(number):
        await asyncio.sleep(0)
        return number * 2

    def through_the_loop(number):
        return asyncio.run_coroutine_threadsafe(double(number), loop).result(60)

    numbers = range(int(count))
    one_by_one = [await loop.run_in_executor(None, square, number) for number in numbers]
    at_once = await asyncio.gather(*(asyncio.to_thread(square, number) for number in numbers))
    doubled = [await loop.run_in_executor(None, through_the_loop, number) for number in numbers]
    await respond_json(send, [sum(one_by_one), sum(at_once), sum(doubled)])


async def files(scope, receive, send, name):
    """Files by aiofiles, in the working directory."""
    import aiofiles

    async with aiofiles.open(name, "wb") as file:
        for number in range(50):
            await file.write(line(number))
    async with aiofiles.open(name, "rb") as file:
        found = [text async for text in file]
    async with aiofiles.open(name) as file:
        await file.seek(0, os.SEEK_END)
        size = await file.tell()
    os.unlink(name)
    await respond_json(send, [found == list(map(line, range(50))), size])


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data.upper())


async def serve_lines(reader, writer):
    while text := await reader.readline():
        writer.write(text.upper())
        await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def opened():
    """Two servers that the application runs itself."""
    protocol = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    streams = await asyncio.start_server(serve_lines, "127.0.0.1", 0)
    try:
        yield {"ports": [server.sockets[0].getsockname()[1] for server in (protocol, streams)]}
    finally:
        protocol.close()
        streams.close()


async def ports(scope, receive, send):
    await respond_json(send, scope["state"]["ports"])


def create():
    return served({
        "pipes": pipes, "pipe-volume": pipe_volume, "sockets": sockets, "socket-volume": socket_volume,
        "accepted": accepted, "datagrams": datagrams, "streams": streams, "many-streams": many_streams,
        "watched": watched, "executor": executor, "files": files, "ports": ports,
    }, opened)
