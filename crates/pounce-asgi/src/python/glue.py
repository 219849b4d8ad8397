"""The parts of the bridge that are Python rather than Rust: the event loop's edges, import, tracebacks.

Executed once per interpreter; nothing here runs per request.
"""

import asyncio
import difflib
import functools
import gc
import html
import importlib
import inspect
import json
import os
import re
import selectors
import signal
import sys
import threading
import time
import traceback
import warnings


class Selector(selectors.DefaultSelector):
    """Returns ready events without ever waiting: the runtime does the waiting.

    The runtime watches this selector's descriptor, which is readable while any event is pending.
    """

    def __init__(self):
        super().__init__()
        self.readable = True

    def select(self, timeout=None):
        return super().select(0) if self.readable else []


class Hosted:
    """A loop that is turned by the runtime which also drives the sockets of the server."""

    # Until its runner has started: the application cannot stop the loop.
    serving = True

    def _run_once(self):
        # Returns when the loop was stopped; the runtime takes the turns in between one by one.
        self._pounce_run(self)

    def _be_told_of_signals(self):
        # The runtime is, for the loop.
        return False

    def set_debug(self, enabled):
        super().set_debug(enabled)
        self._pounce_debug.set(enabled)

    def stop(self):
        if self.serving:
            # Only the server ends the loop: an application that stopped it would end the server for every client.
            warnings.warn("the application called loop.stop(); the server goes on", RuntimeWarning, stacklevel=2)
            return
        super().stop()
        self._write_to_self()


@functools.cache
def native_class(loop_class):
    """The class of Pounce's loop in a server."""

    class EventLoop(Hosted, loop_class):
        is_native = True

        def forget(self):
            """Drops the reference to the runtime, which ends before a loop that the application may still refer to."""
            self._pounce_run = None

    return EventLoop


def native(loop_class, run, debug):
    """Pounce's loop."""
    cls = native_class(loop_class)
    event_loop = cls.__new__(cls)
    event_loop._pounce_run, event_loop._pounce_debug = run, debug
    event_loop.__init__()
    return event_loop


class AsyncioLoop(Hosted, asyncio.SelectorEventLoop):
    """asyncio's loop."""

    is_native = False

    def __init__(self, run, wake, is_running, debug):
        # Called from any thread. Several calls before the loop turns cost one wake-up. An attribute rather
        # than a method: one Python frame less for each result of a thread pool.
        self._write_to_self = wake
        # Likewise for the questions that each task asks its loop.
        self.is_running = is_running
        self.get_debug = self._pounce_debug = debug
        super().__init__(Selector())
        self._pounce_run = run
        self._pounce_turn = super(Hosted, self)._run_once

    def forget(self):
        """Drops the references to the runtime, which ends before a loop that the application may still refer to."""
        self._pounce_run = self._pounce_turn = self._write_to_self = None


# The undocumented parts of an event loop that the bridge uses.
LOOP_PARTS = ("_csock", "_ready", "_run_once", "_scheduled", "_selector", "_ssock", "_stopping", "_write_to_self")


def check(event_loop):
    """Raises if this Python's asyncio lacks something that the bridge uses: better now than in a request."""
    missing = [f"BaseEventLoop.{name}" for name in LOOP_PARTS if not hasattr(event_loop, name)]
    if not hasattr(asyncio.TimerHandle, "_when"):
        missing.append("TimerHandle._when")
    if missing:
        version = ".".join(map(str, sys.version_info[:3]))
        raise RuntimeError(f"the asyncio of Python {version} has no {', '.join(missing)}, which Pounce uses")


async def root(start):
    """The task that `run_until_complete` waits on, which is how anyio finds the loop's root."""
    loop = asyncio.get_running_loop()
    finished = loop.create_future()
    start(finished)
    try:
        await finished
    finally:
        loop.serving = False


def run(loop_class, run_loop, wake, is_running, debug, start):
    """Runs a loop, asyncio's if `loop_class` is None, until the future passed to `start` has a result, then cleans up."""
    if loop_class is None:
        event_loop = AsyncioLoop(run_loop, wake, is_running, debug)
        check(event_loop)
    else:
        event_loop = native(loop_class, run_loop, debug)
    try:
        with asyncio.Runner(loop_factory=lambda: event_loop) as runner:
            runner.run(root(start))
    finally:
        event_loop.forget()


async def receive():
    """Returns the next message of a request or a WebSocket."""


async def send(message):
    """Sends a message."""


def pose_as_coroutine_function(kind, function):
    """Gives the objects of a type what `inspect` looks for in a function that `async def` made."""
    kind.__code__ = function.__code__
    kind.__defaults__ = kind.__kwdefaults__ = None


def log_if_slow(event_loop, request, seconds):
    """Logs a slow first step of a call, which no handle ran, as asyncio's debug mode logs slow handles."""
    if seconds >= event_loop.slow_callback_duration:
        request = request.decode("ascii", "backslashreplace")
        asyncio.log.logger.warning("Executing the first step of %s took %.3f seconds", request, seconds)


class Disconnected(OSError):
    """Raised by `send` for a piece with `more_body` when the client has gone."""

    __module__ = "pounce"


def is_disconnect(error):
    """Whether an application raised because its client has gone, as `send` had reported.

    An exception that a framework raises instead counts, by `raise Other() from error` or in an `except` block; a
    mistake in such a block, which raises a built-in exception, does not.
    """
    if isinstance(error, Disconnected):
        return True
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_disconnect, error.exceptions))
    if error.__cause__ is not None:
        return is_disconnect(error.__cause__)
    raised_in_its_place = error.__suppress_context__ or type(error).__module__ != "builtins"
    return raised_in_its_place and error.__context__ is not None and is_disconnect(error.__context__)


def add_environment(given, defaults):
    """Sets the variables that are given, then the defaults that are not set yet."""
    os.environ.update(given)
    for name, value in defaults:
        os.environ.setdefault(name, value)


def extend_path(entries):
    """Appends what `sys.path` lacks."""
    sys.path.extend(entry for entry in entries if entry not in sys.path)


def set_modules_aside(folders):
    """Takes the application's own modules out of `sys.modules`, and returns them."""
    modules = [(name, module) for name, module in list(sys.modules.items()) if name != __name__]
    taken = {name: module for name, module in modules if _lies_in(module, folders)}
    for name in taken:
        del sys.modules[name]
    importlib.invalidate_caches()
    return taken


def put_modules_back(taken, folders):
    """Undoes `set_modules_aside`, and drops modules imported since."""
    set_modules_aside(folders)
    sys.modules.update(taken)


def _lies_in(module, folders):
    spec = getattr(module, "__spec__", None)
    locations = getattr(spec, "submodule_search_locations", None) or ()
    places = [getattr(module, "__file__", None), *locations]
    for place in places:
        for folder in folders:
            try:
                inside = os.path.relpath(place, folder).split(os.sep)
            except (TypeError, ValueError):
                continue
            if inside[0] != os.pardir and not {"site-packages", "dist-packages"} & set(inside):
                return True
    return False


def state_as_json(state):
    """The part of the lifespan's state that JSON can carry, and the names of the rest."""
    carried, rest = {}, []
    for key, value in state.items():
        try:
            text = json.dumps(value, allow_nan=False)
            if not isinstance(key, str) or json.loads(text) != value:
                raise TypeError
            carried[key] = value
        except (TypeError, ValueError, RecursionError):
            rest.append(str(key))
    return json.dumps(carried), rest


class LoadError(Exception):
    """The application cannot be loaded: the reason, and a hint."""

    def __init__(self, message, hint=""):
        super().__init__(message)
        self.message = message
        self.hint = hint


def load(target, app_dir, factory, calls=True):
    """Imports `module:attribute` and returns that callable. A factory is not called unless `calls`."""
    app_dir = os.fspath(app_dir)
    if app_dir not in sys.path:
        sys.path.insert(0, app_dir)
    module_name, _, attribute = target.partition(":")
    if not re.fullmatch(r"\w+(\.\w+)*", module_name):
        raise LoadError(
            f'"{target}" does not name an application',
            'Name it as "module:attribute", such as "app:app" or "project.main:create_app()".',
        )
    if attribute.endswith("()"):
        factory, attribute = True, attribute[:-2]
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if not error.name or not (module_name + ".").startswith(error.name + "."):
            raise LoadError(_import_failed(module_name, error), _packages_hint(error.name, app_dir)) from None
        searched = "\n".join(f"  {path or os.getcwd()}" for path in sys.path)
        raise LoadError(
            f'no module named "{error.name}"; searched in\n{searched}',
            "Start the server in the folder that holds the module, or name that folder with --app-dir."
            f" {_packages_hint(error.name, app_dir)}".rstrip(),
        ) from None
    except BaseException as error:  # a module may raise anything, sys.exit() included
        refusing = _refuses_subinterpreters(error)
        if refusing:
            raise LoadError(
                f'"{refusing}" does not load in subinterpreters\n{_import_failed(module_name, error)}',
                "Serve this application with --worker-mode process.",
            ) from None
        raise LoadError(_import_failed(module_name, error)) from None

    found = _find(module, module_name, attribute)
    return check_app(found, target, factory) if calls else found


_is_preloaded = False

# What the application wants to happen when a child ends, for the workers that are forked.
_on_child_end = None

# How often, and how far apart in seconds, the threads are looked at: one that has been joined is still there for a moment.
_LOOKS, _BETWEEN_LOOKS = 50, 0.002


def preload(target, app_dir):
    """Imports the module of an application, and returns the names of the threads that there are now."""
    global _is_preloaded
    load(target, app_dir, False, calls=False)
    for stream in (sys.stdout, sys.stderr):
        # What is buffered would be written once more by each fork.
        if stream is not None:
            stream.flush()
    for _ in range(_LOOKS):
        names = _other_threads()
        if not names:
            break
        time.sleep(_BETWEEN_LOOKS)
    _take_child_ends()
    _is_preloaded = True
    gc.collect()
    gc.freeze()
    return names


def _other_threads():
    names = {}
    for task in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/comm") as file:
                names[int(task)] = file.read().strip()
        except OSError:
            pass  # It has ended.
    for thread in threading.enumerate():
        names[thread.native_id] = thread.name
    names.pop(threading.main_thread().native_id, None)
    return sorted(names.values())


def _take_child_ends():
    """Lets the process see how its children end, and gives each child the application's handler back."""
    global _on_child_end
    _on_child_end = signal.getsignal(signal.SIGCHLD)
    if _on_child_end is not None:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def in_child():
        global _on_child_end
        # What this child forks later keeps what it has by then.
        handler, _on_child_end = _on_child_end, None
        if handler is not None:
            signal.signal(signal.SIGCHLD, handler)

    os.register_at_fork(after_in_child=in_child)


def check_app(app, target, factory):
    """Returns the application, made by its factory if it is one; raises if it is none. `target` is its name."""
    attribute = target.partition(":")[2].removesuffix("()")
    if factory:
        if not callable(app):
            raise LoadError(f'the factory "{target}" is not callable: it is {_kind(app)}')
        try:
            app = app()
        except BaseException as error:
            raise LoadError(f'the factory "{target}" raised\n{format_exception(error)}') from None
    if not callable(app):
        raise LoadError(
            f'"{target}" is not callable: it is {_kind(app)}',
            "An ASGI application is called with scope, receive and send.",
        )
    if _is_wsgi(app):
        raise LoadError(
            f'"{target}" is a WSGI application: it is called with environ and start_response',
            _wsgi_hint(app, attribute),
        )
    if not factory and _takes(app, 0) and not _takes(app, 3) and not inspect.isclass(app):
        raise LoadError(
            f'"{target}" takes no arguments, so it is no ASGI application',
            f'If it makes one, name it as "{target}()" or add --factory.',
        )
    return app


def _import_failed(module_name, error):
    return f'importing "{module_name}" raised\n{format_exception(error, skip=("importlib", __file__))}'


def _packages_hint(missing, app_dir):
    """The virtualenv that may have a module that was not found; empty for a module of Python itself."""
    if not missing or missing.partition(".")[0] in sys.stdlib_module_names:
        return ""
    if "pounce._pounce" in sys.modules:
        return f"The server runs in {sys.executable}: install the package there, with {sys.executable} -m pip install."
    if sys.prefix != sys.base_prefix:
        return f"The virtualenv in use is {sys.prefix}; --python names another."
    found = [folder for folder in _environments(app_dir) if os.path.exists(os.path.join(folder, "bin", "python"))]
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    abi = "t" if "t" in getattr(sys, "abiflags", "") else ""
    for folder in found:
        if os.path.isdir(os.path.join(folder, "lib", version + abi, "site-packages")):
            return f"No virtualenv is in use; to use the one that is there, add --python {folder}."
    if found:
        return f"No virtualenv is in use; {found[0]} is one of another Python than {version[6:]}{abi}."
    return "No virtualenv is in use: activate the one that has it, or name it with --python."


def _environments(app_dir):
    """The folders where a virtualenv usually is: in the project, in a folder above, or the active conda one."""
    folder = os.path.abspath(app_dir)
    while True:
        yield os.path.join(folder, ".venv")
        yield os.path.join(folder, "venv")
        above = os.path.dirname(folder)
        if above == folder:
            break
        folder = above
    conda = os.environ.get("CONDA_PREFIX")
    if conda:
        yield conda


def _refuses_subinterpreters(error):
    """The extension module because of which an import failed, if it was made for the main interpreter alone."""
    while error:
        text = str(error)
        if isinstance(error, ImportError) and "subinterpreter" in text:
            named = re.match(r"module (\S+) does not support", text)
            if named:
                return named[1].partition(".")[0]
            # PyO3's message names no module: it is the one with the innermost import statement.
            frames = list(traceback.walk_tb(error.__traceback__))
            return frames[-1][0].f_globals.get("__name__", "a module").partition(".")[0] if frames else "a module"
        error = error.__cause__ or error.__context__
    return None


def _find(module, module_name, attribute):
    if not attribute:
        for name in ("app", "application"):
            if hasattr(module, name):
                return getattr(module, name)
        raise LoadError(
            f'the module "{module_name}" has neither "app" nor "application"',
            _close_names("app", module) or f'Name the attribute: "{module_name}:attribute".',
        )
    found = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise LoadError(
                f'the module "{module_name}" has no attribute "{attribute}"', _close_names(part, found)
            )
        found = getattr(found, part)
    return found


def _close_names(name, holder):
    public = [other for other in dir(holder) if not other.startswith("_")]
    close = difflib.get_close_matches(name, public, n=3, cutoff=0.5)
    return "Did you mean " + " or ".join(f'"{other}"' for other in close) + "?" if close else ""


def _kind(value):
    return f"a {type(value).__module__}.{type(value).__qualname__}"


def _is_wsgi(app):
    """Whether `app` takes exactly two arguments, which no kind of ASGI application does."""
    return _takes(app, 2) is True and _takes(app, 3) is False and _takes(app, 1) is False


def _wsgi_hint(app, attribute):
    name = attribute.removesuffix("()") or "app"
    hint = (
        f"Wrap it: from asgiref.wsgi import WsgiToAsgi, then {name} = WsgiToAsgi({name});"
        " a2wsgi.WSGIMiddleware does the same with threads."
    )
    if type(app).__module__.partition(".")[0] == "django":
        hint = f"Django makes an ASGI application too: name project.asgi:application. {hint}"
    return hint


def _takes(app, count):
    """Whether `app` can be called with `count` positional arguments; None if that is unknown."""
    try:
        inspect.signature(app).bind(*range(count))
    except TypeError:
        return False
    except ValueError:
        return None
    return True


def settle():
    """Freezes the objects of import and startup, which live as long as the server, for the collector to skip.

    Objects of a generation that has ended are collected first.
    """
    if not _is_preloaded:
        # To look at objects would copy the memory that a worker shares with others.
        gc.unfreeze()
        gc.collect()
    _fill_free_list()
    gc.freeze()


def _fill_free_list():
    """Fills asyncio's free list of future iterators with objects made now, next to each other.

    The collector does not clear this list, and each iterator that a request left there would keep an arena of 1 MiB.
    """
    event_loop = asyncio.get_running_loop()
    iterators = [iter(event_loop.create_future()) for _ in range(255)]
    iterators.clear()


_collector_reports = []
_collector_began = 0


def watch_collector(report):
    """Calls `report` with the nanoseconds of each pause of the collector."""
    if not _collector_reports:
        gc.callbacks.append(_collector_paused)
    _collector_reports.append(report)


def unwatch_collector(report):
    """Undoes `watch_collector`."""
    _collector_reports.remove(report)
    if not _collector_reports and _collector_paused in gc.callbacks:
        gc.callbacks.remove(_collector_paused)


def _collector_paused(phase, info):
    global _collector_began
    if phase == "start":
        _collector_began = time.perf_counter_ns()
    elif _collector_began and _collector_reports:
        _collector_reports[-1](time.perf_counter_ns() - _collector_began)


def give_back_memory():
    """Gives back the memory of a burst of requests. A collector that the application has disabled stays disabled."""
    if gc.isenabled():
        gc.collect()


def begins_with_its_coroutine(app):
    """Whether a call of `app` only makes a coroutine and runs no code of the application."""
    return inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(getattr(app, "__call__", None))


def is_asgi2(app):
    """Whether `app` is of the two-step kind, `app(scope)(receive, send)`: decided by arity alone."""
    return _takes(app, 3) is False and _takes(app, 1) is True


def format_exception(error, skip=(__file__,)):
    """The traceback as text, without the frames of the caller of the application."""
    return "".join(_without_frames(traceback.TracebackException.from_exception(error), skip).format()).rstrip()


def _without_frames(summary, skip):
    summary.stack = traceback.StackSummary.from_list(
        [frame for frame in summary.stack if not any(name in frame.filename for name in skip)]
    )
    return summary


# Keys that an HTTP scope has and a lifespan scope lacks.
HTTP_KEYS = {"client", "headers", "http_version", "method", "path", "query_string", "raw_path", "scheme", "server"}


def is_refusal(error, asked):
    """Whether an application raised because it has no lifespan, as ASGI allows; any other exception is a fault.

    `asked` says whether it had already asked for a message, which only an application with a lifespan does.
    """
    if isinstance(error, NotImplementedError):
        return True
    knows_only_http = isinstance(error, KeyError) and HTTP_KEYS.issuperset(error.args)
    return not asked and (knows_only_http or isinstance(error, AssertionError) or "lifespan" in str(error).lower())


class Lifespan:
    """One application's lifespan: a task that lives as long as the server (ASGI lifespan 2.0).

    `startup` and `shutdown` return a verdict and its detail: complete, failed with the application's
    message, raised or refused with a traceback, or silent if the application returned without an answer.
    `fault` is called with the traceback of an exception that occurs while no verdict is awaited.
    """

    def __init__(self, app, asgi2, state, fault):
        self.app = app
        self.asgi2 = asgi2
        self.fault = fault
        self.asked = False
        self.scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
        self.inbox = asyncio.Queue()
        self.answer = None
        self.task = None

    async def startup(self):
        self.task = asyncio.create_task(self._live(), name="pounce-lifespan")
        return await self._ask("startup")

    async def shutdown(self):
        if self.task.done():
            return "complete", ""
        verdict = await self._ask("shutdown")
        if verdict[0] == "complete":
            await asyncio.wait([self.task])
        return verdict

    async def _ask(self, phase):
        self.phase = phase
        self.answer = asyncio.get_running_loop().create_future()
        await self.inbox.put({"type": f"lifespan.{phase}"})
        await asyncio.wait([self.task, self.answer], return_when=asyncio.FIRST_COMPLETED)
        if self.answer.done():
            return self.answer.result()
        # The task ended without an answer: its result or exception decides.
        return self.task.result()

    async def _live(self):
        try:
            if self.asgi2:
                await self.app(self.scope)(self._receive, self._send)
            else:
                await self.app(self.scope, self._receive, self._send)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # sys.exit() included: it must not end the loop
            text = format_exception(error)
            if self.answer.done() and self.answer.result()[0] == "complete":
                self.fault(text)
            return "refused" if is_refusal(error, self.asked) else "raised", text
        return "silent", ""

    async def _receive(self):
        self.asked = True
        return await self.inbox.get()

    async def _send(self, message):
        kind = message["type"]
        if kind not in (f"lifespan.{self.phase}.complete", f"lifespan.{self.phase}.failed"):
            raise ValueError(f"{kind!r} is no answer to 'lifespan.{self.phase}'")
        if self.answer.done():
            raise RuntimeError(f"{kind!r} was sent after the answer to 'lifespan.{self.phase}'")
        self.answer.set_result((kind.rpartition(".")[2], message.get("message", "")))


async def hook(app, asgi2, phase, worker, state):
    """Calls the application with the scope type of a phase of the worker."""
    kind = f"pounce.worker.{phase}"
    scope = {"type": kind, "asgi": {"version": "3.0"}, "worker": worker, "state": {} if state is None else state}
    inbox = asyncio.Queue()
    inbox.put_nowait({"type": kind})

    async def send(message):
        raise RuntimeError(f"nothing can be sent in the scope {kind!r}")

    if asgi2:
        await app(scope)(inbox.get, send)
    else:
        await app(scope, inbox.get, send)


SECRET = re.compile(r"(?i)(pass(word|wd)?|secret|token|api_?key|auth|credential|cookie|session|dsn)")

DEBUG_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#222}"
    "h1{font-size:1.3rem}h2{font-size:1rem;margin:1.5rem 0 .3rem}pre{background:#f4f4f2;padding:.6rem;"
    "overflow:auto;margin:0}b{background:#fbd9d3;display:block}table{border-collapse:collapse;margin:.4rem 0}"
    "td{padding:.1rem .8rem .1rem 0;vertical-align:top;font-family:monospace;font-size:13px}"
)


def debug_page(error):
    """An HTML page that shows an exception with source lines and local variables, secrets redacted."""
    title = html.escape("".join(traceback.format_exception_only(error)).strip())
    parts = [f"<!doctype html><meta charset=utf-8><title>{title}</title><style>{DEBUG_STYLE}</style><h1>{title}</h1>"]
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == __file__:
            continue
        lines, first = _source(frame)
        shown = "".join(
            f"<b>{html.escape(text) or ' '}</b>" if number == line else html.escape(text) + "\n"
            for number, text in enumerate(lines, first)
            if abs(number - line) <= 4
        )
        variables = "".join(
            f"<tr><td>{html.escape(name)}<td>{html.escape(_redacted(name, value))}"
            for name, value in frame.f_locals.items()
        )
        place = html.escape(f"{frame.f_code.co_filename}:{line} in {frame.f_code.co_name}")
        parts.append(f"<h2>{place}</h2><pre>{shown}</pre><table>{variables}</table>")
    return "\n".join(parts).encode("utf-8", "replace")


def _source(frame):
    try:
        lines, first = inspect.getsourcelines(frame)
    except (OSError, TypeError):
        return [], 1
    return [line.rstrip("\n") for line in lines], max(first, 1)


def _redacted(name, value):
    if SECRET.search(name):
        return "(redacted)"
    try:
        text = repr(value)
    except Exception as error:
        text = f"(repr raised {type(error).__name__})"
    if SECRET.search(text):
        return f"(redacted {type(value).__name__})"
    return text if len(text) <= 400 else text[:400] + "…"
