"""Says what the server has made of the process."""

import os

from kit import respond, router, routes_of


async def process(scope, receive, send, name=None):
    with open("/proc/self/comm") as comm:
        parts = [os.getcwd(), f"{os.getuid()}:{os.getgid()}", comm.read().strip(), os.environ.get(name or "", "-")]
    await respond(send, " ".join(parts))


async def make(scope, receive, send, name):
    """Makes a file in the working directory, and answers with its permission bits."""
    descriptor = os.open(name, os.O_CREAT | os.O_WRONLY, 0o666)
    mode = os.fstat(descriptor).st_mode & 0o777
    os.close(descriptor)
    await respond(send, f"{mode:o}")


app = router(routes_of(globals()))
