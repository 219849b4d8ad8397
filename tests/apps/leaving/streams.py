"""The two streams that every application here serves, and the number of open ones. Each application has the paths
/endless, /idle and /live."""

import asyncio
import contextlib
import gc

LIVE = 0


@contextlib.contextmanager
def counted():
    global LIVE
    LIVE += 1
    try:
        yield
    finally:
        LIVE -= 1


async def endless():
    """One piece after the other, for as long as the client reads them."""
    with counted():
        while True:
            yield "x" * 1000
            await asyncio.sleep(0)


async def idle():
    """One piece, and then the next event never comes."""
    with counted():
        yield "begun"
        await asyncio.Event().wait()


STREAMS = {"endless": endless, "idle": idle}


def live():
    """The number of open streams. A generator that its framework leaves at a yield is closed when it is collected."""
    gc.collect()
    return {"live": LIVE}
