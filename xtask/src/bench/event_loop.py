"""Measures event loops against each other, taking turns: asyncio's, uvloop's and Pounce's.

    event_loop.py ROUNDS CERTIFICATE KEY

Prints a line of JSON for each workload: its name, and for each loop the microseconds of one operation, the least of all rounds. An
operation is a callback, a timer, a message there and back, or a process. Messages are counted in CPU time of the server alone, as
their clients are other processes; the rest is wall-clock time.
"""

import asyncio
import json
import os
import ssl
import sys
import tempfile
import threading
import time

import pounce
import uvloop

LOOPS = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
    "pounce": pounce.new_event_loop,
}

CLIENT = """
import socket, ssl, sys
kind, address, size, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
if kind == "unix":
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
else:
    connection = socket.create_connection(("127.0.0.1", int(address)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
if kind == "tls":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = context.wrap_socket(connection)
message = b"x" * size
for _ in range(count):
    connection.sendall(message)
    left = size
    while left:
        left -= len(connection.recv(left))
"""


def timed(loop, start, count):
    """Runs the loop, which something stops, and returns the microseconds of one of `count` operations."""
    loop.call_soon(start)
    begun = time.perf_counter()
    loop.run_forever()
    return (time.perf_counter() - begun) / count * 1e6


def timed_coroutine(loop, coroutine, count):
    """Runs a coroutine, and returns the microseconds of one of `count` operations."""
    begun = time.perf_counter()
    loop.run_until_complete(coroutine)
    return (time.perf_counter() - begun) / count * 1e6


def countdown(loop, count):
    """A callback that stops the loop when it is called for the last of `count` times."""
    left = count

    def callback():
        nonlocal left
        left -= 1
        if left == 0:
            loop.stop()

    return callback


def call_soon(loop, count=300_000):
    left = count

    def callback():
        nonlocal left
        left -= 1
        if left == 0:
            loop.stop()
        elif left > 100:
            loop.call_soon(callback)

    return timed(loop, lambda: [loop.call_soon(callback) for _ in range(101)], count)


def call_soon_with_arguments(loop, count=200_000):
    def start():
        for number in range(count):
            loop.call_soon(abs, number)
        loop.call_soon(loop.stop)

    return timed(loop, start, count)


def call_soon_threadsafe(loop, count=50_000, threads=4):
    callback = countdown(loop, count * threads)

    def send():
        for _ in range(count):
            loop.call_soon_threadsafe(callback)

    senders = [threading.Thread(target=send) for _ in range(threads)]
    took = timed(loop, lambda: [sender.start() for sender in senders], count * threads)
    for sender in senders:
        sender.join()
    return took


def timers_fired(loop, count=100_000):
    callback = countdown(loop, count)
    return timed(
        loop, lambda: [loop.call_later(number * 7919 % 1000 * 1e-6, callback) for number in range(count)], count
    )


def timers_cancelled(loop, count=200_000):
    def start():
        for _ in range(count):
            loop.call_later(10, abs, 1).cancel()
        loop.stop()

    return timed(loop, start, count)


def task_switches(loop, count=100_000):
    async def main():
        for _ in range(count):
            await asyncio.sleep(0)

    return timed_coroutine(loop, main(), count)


def thread_pool(loop, count=5_000):
    async def main():
        for _ in range(count):
            await loop.run_in_executor(None, abs, 1)

    return timed_coroutine(loop, main(), count)


def spawn(loop, count=100):
    async def main():
        for _ in range(count):
            process = await asyncio.create_subprocess_exec("true")
            await process.wait()

    return timed_coroutine(loop, main(), count)


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


class BufferedEcho(asyncio.BufferedProtocol):
    def connection_made(self, transport):
        self.transport, self.buffer = transport, bytearray(256 * 1024)

    def get_buffer(self, sizehint):
        return self.buffer

    def buffer_updated(self, count):
        self.transport.write(bytes(self.buffer[:count]))


async def echo_stream(reader, writer):
    while data := await reader.read(256 * 1024):
        writer.write(data)
    writer.close()


def echo(size, protocol=None, kind="tcp", count=4_000, clients=3):
    """A workload of messages there and back: over streams, or with a protocol."""

    def run(loop):
        async def main():
            place = {"host": "127.0.0.1", "port": 0}
            if kind == "tls":
                place["ssl"] = context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(sys.argv[2], sys.argv[3])
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "socket")
                if kind == "unix":
                    make = loop.create_unix_server(protocol, path)
                elif protocol is None:
                    make = asyncio.start_server(echo_stream, **place)
                else:
                    make = loop.create_server(protocol, **place)
                server = await make
                address = path if kind == "unix" else str(server.sockets[0].getsockname()[1])
                arguments = ["-c", CLIENT, kind, address, str(size), str(count)]
                processes = [await asyncio.create_subprocess_exec(sys.executable, *arguments) for _ in range(clients)]
                begun = time.process_time()
                for process in processes:
                    if await process.wait() != 0:
                        raise SystemExit("a client failed")
                took = time.process_time() - begun
                server.close()
                await server.wait_closed()
            return took / (count * clients) * 1e6

        return loop.run_until_complete(main())

    return run


WORKLOADS = {
    "call_soon": call_soon,
    "call_soon with arguments": call_soon_with_arguments,
    "call_soon_threadsafe from 4 threads": call_soon_threadsafe,
    "timers made and fired": timers_fired,
    "timers cancelled": timers_cancelled,
    "task switches": task_switches,
    "thread pool": thread_pool,
    "TCP echo 1 KiB, streams": echo(1024),
    "TCP echo 1 KiB, protocol": echo(1024, Echo),
    "TCP echo 1 KiB, buffered protocol": echo(1024, BufferedEcho),
    "TCP echo 64 KiB, streams": echo(64 * 1024, count=2_000),
    "TCP echo 64 KiB, protocol": echo(64 * 1024, Echo, count=2_000),
    "Unix echo 1 KiB, protocol": echo(1024, Echo, "unix"),
    "TLS echo 1 KiB, protocol": echo(1024, Echo, "tls", count=2_000),
    "TLS echo 64 KiB, protocol": echo(64 * 1024, Echo, "tls", count=500),
    "subprocess spawn": spawn,
}


def main():
    for name, workload in WORKLOADS.items():
        best = {}
        for _ in range(int(sys.argv[1])):
            for kind, make in LOOPS.items():
                loop = make()
                asyncio.set_event_loop(loop)
                try:
                    took = workload(loop)
                finally:
                    loop.run_until_complete(loop.shutdown_default_executor())
                    loop.close()
                best[kind] = min(took, best.get(kind, took))
        print(json.dumps([name, best]), flush=True)


if __name__ == "__main__":
    main()
