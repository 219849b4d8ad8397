"""Uses of threads, processes, sockets and signals; every path answers with its observations."""

import asyncio
import concurrent.futures
import contextvars
import os
import signal
import socket
import threading
import time

from kit import respond, respond_json, router, routes_of

USER = contextvars.ContextVar("USER", default="nobody")


async def executor(scope, receive, send):
    loop = asyncio.get_running_loop()
    thread = await loop.run_in_executor(None, threading.get_ident)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        value = await loop.run_in_executor(pool, sum, range(10))
    await respond(send, f"{thread != threading.get_ident()} {value}")


async def to_thread(scope, receive, send):
    USER.set("somebody")
    await respond(send, await asyncio.to_thread(USER.get))


async def to_thread_raises(scope, receive, send):
    def fail():
        raise LookupError("in the thread")

    try:
        await asyncio.to_thread(fail)
    except LookupError as error:
        await respond(send, str(error))


async def anyio_to_thread(scope, receive, send):
    import anyio
    import anyio.from_thread
    import anyio.to_thread

    def work():
        return anyio.from_thread.run(double, 21)

    async def double(number):
        await anyio.sleep(0.01)
        return number * 2

    results = [await anyio.to_thread.run_sync(work) for _ in range(3)]
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 0.01)
    await respond_json(send, results)


async def thread_safe(scope, receive, send):
    """Another thread wakes the loop while nothing else would."""
    loop = asyncio.get_running_loop()
    woken = loop.create_future()

    def work():
        time.sleep(0.1)
        loop.call_soon_threadsafe(woken.set_result, threading.get_ident())

    threading.Thread(target=work).start()
    await respond(send, str(await woken != threading.get_ident()))


async def coroutine_threadsafe(scope, receive, send):
    loop = asyncio.get_running_loop()

    async def answer():
        return "from the loop"

    def work():
        return asyncio.run_coroutine_threadsafe(answer(), loop).result(30)

    await respond(send, await loop.run_in_executor(None, work))


async def subprocess(scope, receive, send):
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("/bin/sh", "-c", "tr a-z A-Z; exit 7", stdin=pipe, stdout=pipe)
    out, _ = await process.communicate(b"piped")
    await respond(send, out + b" " + str(process.returncode).encode())


async def shell(scope, receive, send):
    process = await asyncio.create_subprocess_shell("exit 9")
    await respond(send, str(await process.wait()))


async def reader_and_writer(scope, receive, send):
    """add_reader and add_writer on both ends of a socket pair."""
    loop = asyncio.get_running_loop()
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    got, written = loop.create_future(), loop.create_future()

    def write():
        left.send(b"over the pair")
        removed = loop.remove_writer(left)
        written.set_result(removed)

    loop.add_reader(right, lambda: got.done() or got.set_result(right.recv(100)))
    loop.add_writer(left, write)
    text = await got
    flags = f" {await written} {loop.remove_reader(right)} {loop.remove_reader(right)}"
    left.close()
    right.close()
    await respond(send, text + flags.encode())


async def streams(scope, receive, send):
    """A TCP server and a client by asyncio, inside the worker."""

    async def serve(reader, writer):
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"line\n")
    text = await reader.read()
    writer.close()
    await writer.wait_closed()
    server.close()
    await respond(send, text)


async def round_trips(scope, receive, send):
    """Several questions and answers over one connection: the second answer must wake the loop as the first did."""

    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    answers = []
    for word in (b"one", b"two", b"three", b"four"):
        writer.write(word + b"\n")
        answers.append((await reader.readline()).strip())
    writer.close()
    server.close()
    await respond(send, b" ".join(answers))


async def round_trips_with_a_thread(scope, receive, send):
    """The same with a peer outside this loop: nothing else wakes it."""
    left, right = socket.socketpair()

    def serve():
        with right, right.makefile("rwb", buffering=0) as file:
            for line in file:
                file.write(line.upper())

    threading.Thread(target=serve).start()
    reader, writer = await asyncio.open_connection(sock=left)
    answers = []
    for word in (b"one", b"two", b"three", b"four"):
        writer.write(word + b"\n")
        answers.append((await reader.readline()).strip())
    writer.close()
    await respond(send, b" ".join(answers))


async def datagrams(scope, receive, send):
    loop = asyncio.get_running_loop()
    got = loop.create_future()

    class Receiver(asyncio.DatagramProtocol):
        def datagram_received(self, data, address):
            got.set_result(data)

    receiver, _ = await loop.create_datagram_endpoint(Receiver, local_addr=("127.0.0.1", 0))
    sender, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=receiver.get_extra_info("sockname"))
    sender.sendto(b"datagram")
    text = await got
    sender.close()
    receiver.close()
    await respond(send, text)


async def resolve(scope, receive, send):
    found = await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
    await respond(send, str(found[0][4]))


async def signal_handler(scope, receive, send):
    """The application's handler for a signal that the server does not use."""
    loop = asyncio.get_running_loop()
    got = loop.create_future()
    loop.add_signal_handler(signal.SIGWINCH, lambda: got.done() or got.set_result("handled"))
    os.kill(os.getpid(), signal.SIGWINCH)
    text = await got
    await respond(send, f"{text} {loop.remove_signal_handler(signal.SIGWINCH)}")


app = router(routes_of(globals()))
