"""Uses of tasks, timers and receive, one path for each; every path answers with its observations."""

import asyncio
import concurrent.futures
import contextvars
import os
import time
import traceback

from kit import note, read_body, respond, respond_json, router, routes_of

KEPT = set()
USER = contextvars.ContextVar("USER", default="nobody")


async def running_loop(scope, receive, send):
    loop = asyncio.get_running_loop()
    same = loop is asyncio.get_event_loop()
    await respond(send, f"{isinstance(loop, asyncio.AbstractEventLoop)} {loop.is_running()} {same}")


async def current_task(scope, receive, send):
    task = asyncio.current_task()
    inside = task in asyncio.all_tasks()
    await respond(send, f"{isinstance(task, asyncio.Task)} {inside} {task.done()}")


async def current_task_after_await(scope, receive, send):
    before = asyncio.current_task()
    await asyncio.sleep(0.01)
    await respond(send, str(before is asyncio.current_task()))


async def policy_of_pool(scope, receive, send):
    """How the kernel schedules a pool's thread that has reported to the loop, and the loop's thread."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        loop = asyncio.get_running_loop()
        # Long enough for the loop to wait for it: else the thread has nobody to report to.
        await loop.run_in_executor(pool, time.sleep, 0.1)
        of_pool = await loop.run_in_executor(pool, os.sched_getscheduler, 0)
    names = {os.SCHED_OTHER: "other", os.SCHED_BATCH: "batch"}
    await respond(send, f"{names[of_pool]} {names[os.sched_getscheduler(0)]}")


async def sleeps(scope, receive, send):
    """Timers fire in the order of their times."""
    order = []

    async def one(delay):
        await asyncio.sleep(delay)
        order.append(delay)

    await asyncio.gather(*(one(delay) for delay in (0.06, 0.02, 0.04, 0)))
    await respond_json(send, order)


async def call_soon_order(scope, receive, send):
    loop, order, done = asyncio.get_running_loop(), [], asyncio.Event()
    for number in range(5):
        loop.call_soon(order.append, number)
    cancelled = loop.call_soon(order.append, "cancelled")
    cancelled.cancel()
    loop.call_soon(done.set)
    await done.wait()
    await respond_json(send, order)


async def call_at(scope, receive, send):
    loop = asyncio.get_running_loop()
    reached = loop.create_future()
    handle = loop.call_later(0.01, reached.set_result, "wrong")
    handle.cancel()
    loop.call_at(loop.time() + 0.03, reached.set_result, "right")
    await respond(send, await reached)


async def task_group(scope, receive, send):
    async def double(number):
        await asyncio.sleep(0.01)
        return number * 2

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(double(number)) for number in range(4)]
    await respond_json(send, [task.result() for task in tasks])


async def task_group_fails(scope, receive, send):
    async def fail():
        raise ValueError("one failed")

    try:
        async with asyncio.TaskGroup() as group:
            other = group.create_task(asyncio.sleep(60))
            group.create_task(fail())
    except* ValueError:
        pass
    await respond(send, f"cancelled {other.cancelled()}")


async def timeout(scope, receive, send):
    try:
        async with asyncio.timeout(0.02):
            await asyncio.sleep(60)
    except TimeoutError:
        return await respond(send, b"timed out")
    await respond(send, b"no timeout")


async def timeout_on_receive(scope, receive, send):
    """receive can be cancelled and called again."""
    try:
        await asyncio.wait_for(receive(), 0.05)
    except (TimeoutError, asyncio.TimeoutError):
        return await respond(send, b"gave up " + (await read_body(receive) or b""))
    await respond(send, b"no timeout")


async def receive_as_task(scope, receive, send):
    message = await asyncio.create_task(receive())
    await respond(send, message["body"])


async def receive_beside_work(scope, receive, send, token):
    """Watches for the disconnect in a task while the response is made, as frameworks do."""
    await read_body(receive)
    watcher = asyncio.create_task(receive())
    await asyncio.sleep(0.05)
    early = watcher.done()
    await respond(send, f"disconnected early: {early}")
    note(token, (await watcher)["type"])


async def receive_cancelled(scope, receive, send):
    watcher = asyncio.create_task(receive())
    await asyncio.sleep(0.01)
    watcher.cancel()
    try:
        await watcher
    except asyncio.CancelledError:
        pass
    await respond(send, f"cancelled {watcher.cancelled()}")


async def driven_by_hand(scope, receive, send):
    """Drives the awaitables as a library without asyncio would: with send(None)."""
    steps = drive(receive().__await__())
    first = drive(send({"type": "http.response.start", "status": 200, "headers": []}).__await__())
    text = steps[1]["body"] + b" " + steps[1]["type"].encode() + f" {first[1]}".encode()
    drive(send({"type": "http.response.body", "body": text}))


def drive(awaitable):
    """The values yielded, which must all be futures of asyncio, and the value returned."""
    yielded = []
    while True:
        try:
            step = awaitable.send(None)
        except StopIteration as stop:
            return yielded, stop.value
        assert step is None or asyncio.isfuture(step), f"yielded {step!r}"
        yielded.append(step)


async def throw_into_receive(scope, receive, send):
    """The coroutine of receive supports throw and close, like any other."""
    thrown = receive()
    try:
        thrown.throw(KeyError("thrown in"))
        outcome = "swallowed"
    except KeyError as error:
        outcome = f"KeyError {error.args[0]}"
    closed = receive()
    closed.close()
    await respond(send, outcome)


async def block(scope, receive, send, seconds):
    time.sleep(float(seconds))
    await respond(send, b"unblocked")


async def leak_task(scope, receive, send, token):
    """A task that outlives its request, with the request's context."""
    USER.set(token)

    async def later():
        await asyncio.sleep(0.1)
        note(token, "later " + USER.get())

    task = asyncio.create_task(later())
    KEPT.add(task)
    task.add_done_callback(KEPT.discard)
    await respond(send, b"left behind")


async def leak_failing_task(scope, receive, send, token):
    async def fail():
        raise RuntimeError(f"{token} in a task nobody waits for")

    asyncio.create_task(fail())
    await asyncio.sleep(0)
    await respond(send, b"left behind")


async def many_tasks(scope, receive, send):
    queue = asyncio.Queue(10)

    async def produce():
        for number in range(1000):
            await queue.put(number)

    async def consume():
        return sum([await queue.get() for _ in range(1000)])

    results = await asyncio.gather(produce(), consume())
    await respond(send, str(results[1]))


async def holds_the_loop(scope, receive, send):
    """Blocks the loop in the call's first step, or in the next."""
    if scope["query_string"] == b"later":
        await asyncio.sleep(0)
    time.sleep(0.2)
    await respond(send, "held")


async def stack_files(scope, receive, send):
    await respond_json(send, [frame.filename for frame in traceback.extract_stack()])


async def generator(scope, receive, send):
    """An asynchronous generator that is abandoned half-way and cleaned up by the loop."""

    async def numbers():
        for number in range(10):
            yield number
            await asyncio.sleep(0)

    seen = []
    async for number in numbers():
        seen.append(number)
        if number == 3:
            break
    await respond_json(send, seen)


app = router(routes_of(globals()))
