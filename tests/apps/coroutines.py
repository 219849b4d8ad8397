"""`receive` and `send` as coroutine functions: other threads, messages never sent, calls cut off."""

import asyncio
import functools
import gc
import inspect
import sys
import threading
import warnings
import weakref

from kit import body, describe_error, note, read_body, respond, respond_json, router, routes_of, start

TASKS = []


async def from_another_thread(scope, receive, send):
    """A thread makes the loop receive the request and send the response."""
    loop = asyncio.get_running_loop()

    def work():
        def run(coroutine):
            return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

        text = run(receive())["body"]
        length = (b"content-length", str(len(text)).encode())
        run(send({"type": "http.response.start", "status": 200, "headers": [length]}))
        run(send({"type": "http.response.body", "body": text.upper()}))

    await asyncio.to_thread(work)


async def stepped_on_another_thread(scope, receive, send):
    """Results of a thread that steps, throws into and closes coroutines itself."""
    seen = []

    def work():
        for what in (lambda: receive().__next__(), lambda: send({}).send(None), lambda: send({}).throw(ValueError())):
            try:
                what()
                seen.append("no exception")
            except RuntimeError as error:
                seen.append(str(error))
        seen.append(repr(receive().close()))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        await asyncio.to_thread(work)
    await respond_json(send, seen)


async def looks(scope, receive, send):
    """The answers of `inspect` about both functions."""
    await respond_json(send, {
        "receive": [inspect.iscoroutinefunction(receive), str(inspect.signature(receive)), receive.__name__],
        "send": [inspect.iscoroutinefunction(send), str(inspect.signature(send)), send.__name__],
        "partial": inspect.iscoroutinefunction(functools.partial(send, {})),
    })


async def arguments(scope, receive, send):
    """The exceptions of calls with wrong arguments; one call, by keyword, is valid."""
    seen = []
    for call in (
        lambda: receive(1), lambda: receive(message=1), lambda: send(), lambda: send(1, 2),
        lambda: send(wrong=1), lambda: send({}, message={}),
    ):
        try:
            call().close()
            seen.append("no exception")
        except TypeError as error:
            seen.append(str(error))
    text = "\n".join(seen).encode()
    await send(message={"type": "http.response.start", "status": 200, "headers": []})
    await send(message={"type": "http.response.body", "body": text})


async def not_awaited(scope, receive, send):
    """A message that is not awaited is not sent, and Python warns as for any coroutine."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        send({"type": "http.response.start", "status": 500, "headers": []})
        closed = send({"type": "http.response.start", "status": 500, "headers": []})
        closed.close()
        del closed
    again = send({"type": "http.response.start", "status": 200, "headers": []})
    await again
    try:
        await again
    except RuntimeError as error:
        caught.append(error)
    await body(send, "\n".join(str(getattr(each, "message", each)) for each in caught).encode())


async def cycles(scope, receive, send):
    """Coroutines in a cycle with their messages, which only the collector can free."""
    class Marker:
        pass

    markers = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(100):
            marker = Marker()
            markers.append(weakref.ref(marker))
            message = {"type": "http.response.start", "marker": marker}
            message["cycle"] = send(message)
            del message, marker
        gc.collect()
    await respond(send, str(sum(marker() is not None for marker in markers)))


async def waiters(scope, receive, send, token):
    """Starts tasks that wait in receive() and in send(), and waits until it is cancelled."""
    await read_body(receive)

    async def wait(number):
        TASKS.append(asyncio.current_task())
        message = await receive()
        note(token, message["type"])

    tasks = [asyncio.create_task(wait(number)) for number in range(10)]
    note(token, "waits")
    try:
        await asyncio.Event().wait()
    finally:
        note(token, "cancelled")
        TASKS.extend(tasks)


async def waiting(scope, receive, send):
    """How many of these tasks still wait."""
    await respond(send, str(sum(not task.done() for task in TASKS)))


async def hammer(scope, receive, send):
    """Threads misuse the coroutines of this request."""
    task = asyncio.current_task()
    coroutine = task.get_coro()
    stop = threading.Event()

    def work():
        attempts = (
            lambda: send({}).send(None), lambda: receive().throw(ValueError("x")), lambda: send({}).close(),
            lambda: next(receive()), lambda: coroutine.send(None), lambda: coroutine.throw(ValueError("x")),
            lambda: coroutine.close(), lambda: coroutine.cr_frame, lambda: repr(coroutine), lambda: repr(send),
            lambda: send(), lambda: receive(1, 2), lambda: receive(no=1),
        )
        if getattr(sys, "_is_gil_enabled", lambda: True)():
            # Free-threaded Python itself crashes when it walks frames that another thread runs.
            attempts += (task.get_stack,)
        while not stop.is_set():
            for attempt in attempts:
                try:
                    attempt()
                except (RuntimeError, TypeError, ValueError, StopIteration):
                    pass

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            await asyncio.sleep(0.005)
            gc.collect(0)
        stop.set()
        await asyncio.gather(*(asyncio.to_thread(thread.join) for thread in threads))
    await respond(send, "hammered")


async def async_to_sync(scope, receive, send):
    """asgiref's bridge, by which synchronous consumers send."""
    from asgiref.sync import async_to_sync, sync_to_async

    def work():
        async_to_sync(send)({"type": "http.response.start", "status": 200, "headers": []})
        async_to_sync(send)({"type": "http.response.body", "body": b"from a synchronous function"})

    await sync_to_async(work)()


async def wsgi(scope, receive, send):
    """A WSGI application behind asgiref's wrapper."""
    from asgiref.wsgi import WsgiToAsgi

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["wsgi.input"].read(), b" by WSGI"]

    await WsgiToAsgi(application)(scope, receive, send)


app = router(routes_of(globals()))
