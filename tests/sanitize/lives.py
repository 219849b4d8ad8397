"""Lives of the event loop, one after the other: each makes a loop, uses all of it, and closes it with some work left.

Called with the extension module, a certificate, its key, and the number of lives. Prints what the process has after each tenth of
them; fails if it has more objects or descriptors at the end than after the first tenth.
"""

import asyncio
import gc
import os
import signal
import socket
import ssl
import sys
import threading
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


class BufferedEcho(asyncio.BufferedProtocol):
    def connection_made(self, transport):
        self.transport = transport
        self.buffer = bytearray(65536)

    def get_buffer(self, sizehint):
        return self.buffer

    def buffer_updated(self, count):
        self.transport.write(bytes(self.buffer[:count]))


async def echo(protocol, size, server_tls=None, client_tls=None):
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=server_tls)
    address = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(*address, ssl=client_tls)
    for _ in range(5):
        writer.write(b"x" * size)
        assert len(await reader.readexactly(size)) == size
    writer.writelines([b"a", b"b"])
    assert await reader.readexactly(2) == b"ab"
    writer.close()
    server.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def timers():
    loop = asyncio.get_running_loop()
    handles = [loop.call_later(n / 1000, int) for n in range(200)]
    for handle in handles[::2]:
        handle.cancel()
    for _ in range(50):
        await asyncio.sleep(0)


async def threads():
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(asyncio.to_thread(sum, range(10)) for _ in range(5)))
    future = loop.create_future()
    threading.Thread(target=loop.call_soon_threadsafe, args=(future.set_result, 1)).start()
    await future


async def sockets():
    loop = asyncio.get_running_loop()
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    readable = asyncio.Event()
    loop.add_reader(left, readable.set)
    await loop.sock_sendall(right, b"x")
    await readable.wait()
    loop.remove_reader(left)
    assert await loop.sock_recv(left, 1) == b"x"
    left.close()
    right.close()


async def faults():
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    loop.set_exception_handler(lambda loop, context: None)
    loop.call_soon(lambda: 1 / 0)
    seen = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, seen.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await seen.wait()


async def subprocess():
    process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    out, _ = await process.communicate(b"hello")
    assert out == b"hello"


async def live(number, server_tls, client_tls):
    await timers()
    await echo(Echo, 1000)
    await echo(BufferedEcho, 100_000)
    await threads()
    await sockets()
    await faults()
    if number % 5 == 0:
        await echo(Echo, 70_000, server_tls, client_tls)
    if number % 25 == 0:
        await subprocess()
    loop = asyncio.get_running_loop()
    left = [loop.call_later(60, print) for _ in range(20)]
    loop.call_soon(left.clear)


def size():
    gc.collect()
    return len(gc.get_objects()), len(os.listdir("/proc/self/fd"))


def main(module, certificate, key, lives):
    loader = ExtensionFileLoader("_pounce", module)
    extension = module_from_spec(spec_from_loader("_pounce", loader))
    loader.exec_module(extension)
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_tls.load_cert_chain(certificate, key)
    client_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_tls.check_hostname = False
    client_tls.verify_mode = ssl.CERT_NONE
    tenth = max(int(lives) // 10, 1)
    sizes = []
    for number in range(int(lives)):
        with asyncio.Runner(loop_factory=extension.loop_class(), debug=number % 20 == 1) as runner:
            runner.run(live(number, server_tls, client_tls))
        if (number + 1) % tenth == 0:
            sizes.append(size())
            print(f"after {number + 1} lives: %d objects, %d descriptors" % sizes[-1], flush=True)
    (objects, descriptors), (before, descriptors_before) = sizes[-1], sizes[0]
    assert descriptors == descriptors_before and objects < before + 200, sizes


if __name__ == "__main__":
    main(*sys.argv[1:])
