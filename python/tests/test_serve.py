"""`await server.serve()`: the application runs in the caller's event loop."""

import asyncio
import contextlib
import http.client
import threading

import apps as applications
import pounce
import pytest


def loops():
    yield pytest.param(asyncio.run, id="asyncio")
    with contextlib.suppress(ImportError):
        import uvloop

        yield pytest.param(uvloop.run, id="uvloop")
    with contextlib.suppress(ImportError):
        import anyio

        yield pytest.param(lambda coroutine: anyio.run(lambda: coroutine), id="anyio")


every_loop = pytest.mark.parametrize("run", list(loops()))


def make(app):
    return pounce.Server(pounce.Config(app, port=0, access_log=False, log_level="critical"))


def request(server, method, path, body=None):
    connection = http.client.HTTPConnection(*server.addresses[0])
    connection.request(method, path, body)
    response = connection.getresponse()
    return response.status, response.read()


async def ask(server, *arguments):
    return await asyncio.get_running_loop().run_in_executor(None, request, server, *arguments)


@contextlib.asynccontextmanager
async def serving(app):
    server = make(app)
    task = asyncio.ensure_future(server.serve())
    assert await server.wait_started()
    try:
        yield server
    finally:
        server.shutdown()
        await task


@every_loop
def test_the_application_runs_on_the_callers_loop_beside_its_tasks(run):
    async def main():
        app = applications.Recording()
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.001)

        ticking = asyncio.ensure_future(tick())
        async with serving(app) as server:
            for _ in range(20):
                assert await ask(server, "GET", "/") == (200, b"hello")
            body = bytes(range(256)) * 4096
            assert await ask(server, "POST", "/echo", body) == (200, body)
            assert await ask(server, "GET", "/raise") == (500, b"Internal Server Error\n")
        ticking.cancel()
        assert app.loops == {asyncio.get_running_loop()}
        assert app.threads == {threading.get_ident()}
        assert app.events == ["startup", "shutdown"]
        assert ticks > 1

    run(main())


@every_loop
def test_a_client_that_leaves_is_told_to_the_application(run):
    async def main():
        app = applications.Recording()
        async with serving(app) as server:
            reader, writer = await asyncio.open_connection(*server.addresses[0])
            writer.write(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
            await asyncio.sleep(0.1)
            writer.close()
            while "disconnect" not in app.events:
                await asyncio.sleep(0.01)

    run(main())


@every_loop
def test_cancelling_stops_the_server(run):
    async def main():
        app = applications.Recording()
        server = make(app)
        task = asyncio.ensure_future(server.serve())
        assert await server.wait_started()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert app.events == ["startup", "shutdown"]

    run(main())


def test_what_keeps_it_from_serving_is_raised():
    async def main():
        server = make(applications.fails_to_start)
        with pytest.raises(pounce.StartupError, match="no database"):
            await server.serve()
        assert not await server.wait_started()

    asyncio.run(main())


@pytest.mark.parametrize("options", [{"workers": 2}, {"reload": True}])
def test_it_has_one_worker(options):
    server = pounce.Server(pounce.Config("apps:hello", port=0, **options))
    with pytest.raises(pounce.ConfigError, match="one worker"):
        asyncio.run(server.serve())


def test_a_signal_stops_it(serving):
    import pathlib
    import signal

    process, _ = serving(f"""
        import asyncio, sys
        sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})
        import apps, pounce

        asyncio.run(pounce.Server(pounce.Config(apps.hello, port=0)).serve())
        print("after")
    """)
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "after\n"), errors


class Asgi2:
    """An application of ASGI 2."""

    def __init__(self, scope):
        self.scope = scope

    async def __call__(self, receive, send):
        if self.scope["type"] == "lifespan":
            return await applications.lifespan(receive, send)
        await applications.respond(send, self.scope["path"].encode())


def test_an_application_of_asgi_2():
    async def main():
        server = make(Asgi2)
        serving = asyncio.create_task(server.serve())
        assert await server.wait_started()
        answer = await ask(server, "GET", "/two")
        server.shutdown()
        await serving
        return answer

    assert asyncio.run(main()) == (200, b"/two")
