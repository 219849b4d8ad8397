"""`pounce.Server` and `pounce.run`."""

import gc
import logging
import pathlib
import signal
import socket
import sys
import threading
import time
import urllib.request

import apps as applications
import pounce
import pytest


def server(app=applications.hello, **options):
    options = {"port": 0, "access_log": False, "log_level": "warning"} | options
    return pounce.Server(pounce.Config(app, **options))


def url(server):
    host, port = server.addresses[0]
    return f"http://{host}:{port}"


def get(server, path="/"):
    with urllib.request.urlopen(url(server) + path) as response:
        return response.read()


def test_a_server_in_a_thread_serves_while_the_block_runs():
    with server().run_in_thread() as running:
        assert running.started
        assert get(running) == b"hello"
        (address,) = running.addresses
    assert not running.started
    assert running.addresses == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_an_application_by_its_name(apps):
    path = sys.path[:]
    with server("apps:hello").run_in_thread() as running:
        assert get(running) == b"hello"
    assert sys.path == path


def test_a_faulty_option_is_a_config_error_that_names_it():
    with pytest.raises(pounce.ConfigError, match="backlog: expected a whole number") as raised:
        server(workers=2, backlog="many").run()
    assert "the keyword backlog" in str(raised.value)


def test_an_unknown_option_is_a_config_error():
    with pytest.raises(pounce.ConfigError, match="no such option"):
        server(prot=8000)


def test_uvicorns_keywords_are_known():
    options = {
        "headers": [("x-a", "b")],
        "log_level": 20,
        "timeout_keep_alive": 5,
        "limit_concurrency": None,
        "loop": "auto",
        "http": "auto",
        "server_header": False,
    }
    with server(**options).run_in_thread() as running:
        with urllib.request.urlopen(url(running)) as response:
            assert response.headers["x-a"] == "b"
            assert response.headers["server"] is None


def test_an_application_that_cannot_be_imported():
    with pytest.raises(pounce.AppImportError, match='no module named "nowhere"'):
        server("nowhere:app").run()


def test_something_that_is_no_application():
    with pytest.raises(pounce.AppImportError, match="is not callable"):
        server(object()).run()


def test_a_startup_that_fails():
    with pytest.raises(pounce.StartupError, match="no database"):
        server(applications.fails_to_start).run()
    with pytest.raises(pounce.StartupError, match="no database"):
        with server(applications.fails_to_start).run_in_thread():
            pytest.fail("it does not serve")


def test_an_address_in_use():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        one = pounce.Server(pounce.Config(applications.hello, port=taken.getsockname()[1]))
        with pytest.raises(pounce.BindError, match="in use"):
            one.run()


@pytest.mark.parametrize("options", [{"workers": 2, "worker_mode": "process"}, {"reload": True}])
def test_an_object_is_no_name_to_import(options):
    with pytest.raises(pounce.ConfigError, match="given as an object"):
        server(**options).run()


def test_worker_threads_serve_an_object():
    with server(workers=2, worker_mode="thread").run_in_thread() as running:
        assert get(running) == b"hello"


def test_a_server_that_was_stopped_before_it_runs_returns_at_once():
    stopped = server()
    stopped.shutdown()
    stopped.shutdown()
    assert stopped.should_exit
    stopped.run()


def test_should_exit_stops_it_and_cannot_be_taken_back():
    running = server()
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    assert not running.should_exit
    running.should_exit = True
    thread.join()
    with pytest.raises(ValueError):
        running.should_exit = False


def test_a_server_runs_once():
    once = server()
    once.shutdown()
    once.run()
    with pytest.raises(pounce.PounceError, match="runs once"):
        once.run()


def test_two_servers_side_by_side():
    one, other = applications.Recording(), applications.Recording()
    with server(one).run_in_thread() as first, server(other).run_in_thread() as second:
        assert get(first) == get(second) == b"hello"
    assert one.events == other.events == ["startup", "shutdown"]
    assert one.threads.isdisjoint(other.threads)


def test_running_in_the_main_thread_leaves_handlers_as_they_were():
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = [signal.getsignal(number) for number in numbers]
    set_handler = signal.signal
    running = server()

    def stop():
        while not running.started:
            time.sleep(0.01)
        get(running)
        running.shutdown()

    thread = threading.Thread(target=stop)
    thread.start()
    running.run()
    thread.join()
    assert [signal.getsignal(number) for number in numbers] == before
    assert signal.signal is set_handler
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
        time.sleep(1)


def test_many_servers_one_after_the_other_leave_nothing_behind():
    def cycle(count):
        for _ in range(count):
            with server().run_in_thread() as running:
                assert get(running) == b"hello"
        gc.collect()

    def held():
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[1])
        return pages * 4, threading.active_count()

    def threads():
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Threads:"))

    cycle(50)
    memory, known = held()
    native = threads()
    cycle(150)
    memory_after, known_after = held()
    assert known_after == known
    # The kernel lists a thread until a moment after it was joined.
    deadline = time.monotonic() + 30
    while threads() > native:
        assert time.monotonic() < deadline, "threads are left"
        time.sleep(0.01)
    assert memory_after - memory < 4 * 1024, f"{memory} KiB, then {memory_after}"


PROGRAM = """
    import os, signal, sys
    sys.path.insert(0, {tests!r})
    import apps, pounce

    class App:
        async def __call__(self, scope, receive, send):
            await apps.hello(scope, receive, send)

    print("begin", flush=True)
    pounce.run(App(), port=0, access_log=False)
    print("after", signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_run_and_the_program_goes_on(serving, number):
    process, _ = serving(PROGRAM.format(tests=str(pathlib.Path(__file__).parent)))
    process.send_signal(number)
    said, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert said.split() == ["begin", "after", "True"], errors


def test_run_with_worker_processes_needs_no_guard(serving):
    process, line = serving("""
        import pounce

        async def app(scope, receive, send):
            assert scope["type"] == "http"
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"hello"})

        if __name__ == "__main__":
            pounce.run("program:app", port=0, workers=2, lifespan="off")
    """)
    address = line.split("http://")[1].split(" ")[0]
    with urllib.request.urlopen(f"http://{address}") as response:
        assert response.read() == b"hello"
    process.terminate()
    assert process.wait(30) == 0


class Kept(logging.Handler):
    """Keeps the records that it gets."""

    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)


def log_config(handler):
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"kept": {"()": lambda: handler}},
        "loggers": {"uvicorn": {"handlers": ["kept"], "level": "INFO"}},
    }


def test_a_log_config_may_hold_objects_of_the_program():
    for level in (None, "info"):
        kept = Kept()
        options = {"access_log": True, "log_level": level, "log_config": log_config(kept)}
        with server(**options).run_in_thread() as running:
            get(running, "/path?query")
        messages = [record.getMessage() for record in kept.records]
        assert any(message.startswith("Pounce ") for message in messages), messages
        assert messages[-1] == "Stopped"
        (record,) = [record for record in kept.records if record.name == "uvicorn.access"]
        client, method, path, version, status = record.args
        assert (method, path, version, status) == ("GET", "/path?query", "1.1", 200)
        assert record.client_addr == client and client.startswith("127.0.0.1:")
        assert (record.request_line, record.status_code) == ("GET /path?query HTTP/1.1", 200)
        assert abs(record.created - time.time()) < 60


def test_servers_side_by_side_share_the_loggers():
    first, second = Kept(), Kept()
    options = {"access_log": True, "log_level": None}
    with server(log_config=log_config(first), **options).run_in_thread() as one:
        with server(log_config=log_config(second), **options).run_in_thread() as other:
            get(other, "/inner")
        # It goes on with the loggers of the later one, as logging does.
        get(one, "/outer")
    paths = [record.args[2] for record in second.records if record.name == "uvicorn.access"]
    assert sorted(paths) == ["/inner", "/outer"]


def test_worker_processes_need_a_log_config_of_texts(apps):
    with pytest.raises(pounce.ConfigError, match="cannot get the objects in log_config"):
        server("apps:hello", workers=2, worker_mode="process", log_config=log_config(Kept())).run()


def test_a_faulty_log_config_is_a_config_error():
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(pounce.ConfigError, match="cannot use the log configuration given as a table: Unsupported"):
        server(log_config={"version": 2}).run()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_what_changes_the_process_is_left_to_the_program():
    for option in ("chdir", "user", "pid", "error_logfile"):
        with pytest.raises(pounce.ConfigError, match="belongs to the command line"):
            pounce.Server(pounce.Config("apps:hello", **{option: "x"}))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="interpreters with a GIL of their own need Python 3.12")
@pytest.mark.parametrize("fails", [False, True])
def test_a_program_ends_after_workers_in_subinterpreters(serving, fails):
    folder = str(pathlib.Path(__file__).parent)
    process, _ = serving(f"""
        import atexit, sys
        sys.path.insert(0, {folder!r})
        import pounce

        atexit.register(print, "exit function")
        options = dict(app_dir={folder!r}, port=0, workers=2, worker_mode="subinterpreter")
        pounce.run("apps:hello", **options)
        print("after")
        assert not {fails}
    """)
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert (process.returncode, said) == (int(fails), "after\nexit function\n"), errors
