"""Servers that a program makes and runs."""

import asyncio
import contextlib
import gc
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TypeAlias, Unpack

from pounce import _pounce
from pounce._config import Config
from pounce._errors import ConfigError
from pounce._handover import HandedOver
from pounce._host import describe_host
from pounce._types import Application, Options, Wrap

_Handler: TypeAlias = Callable[[int, FrameType | None], object] | int | None


def run(app: Application | str, **options: Unpack[Options]) -> None:
    """Serves an application until a signal stops the server, as `pounce` on the command line does.

    `app` is the application, or its name such as `"main:app"`; worker processes and `reload=True` need the name.
    """
    Server(Config(app, **options)).run()


class Server:
    """One server. It runs once: with `run()`, `await serve()`, or `run_in_thread()`."""

    def __init__(
        self,
        config: Config,
        app: Application | None = None,
        *,
        install_signal_handlers: bool = True,
    ) -> None:
        """Raises a `ConfigError` if an option is faulty. `app` replaces that of the configuration."""
        self.config = config
        given = config.app if app is None else app
        self._app: Application | None = None if isinstance(given, str) else given
        self._handles_signals = install_signal_handlers
        self._number = _pounce.new_server(config.arguments(), *describe_host())
        self._finalizer = weakref.finalize(self, _pounce.drop_server, self._number)

    @property
    def started(self) -> bool:
        """Whether it serves."""
        return _pounce.server_state(self._number)[0] == "serving"

    @property
    def addresses(self) -> list[tuple[str, int] | str]:
        """Where it listens, with the ports that the system has chosen; empty before it has bound them and after its end."""
        return [host if port is None else (host, port) for host, port in _pounce.server_state(self._number)[1]]

    @property
    def should_exit(self) -> bool:
        """Whether it was asked to stop. Setting it to True asks."""
        return _pounce.is_asked_to_stop(self._number)

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        if value:
            self.shutdown()
        elif self.should_exit:
            raise ValueError("a server that was asked to stop cannot be told to go on")

    def shutdown(self) -> None:
        """Asks it to finish running requests and to stop. From any thread, any number of times, also before it runs."""
        _pounce.shutdown_server(self._number)

    def run(self) -> None:
        """Serves until it is stopped. Acts on the process's signals, in the main thread and if they are to be handled."""
        self._run(handles_signals=self._handles_signals and _is_main_thread())

    async def serve(self) -> None:
        """Serves until it is stopped, in the running event loop: the application runs as tasks of that loop.

        A thread serves the sockets and hands each call of the application over. Cancelling this stops the server.
        """
        options = self.config.options
        if options.get("workers") not in (None, 1) or options.get("reload"):
            message = "serve() runs the application in the caller's event loop: one worker, and no reload"
            raise ConfigError(message, "Leave workers and reload out, or call run().")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def work() -> None:
            error: BaseException | None = None
            try:
                self._run(wrap=lambda app, is_asgi2: HandedOver(app, is_asgi2, loop))
            except BaseException as raised:
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(_finish, done, error)

        with self._signals_in(loop):
            threading.Thread(target=work, name="pounce-server", daemon=True).start()
            try:
                await asyncio.shield(done)
            except asyncio.CancelledError:
                self.shutdown()
                await done
                raise

    async def wait_started(self) -> bool:
        """Waits until it serves, which is True, or has ended, which is False."""
        while True:
            state = _pounce.server_state(self._number)[0]
            if state in ("serving", "ended"):
                return state == "serving"
            await asyncio.sleep(0.005)

    @contextlib.contextmanager
    def run_in_thread(self) -> Iterator["Server"]:
        """Serves from a thread while the `with` block runs, which begins once it serves.

        Raises what keeps it from serving.
        """
        errors: list[BaseException] = []

        def work() -> None:
            try:
                self._run()
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=work, name="pounce-server", daemon=True)
        thread.start()
        try:
            if _pounce.wait_server(self._number, float("inf"))[0] != "serving":
                thread.join()
                raise errors.pop() if errors else RuntimeError("the server has stopped before it served")
            yield self
        finally:
            self.shutdown()
            thread.join()
        if errors:
            raise errors.pop()

    def _run(
        self,
        *,
        wrap: Wrap | None = None,
        handles_signals: bool = False,
    ) -> None:
        path = sys.path[:]
        frozen = gc.get_freeze_count()
        try:
            log_config = self.config.log_objects()
            _pounce.run_server(self._number, self._app, wrap, log_config, handles_signals)
        finally:
            sys.path[:] = path
            if frozen == 0:
                gc.unfreeze()

    @contextlib.contextmanager
    def _signals_in(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """SIGINT and SIGTERM stop the server, in the main thread and if they are to be handled."""
        if not self._handles_signals or not _is_main_thread():
            yield
            return
        before: dict[signal.Signals, _Handler] = {}
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.getsignal(number)
            loop.add_signal_handler(number, self.shutdown)
        try:
            yield
        finally:
            for number, handler in before.items():
                loop.remove_signal_handler(number)
                if handler is not None:
                    signal.signal(number, handler)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _finish(done: "asyncio.Future[None]", error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
