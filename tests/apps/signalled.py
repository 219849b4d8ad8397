"""Handles signals in each way that applications use. `HANDLE` says how, `SIGNALS` which; received ones go to a file."""

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings

from kit import lifespan, respond, router, routes_of

warnings.simplefilter("ignore", DeprecationWarning)  # about forking with threads
HOW = os.environ.get("HANDLE", "nothing")
SIGNALS = [signal.Signals[name] for name in os.environ.get("SIGNALS", "SIGTERM").split()]
FILE = os.path.abspath("heard")


def write(text):
    with os.fdopen(os.open(FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "w") as file:
        file.write(text + "\n")


def read():
    try:
        with open(FILE) as file:
            return file.read()
    except FileNotFoundError:
        return ""


def heard(number):
    write(f"heard {signal.Signals(number).name}")


def handle(number, frame):
    heard(number)
    if HOW == "chain":
        previous[number](number, frame)
    elif HOW == "restore and send again":
        signal.signal(number, previous[number])
        os.kill(os.getpid(), number)
    elif HOW == "exit":
        sys.exit(3)
    elif HOW == "raise":
        raise RuntimeError("a handler's own fault")


def install():
    for number in SIGNALS:
        previous[number] = signal.getsignal(number)
        if HOW == "default":
            signal.signal(number, signal.SIG_DFL)
        elif HOW == "ignore":
            signal.signal(number, signal.SIG_IGN)
        elif HOW == "interrupt":
            signal.signal(number, signal.default_int_handler)
        elif HOW not in ("nothing", "loop", "wakeup"):
            signal.signal(number, handle)


previous = {}
try:
    install()
except ValueError:  # only the main thread of the main interpreter may
    previous = {}


async def start_up():
    loop = asyncio.get_running_loop()
    try:
        if HOW == "loop":
            for number in SIGNALS:
                loop.add_signal_handler(number, heard, number)
        elif HOW == "wakeup":
            reader, writer = os.pipe()
            os.set_blocking(reader, False)
            os.set_blocking(writer, False)
            signal.set_wakeup_fd(writer)
            loop.add_reader(reader, lambda: [heard(number) for number in os.read(reader, 64)])
    except (ValueError, RuntimeError):
        pass


async def handler(scope, receive, send, name):
    await respond(send, repr(callable(signal.getsignal(signal.Signals[name]))))


async def call(scope, receive, send, name):
    """Calls the handler from `signal.getsignal()`, without a signal."""
    number = signal.Signals[name]
    signal.getsignal(number)(number, None)
    await respond(send, str(os.getpid()))


async def kill(scope, receive, send, name):
    """Sends the process a signal, twice."""
    os.kill(os.getpid(), signal.Signals[name])
    os.kill(os.getpid(), signal.Signals[name])
    await asyncio.sleep(0.3)
    await respond(send, str(os.getpid()))


async def kill_from_thread(scope, receive, send, name):
    """Has a thread take a signal while the loop waits."""

    def take():
        time.sleep(0.2)
        signal.raise_signal(signal.Signals[name])

    threading.Thread(target=take).start()
    await respond(send, str(os.getpid()))


async def kill_in_child(scope, receive, send, name):
    """Sends a forked child a signal, and answers with the child's exit code."""

    def child():
        os.kill(os.getpid(), signal.Signals[name])

    forked = multiprocessing.get_context("fork").Process(target=child)
    forked.start()
    await asyncio.to_thread(forked.join, 60)
    await respond(send, str(forked.exitcode))


def work():
    write("forked")
    time.sleep(3600)


async def terminated(scope, receive, send):
    """Starts a forked child, terminates it, and waits for its end."""
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    while "forked" not in read():
        await asyncio.sleep(0.02)
    child.terminate()
    await asyncio.to_thread(child.join, 60)
    await respond(send, str(child.exitcode))
    child.kill()


async def sleep(scope, receive, send, seconds):
    write("began")
    await asyncio.sleep(float(seconds))
    await respond(send, "slept")


async def block(scope, receive, send, seconds):
    write("began")
    time.sleep(float(seconds))
    await respond(send, "slept")


serve = router(routes_of(globals()))


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await start_up()
        return await lifespan(receive, send)
    await serve(scope, receive, send)
