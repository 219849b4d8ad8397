"""Names the worker that answers, and kills, blocks or ends it in every way an application can."""

import asyncio
import os
import signal
import sys
import threading
import time

from kit import respond, router, routes_of


def worker():
    """A worker's name: its process and its thread."""
    return f"{os.getpid()}/{threading.get_native_id()}"


def append(file, line):
    """Adds a line to a file of the working directory, which outlives the worker."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "w") as log:
        log.write(line + "\n")


async def who(scope, receive, send, milliseconds="0"):
    """Keeps the worker busy for a while, so that other workers get requests too, and names it."""
    time.sleep(int(milliseconds) / 1000)
    await respond(send, worker())


async def version(scope, receive, send):
    await respond(send, f"{sys.version_info[0]}.{sys.version_info[1]}")


async def counted(scope, receive, send, file, number):
    """First records the number, to show the test which requests began."""
    append(file, number)
    await asyncio.sleep(0.003)
    await respond(send, number, headers=[(b"x-worker", worker().encode())])


async def sleep(scope, receive, send, seconds, file):
    append(file, "began")
    await asyncio.sleep(float(seconds))
    await respond(send, worker())


async def hold(scope, receive, send, file, key):
    """Answers once a file of the second name exists."""
    append(file, "began")
    while not os.path.exists(key):
        await asyncio.sleep(0.02)
    await respond(send, worker())


async def block(scope, receive, send, seconds, file):
    append(file, "began")
    time.sleep(float(seconds))  # stuck here
    await respond(send, worker())


async def only_block(scope, receive, send, seconds):
    """Blocks at one line alone: on a busy machine a file may take long as well."""
    time.sleep(float(seconds))  # blocks here
    await respond(send, worker())


async def killed(scope, receive, send):
    os.kill(os.getpid(), signal.SIGKILL)


async def segfault(scope, receive, send):
    import ctypes

    ctypes.string_at(0)


async def exit_7(scope, receive, send):
    os._exit(7)


async def sys_exit(scope, receive, send):
    sys.exit(3)


async def truncate(scope, receive, send):
    """Tries to truncate the memory that workers share; reports the result."""
    outcomes = []
    for number in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{number}").startswith("/memfd:pounce-load"):
                os.truncate(int(number), 0)
                outcomes.append("cut off")
        except PermissionError:
            outcomes.append("refused")
        except FileNotFoundError:
            pass  # the descriptor of the listing itself
    await respond(send, " ".join(sorted(set(outcomes))))


async def inheritable(scope, receive, send):
    """Makes every descriptor of the process inheritable, as some programs do before they start others."""
    for number in os.listdir("/proc/self/fd"):
        try:
            os.set_inheritable(int(number), True)
        except OSError:
            pass  # the descriptor of the listing itself
    await respond(send, worker())


routes = routes_of(globals())
app = router(routes)
