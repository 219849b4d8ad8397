"""The event loop for programs that run no server."""

import asyncio
import contextvars
import gc
import os
import random
import signal
import socket
import sys
import threading
import time
import weakref

import pounce
import pytest
from pounce._loop import Loop


@pytest.fixture(params=[False, True], ids=["plain", "debug"])
def loop(request):
    loop = pounce.new_event_loop()
    loop.set_debug(request.param)
    yield loop
    loop.close()


def test_it_is_a_loop_of_asyncio(loop):
    assert isinstance(loop, asyncio.SelectorEventLoop)
    assert repr(loop).startswith("<Loop running=False closed=False")


def test_a_coroutine_runs_to_its_end():
    async def main():
        await asyncio.sleep(0.001)
        return type(asyncio.get_running_loop()).__module__

    assert pounce.run_async(main()) == "pounce"


def test_installed_it_is_the_loop_of_asyncio_run(program):
    process = program("""
        import asyncio, pounce
        pounce.install()
        async def main():
            print(type(asyncio.get_running_loop()).__module__)
        asyncio.run(main())
    """)
    out, err = process.communicate(timeout=30)
    assert out == "pounce\n", err


def test_callbacks_run_in_the_order_of_their_calls(loop):
    seen = []
    timers = [(0.02, "c"), (0.01, "b"), (0, "a")]

    def start():
        for delay, name in timers:
            loop.call_later(delay, seen.append, name)
        loop.call_soon(seen.append, 1)
        loop.call_soon_threadsafe(seen.append, 2)
        loop.call_soon(seen.append, 3)
        loop.call_later(0.03, loop.stop)

    loop.call_soon(start)
    loop.run_forever()
    assert seen == [1, 2, 3, "a", "b", "c"]


def test_a_callback_of_another_thread_comes_before_those_that_follow_it(loop):
    seen, told = [], threading.Event()

    def send():
        loop.call_soon_threadsafe(seen.append, "thread")
        told.set()

    def start():
        threading.Thread(target=send).start()
        told.wait()
        loop.call_soon(seen.append, "loop")
        loop.call_soon(loop.stop)

    loop.call_soon(start)
    loop.run_forever()
    assert seen == ["thread", "loop"]


def test_other_threads_wake_a_loop_that_waits(loop):
    woken = []

    def send():
        for _ in range(100):
            done = threading.Event()
            loop.call_soon_threadsafe(done.set)
            woken.append(done.wait(30))
            time.sleep(0.0005)  # It waits again.
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=send)
    loop.call_soon(thread.start)
    loop.run_forever()
    thread.join()
    assert woken == [True] * 100


@pytest.mark.skipif(sys.version_info < (3, 14), reason="handles do not wait before Python 3.14")
def test_who_cancels_a_call_of_another_thread_waits_for_its_end(loop):
    began, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def callback():
        began.set()
        go_on.wait(30)
        ended.set()

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        for ask in ("cancelled", "cancel"):
            for event in (began, go_on, ended):
                event.clear()
            handle = loop.call_soon_threadsafe(callback)
            assert isinstance(handle, asyncio.events._ThreadSafeHandle)
            assert began.wait(30)
            threading.Timer(0.05, go_on.set).start()
            assert getattr(handle, ask)() in (False, None)
            assert ended.is_set()
        own = []
        cancelled = threading.Event()

        def cancel_own():
            own[0].cancel()
            cancelled.set()

        loop.call_soon_threadsafe(lambda: own.append(loop.call_soon_threadsafe(cancel_own)))
        assert cancelled.wait(30), "a callback that cancels itself waits for no one"
        loop.call_soon_threadsafe(began.clear)
        late = loop.call_soon_threadsafe(callback)
        late.cancel()
        assert late.cancelled()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def test_a_handle_is_one_of_asyncio(loop):
    handle, timer = loop.call_soon(print, "never"), loop.call_later(3600, print, "never")
    assert isinstance(handle, asyncio.Handle) and isinstance(timer, asyncio.TimerHandle)
    assert weakref.ref(handle)() is handle
    assert "print" in repr(handle) and "when=" in repr(timer)
    assert timer.when() > loop.time() + 3000
    assert timer <= timer and not timer < timer and hash(timer) == hash(timer.when())
    for each in (handle, timer):
        assert not each.cancelled()
        each.cancel()
        each.cancel()
        assert each.cancelled() and "cancelled" in repr(each)


def test_only_loops_make_their_handles():
    loop = pounce.new_event_loop()
    handle = loop.call_soon(print)
    with pytest.raises(TypeError, match="made by the methods of an event loop"):
        type(handle)(print, (), loop)
    loop.close()


def test_many_timers_are_cancelled_and_the_others_run(loop):
    seen = []
    timers = [loop.call_later(0.001 * (number % 7), seen.append, number) for number in range(1000)]
    for timer in timers[::2] + timers[1::4]:
        timer.cancel()
    loop.call_later(0.05, loop.stop)
    loop.run_forever()
    assert sorted(seen) == list(range(3, 1000, 4))


def test_a_clock_that_a_tool_moves_moves_the_timers(loop, monkeypatch):
    now = [loop.time()]
    monkeypatch.setattr(loop, "time", lambda: now[0], raising=False)
    seen = []
    loop.call_later(3600, seen.append, 1)

    def move():
        now[0] += 3600
        loop.call_soon(loop.call_soon, loop.stop)

    loop.call_soon(move)
    loop.run_forever()
    assert seen == [1]


def test_a_callback_runs_in_its_context(loop):
    name = contextvars.ContextVar("name", default="none")
    seen, own = [], contextvars.copy_context()
    own.run(name.set, "own")
    name.set("here")
    loop.call_soon(lambda: seen.append(name.get()))
    loop.call_soon(lambda: seen.append(name.get()), context=own)
    loop.call_soon(name.set, "changed")
    loop.call_later(0, lambda: seen.append(name.get()), context=own)
    loop.call_later(0.001, loop.stop)
    name.set("later")
    loop.run_forever()
    assert seen == ["here", "own", "own"] and name.get() == "later"


def test_what_tasks_ask_for_is_not_left_to_asyncios_slow_methods():
    """asyncio's C code passes arguments in ways of its own."""
    slow = []

    class Watched(Loop):
        def _slow_call_soon(self, callback, *args, **options):
            slow.append(callback)
            return super()._slow_call_soon(callback, *args, **options)

        def _slow_call_at(self, when, callback, *args, **options):
            slow.append(callback)
            return super()._slow_call_at(when, callback, *args, **options)

    async def child(future):
        await asyncio.sleep(0)
        return await future

    async def main():
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        tasks = [loop.create_task(child(future), context=contextvars.copy_context()) for _ in range(3)]
        await asyncio.sleep(0.001)
        future.set_result("found")
        async with asyncio.timeout(10):
            assert await asyncio.gather(*tasks) == ["found"] * 3
        tasks[0].add_done_callback(lambda _: None, context=contextvars.copy_context())
        await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=Watched) as runner:
        runner.run(main())
    assert slow == []


def test_an_exception_is_reported_and_the_loop_goes_on(loop):
    reports = []
    loop.set_exception_handler(lambda loop, context: reports.append(context))
    handle = loop.call_soon(int, "x")
    loop.call_soon(loop.stop)
    loop.run_forever()
    (context,) = reports
    assert isinstance(context["exception"], ValueError) and context["handle"] is handle
    assert context["message"].startswith("Exception in callback int")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_program_ends_the_loop_and_loses_no_callback(loop, error):
    seen = []

    def fail():
        raise error

    loop.call_soon(fail)
    loop.call_soon(seen.append, 1)
    with pytest.raises(error):
        loop.run_forever()
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert seen == [1]


def test_a_signal_interrupts_a_loop_that_waits(program):
    process = program("""
        import asyncio, pounce
        async def main():
            print("waits", flush=True)
            try:
                await asyncio.sleep(3600)
            finally:
                print("cleans up", flush=True)
        try:
            pounce.run_async(main())
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """)
    assert process.stdout.readline() == "waits\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert out == "cleans up\ninterrupted\n", err


def test_handlers_of_signals_run(loop):
    seen = []
    loop.add_signal_handler(signal.SIGUSR1, lambda: (seen.append("usr1"), loop.stop()))
    loop.call_later(0.001, os.kill, os.getpid(), signal.SIGUSR1)
    loop.run_forever()
    assert seen == ["usr1"]


def test_descriptors_are_watched_until_they_are_not(loop):
    left, right = socket.socketpair()
    with left, right:
        seen = []
        loop.add_reader(right, lambda: (seen.append(right.recv(10)), loop.stop()))
        loop.add_writer(left, lambda: (left.send(b"x"), loop.remove_writer(left)))
        loop.run_forever()
        assert seen == [b"x"]
        assert not loop.remove_writer(left) and loop.remove_reader(right) and not loop.remove_reader(right)
        with pytest.raises(ValueError):
            loop.add_reader(-1, print)
        with open(__file__) as file, pytest.raises(PermissionError):
            loop.add_reader(file, print)


def test_a_closed_loop_takes_nothing_more():
    loop = pounce.new_event_loop()
    handle = loop.call_soon(print)
    loop.close()
    loop.close()
    assert loop.is_closed()
    handle.cancel()
    for call in (loop.call_soon, loop.call_soon_threadsafe, lambda f: loop.call_later(1, f)):
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            call(print)
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.run_forever()


@pytest.mark.parametrize(
    "call",
    [
        lambda loop: loop.call_soon(),
        lambda loop: loop.call_soon(print, wrong=1),
        lambda loop: loop.call_later(1),
        lambda loop: loop.call_later(None, print),
        lambda loop: loop.call_at("soon", print),
    ],
)
def test_wrong_arguments_raise_what_asyncio_raises(loop, call):
    with pytest.raises(TypeError):
        call(loop)


def test_cycles_through_handles_are_collected():
    class Held:
        pass

    loop = pounce.new_event_loop()
    held = Held()
    held.handle = loop.call_later(3600, lambda held: None, held)
    held.loop = loop
    gone = weakref.ref(held)
    loop.close()
    del held, loop
    gc.collect()
    assert gone() is None


def test_asyncio_knows_every_task_for_as_long_as_it_lives():
    async def wait(event):
        await event.wait()

    async def main():
        event = asyncio.Event()
        tasks = [asyncio.create_task(wait(event)) for _ in range(20)]
        own = asyncio.current_task()
        assert asyncio.all_tasks() == {own, *tasks}
        event.set()
        await asyncio.gather(*tasks)
        assert asyncio.all_tasks() == {own}
        # Tasks die while somebody goes through the set, which is asyncio's own in Python up to 3.13.
        module = asyncio.tasks
        known = module._scheduled_tasks if hasattr(module, "_scheduled_tasks") else module._all_tasks
        seen = weakref.WeakSet(tasks)
        for _ in map(id, known):
            tasks.clear()
            gc.collect()
        tasks.clear()
        gc.collect()
        asyncio.create_task(asyncio.sleep(0))
        await asyncio.sleep(0.01)
        gc.collect()
        return len(seen), len(known)

    left, known = pounce.run_async(main())
    assert left == 0
    # That of main() only: where the set is asyncio's own, it has the tasks of C code.
    assert known <= 1


def test_nothing_grows_over_many_callbacks_timers_and_connections():
    async def one_round(count):
        async def serve(reader, writer):
            writer.write(await reader.readline())
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        for _ in range(count // 100):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"x\n")
            assert await reader.readline() == b"x\n"
            writer.close()
            await writer.wait_closed()
        server.close()
        await server.wait_closed()
        loop = asyncio.get_running_loop()
        for _ in range(count):
            loop.call_soon(int)
            loop.call_later(0.0001, int)
            loop.call_later(10, int).cancel()
            await asyncio.sleep(0)

    def size():
        gc.collect()
        return len(gc.get_objects()), len(os.listdir("/proc/self/fd"))

    pounce.run_async(one_round(2000))
    before = size()
    for _ in range(5):
        pounce.run_async(one_round(2000))
    after = size()
    assert after[1] == before[1]
    assert after[0] - before[0] < 200, (before, after)


def test_threads_have_loops_of_their_own():
    async def main(number):
        for _ in range(50):
            await asyncio.sleep(0.0001)
            await asyncio.to_thread(int)
        return number

    found = []
    threads = [
        threading.Thread(target=lambda number=number: found.append(pounce.run_async(main(number))))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [0, 1, 2, 3]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="no interpreters with a lock of their own")
def test_subinterpreters_have_loops_of_their_own(program):
    process = program("""
        import textwrap
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        code = '''
        import asyncio, pounce
        async def main():
            for _ in range(20):
                await asyncio.sleep(0.0001)
            return await asyncio.to_thread(lambda: "done")
        for _ in range(3):
            print(pounce.run_async(main()), flush=True)
        '''
        for _ in range(3):
            own = interpreters.create()
            interpreters.run_string(own, textwrap.dedent(code))
            interpreters.destroy(own)
    """)
    out, err = process.communicate(timeout=60)
    assert out == "done\n" * 9, err


def test_a_file_that_was_closed_is_still_known(loop):
    left, right = socket.socketpair()
    with left:
        loop.add_reader(right, print)
        number = right.fileno()
        right.close()
        assert loop.remove_reader(right)
        with pytest.raises(ValueError):
            loop.remove_reader(right)
        assert not loop.remove_reader(number)


def test_a_number_that_is_used_again_is_watched_again(loop):
    seen = []
    left, right = socket.socketpair()
    loop.add_reader(right.fileno(), seen.append, "first")
    number = right.fileno()
    right.close()
    left.close()
    pairs = [socket.socketpair() for _ in range(3)]
    (pair,) = (pair for pair in pairs if number in (pair[0].fileno(), pair[1].fileno()))
    here, there = pair if pair[0].fileno() == number else pair[::-1]
    loop.add_reader(here.fileno(), lambda: (seen.append(here.recv(10)), loop.stop()))
    there.send(b"x")
    loop.run_forever()
    assert seen == [b"x"]
    loop.remove_reader(here.fileno())
    for each in pairs:
        each[0].close()
        each[1].close()


def test_the_wake_up_for_signals_is_given_back(program):
    process = program("""
        import asyncio, pounce, signal
        async def main():
            assert signal.set_wakeup_fd(-1) != -1
        pounce.run_async(main())
        assert signal.set_wakeup_fd(-1) == -1
        import socket
        here, there = socket.socketpair()
        there.setblocking(False)
        signal.set_wakeup_fd(there.fileno())
        async def other():
            assert signal.set_wakeup_fd(there.fileno()) == there.fileno()
        pounce.run_async(other())
        assert signal.set_wakeup_fd(-1) == there.fileno()
        print("done")
    """)
    out, err = process.communicate(timeout=30)
    assert out == "done\n", err


def test_signals_of_any_moment_are_seen(program):
    process = program("""
        import asyncio, os, pounce, signal, threading
        seen = 0
        def handler(*_):
            global seen
            seen += 1
        signal.signal(signal.SIGUSR1, handler)
        async def main():
            loop = asyncio.get_running_loop()
            def send():
                for _ in range(200):
                    before = seen
                    os.kill(os.getpid(), signal.SIGUSR1)
                    while seen == before:
                        pass
                loop.call_soon_threadsafe(done.set)
            done = asyncio.Event()
            threading.Thread(target=send, daemon=True).start()
            await done.wait()
        pounce.run_async(main())
        print(seen)
    """)
    out, err = process.communicate(timeout=60)
    assert out == "200\n", err


def test_nest_asyncio_is_refused(loop):
    class Patch:
        __module__ = "nest_asyncio"

    with pytest.raises(ValueError, match="Can't patch loop of type <class 'pounce.Loop'>"):
        type(loop)._run_once = Patch


def trace(make_loop, seed, most=3000):
    """The order of the callbacks of a random program, whose clock its callbacks move."""
    loop, choices, seen, handles, made = make_loop(), random.Random(seed), [], [], 0
    now = [0.0]
    loop.time = lambda: now[0]

    def callback(name):
        seen.append((now[0], name))
        for _ in range(choices.randrange(3)):
            act()

    def act():
        nonlocal made
        made += 1
        if made > most:
            return
        match choices.randrange(8):
            case 0 | 1:
                handles.append(loop.call_soon(callback, made))
            case 2:
                handles.append(loop.call_soon_threadsafe(callback, made))
            case 3 | 4:
                handles.append(loop.call_later(choices.choice([0, 0.5, 1, 1, 1, 2, 30]), callback, made))
            case 5:
                handles.append(loop.call_at(now[0] + choices.choice([-1, 0, 1, 1]), callback, made))
            case _ if handles:
                choices.choice(handles).cancel()

    def tick(rest):
        now[0] += choices.choice([0, 0.25, 1])
        for _ in range(3):
            act()
        loop.call_soon(tick, rest - (made > most)) if rest else loop.stop()

    loop.call_soon(tick, 100)
    loop.run_forever()
    del loop.time
    loop.close()
    return seen


@pytest.mark.parametrize("seed", range(30))
def test_random_programs_run_in_asyncios_order(seed):
    on_asyncio = trace(asyncio.SelectorEventLoop, seed)
    assert len(on_asyncio) > 500
    assert trace(pounce.new_event_loop, seed) == on_asyncio


def test_calls_of_other_threads_break_nothing():
    """Only `call_soon_threadsafe` is allowed there, and only it wakes the loop; but none may break it, without a GIL either."""
    loop = pounce.new_event_loop()
    seen, threads, failed = [], [], []

    def send(seed):
        choices, handles = random.Random(seed), []
        try:
            for _ in range(3000):
                call = choices.choice([loop.call_soon, loop.call_soon_threadsafe, loop.call_later])
                delay = [choices.random() * 0.01] if call == loop.call_later else []
                handles.append(call(*delay, int))
                if choices.randrange(3) == 0:
                    choices.choice(handles).cancel()
            loop.call_soon_threadsafe(seen.append, seed)
        except BaseException as error:
            failed.append(error)

    async def main():
        while len(seen) < len(threads) and not failed:
            for _ in range(20):
                loop.call_soon(int)
                loop.call_later(0.001, int).cancel()
            await asyncio.sleep(0.0005)

    threads += [threading.Thread(target=send, args=[seed]) for seed in range(4)]
    for thread in threads:
        thread.start()
    loop.run_until_complete(main())
    for thread in threads:
        thread.join()
    loop.close()
    assert not failed and sorted(seen) == [0, 1, 2, 3]


def test_a_loop_that_never_waits_runs_handlers_of_signals(loop):
    loop.add_signal_handler(signal.SIGUSR1, loop.stop)

    def again():
        loop.call_soon(again)

    loop.call_soon(again)
    loop.call_soon(os.kill, os.getpid(), signal.SIGUSR1)
    loop.run_forever()
    assert loop.remove_signal_handler(signal.SIGUSR1)
