"""What applications do with the task of their request, in its first step and later; every path answers with its observations."""

import asyncio
import contextvars
import gc
import os
import sys
import threading
import time
import weakref

from kit import respond, router, routes_of

KEPT = {}
POOL = asyncio.Queue()
NUMBER = contextvars.ContextVar("NUMBER", default=1)


async def untouched(scope, receive, send):
    await respond(send, "untouched")


async def what_it_is(scope, receive, send):
    task = asyncio.current_task()
    kinds = isinstance(task, asyncio.Task), isinstance(task, asyncio.Future), asyncio.isfuture(task)
    await respond(send, f"{kinds} {type(task).__module__}.{type(task).__name__} {task.get_name()} {task.done()}")


async def type_after_a_wait(scope, receive, send):
    task = asyncio.current_task()
    await asyncio.sleep(0)
    await respond(send, f"{type(task) is asyncio.Task} {task is asyncio.current_task()}")


async def shown(scope, receive, send):
    task = asyncio.current_task()
    early = repr(task)
    await asyncio.sleep(0)
    await respond(send, f"{early.startswith('<Task pending name=')} {repr(task).startswith('<Task pending name=')}")


async def all_tasks(scope, receive, send):
    early = asyncio.current_task() in asyncio.all_tasks()
    await asyncio.sleep(0)
    await respond(send, f"{early} {asyncio.current_task() in asyncio.all_tasks()}")


async def all_tasks_of_a_thread(scope, receive, send):
    event_loop, found = asyncio.get_running_loop(), []
    thread = threading.Thread(target=lambda: found.extend(task.get_name() for task in asyncio.all_tasks(event_loop)))
    thread.start()
    thread.join()
    await respond(send, str(found.count("pounce-request")))


async def keyed(scope, receive, send):
    """A task as a key, as anyio and SQLAlchemy have it."""
    task = asyncio.current_task()
    strong, weak = {task: "strong"}, weakref.WeakKeyDictionary({task: "weak"})
    await asyncio.sleep(0)
    await respond(send, f"{strong[asyncio.current_task()]} {weak[asyncio.current_task()]}")


async def weak(scope, receive, send):
    """Leaves a weak reference to a task that ends in its first step."""
    KEPT["weak"] = weakref.ref(asyncio.current_task())
    await respond(send, "left")


async def weak_now(scope, receive, send):
    await respond(send, str(KEPT["weak"]()))


async def kept(scope, receive, send, how, name):
    """Keeps the task, which ends or waits."""
    task = KEPT[name] = asyncio.current_task()
    KEPT[name + " told"] = []
    if how.startswith("tell"):
        task.add_done_callback(lambda task: KEPT[name + " told"].append(task.cancelled()))
    if how.startswith("cancel"):
        task.cancel("in its first step")
    if how.endswith("wait"):
        await asyncio.sleep(0.01)
    if how.endswith("raise"):
        raise ValueError("after the task was kept")
    await respond(send, "kept")
    return "a value that nobody sees"


async def kept_now(scope, receive, send, name):
    task = KEPT[name]
    state = "cancelled" if task.cancelled() else "done" if task.done() else "pending"
    await respond(send, f"{state} {KEPT[name + ' told']}")


async def awaits_itself(scope, receive, send):
    try:
        await asyncio.current_task()
    except RuntimeError as error:
        await respond(send, str(error).partition(":")[0])


async def awaited_by_a_child(scope, receive, send):
    parent = asyncio.current_task()

    async def child():
        KEPT["result"] = await parent

    KEPT["child"] = asyncio.create_task(child())
    await respond(send, "answered")


async def child_now(scope, receive, send):
    await KEPT["child"]
    await respond(send, str(KEPT["result"]))


async def cancels_itself(scope, receive, send):
    """What it waits for is cancelled, as it was cancelled before it waited."""
    task, seen = asyncio.current_task(), []

    async def child():
        await asyncio.sleep(60)

    waited_for = asyncio.create_task(child())
    task.cancel("enough")
    try:
        await waited_for
    except asyncio.CancelledError as error:
        seen = [error.args, task.cancelling(), waited_for.cancelled()]
    task.uncancel()
    await asyncio.sleep(0)
    await respond(send, f"{seen} {task.cancelling()}")


async def times_out(scope, receive, send):
    try:
        async with asyncio.timeout(0.02):
            await asyncio.sleep(60)
    except TimeoutError:
        await respond(send, "timed out")


async def context(scope, receive, send):
    """Its context variables are its own, and last over its steps."""
    NUMBER.set(NUMBER.get() + 1)
    early = NUMBER.get()
    await asyncio.sleep(0)

    async def child():
        return NUMBER.get()

    inherited = await asyncio.create_task(child())
    await respond(send, f"{early} {NUMBER.get()} {inherited}")


async def collected(scope, receive, send):
    """The collector visits a task in its first step."""
    task = asyncio.current_task()
    gc.collect()
    name = task.get_name()
    gc.collect()
    await respond(send, f"{name} {gc.is_tracked(task)} {task.done()}")


async def named(scope, receive, send):
    asyncio.current_task().set_name("other")
    await asyncio.sleep(0)
    await respond(send, asyncio.current_task().get_name())


async def exits(scope, receive, send):
    asyncio.current_task().get_name()
    sys.exit(3)


async def debug_on(scope, receive, send):
    """The loop's debug mode begins in the first step, and its task is made only then."""
    event_loop = asyncio.get_running_loop()
    event_loop.set_debug(True)
    try:
        asyncio.current_task().get_name()
        await asyncio.sleep(0)
    finally:
        event_loop.set_debug(False)
    await respond(send, "served")


async def takes_from_pool(scope, receive, send):
    await respond(send, "took " + await POOL.get())


async def waiting_for_pool(scope, receive, send):
    await respond(send, str(len(POOL._getters)))


async def gives_to_pool(scope, receive, send):
    """Gives it something as soon as a descriptor is ready, as a task does that has heard from its database; before that, no
    request is read for a while."""
    event_loop = asyncio.get_running_loop()
    heard, said = os.pipe()
    answer = event_loop.create_future()
    event_loop.add_reader(heard, lambda: answer.done() or answer.set_result("a connection"))
    os.write(said, b"x")
    time.sleep(0.5)
    POOL.put_nowait(await answer)
    event_loop.remove_reader(heard)
    os.close(heard)
    os.close(said)
    await respond(send, "gave")


async def takes_at_once(scope, receive, send):
    await respond(send, "nothing" if POOL.empty() else "took " + POOL.get_nowait())


app = router(routes_of(globals()))
