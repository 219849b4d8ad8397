"""Forks children, which outlive the server and report what they inherited from it."""

import asyncio
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings

from kit import lifespan, respond, respond_json, router, routes_of

warnings.simplefilter("ignore", DeprecationWarning)  # about forking with threads, which this tests

# The application's own descriptors, of each kind that the server has too.
LISTENER = socket.create_server(("127.0.0.1", 0))
CLIENT = socket.create_connection(LISTENER.getsockname())
PEER = LISTENER.accept()[0]
FILE = open(__file__)
PIPE = os.pipe()
EPOLL = __import__("select").epoll()
EPOLL.register(PEER)
OWN = [LISTENER.fileno(), CLIENT.fileno(), PEER.fileno(), FILE.fileno(), *PIPE, EPOLL.fileno()]


def links():
    return {int(name): read_link(name) for name in os.listdir("/proc/self/fd")}


def read_link(name):
    try:
        return os.readlink(f"/proc/self/fd/{name}")
    except OSError:
        return ""


def describe(fd):
    with socket.socket(fileno=os.dup(fd)) as found:
        return f"{fd}: {found}"


def report(name, before):
    """Records what a child has: its descriptors, the server's, and its reactions to signals."""
    now = links()
    CLIENT.sendall(b"ping")
    text = json.dumps({
        "own": all(now.get(fd) == before[fd] for fd in OWN) and PEER.recv(4) == b"ping" and bool(EPOLL.poll(0) or True),
        "sockets": [describe(fd) for fd, link in now.items() if link.startswith("socket:") and fd not in OWN],
        "polls": [fd for fd, link in now.items() if "eventpoll" in link and fd not in OWN],
        "anonymous": [link for link in now.values() if "eventfd" in link or "inotify" in link],
        "default": signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
        "pid": os.getpid(),
        "loop": asyncio.run(add(1, 2)),
    })
    with open(name + ".new", "w") as file:
        file.write(text)
    os.rename(name + ".new", name)


async def add(one, other):
    await asyncio.sleep(0.01)
    return one + other


def child(name, before):
    report(name, before)
    time.sleep(600)


def parent_of_child(name, before):
    """Forks again."""
    if os.fork() == 0:
        child(name, before)
        os._exit(0)
    time.sleep(600)


def start_fork(name, target=child):
    before = links()
    pid = os.fork()
    if pid == 0:
        try:
            target(name, before)
        finally:
            os._exit(0)
    return pid


async def fork(scope, receive, send, name):
    await respond(send, str(start_fork(name)))


async def fork_in_thread(scope, receive, send, name):
    await respond(send, str(await asyncio.to_thread(start_fork, name)))


async def fork_twice(scope, receive, send, name):
    await respond(send, str(start_fork(name, parent_of_child)))


async def process(scope, receive, send, name):
    """A child of multiprocessing: waits until it has reported, then terminates and joins it."""
    started = multiprocessing.get_context("fork").Process(target=child, args=(name, links()))
    started.start()
    while not os.path.exists(name):
        await asyncio.sleep(0.02)
    started.terminate()
    await asyncio.to_thread(started.join, 60)
    await respond(send, str(started.exitcode))


async def returning(scope, receive, send):
    """The child goes on as if it were the server."""
    pid = os.fork()
    if pid == 0:
        await asyncio.sleep(0.1)
    await respond(send, str(pid))


async def run_program(scope, receive, send):
    """Starts a program that inherits all it can; lists the inherited descriptors."""
    code = "import os; print(*[os.readlink('/proc/self/fd/' + n) for n in os.listdir('/proc/self/fd') if os.path.lexists('/proc/self/fd/' + n)], sep='\\n')"
    program = subprocess.run([sys.executable, "-c", code], close_fds=False, capture_output=True, text=True)
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], close_fds=False)
    sleeper.terminate()
    await respond_json(send, {"open": program.stdout.splitlines(), "ended": sleeper.wait(60)})


async def hold(scope, receive, send):
    """A response that goes on."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"held", "more_body": True})
    while True:
        await asyncio.sleep(60)


serve = router(routes_of(globals()))


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    await serve(scope, receive, send)
