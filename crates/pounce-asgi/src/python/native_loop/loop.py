"""The Python part of Pounce's event loop: what is not hot, and what asyncio's debug mode adds.

Executed once per interpreter.
"""

import asyncio
import selectors
import signal
import socket
import sys
import threading
from asyncio import base_events, format_helpers, selector_events, sslproto

Loop = None


ThreadSafeHandle = getattr(asyncio.events, "_ThreadSafeHandle", asyncio.Handle)


class LoopType(type):
    """The type of loops' classes."""

    def __setattr__(cls, name, value):
        if getattr(value, "__module__", None) == "nest_asyncio":
            # It would replace the method that takes the turns by one that knows nothing of what is ready.
            raise ValueError(f"Can't patch loop of type {cls}")
        super().__setattr__(name, value)


class Selector(selectors.BaseSelector):
    """What asyncio's code asks of a loop's selector: the registrations, which the loop itself keeps."""

    def __init__(self, event_loop):
        self._loop = event_loop

    def get_key(self, fileobj):
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        reader, writer = self._loop._watched(fd)
        if reader is None and writer is None:
            raise KeyError(f"{fileobj!r} is not registered")
        events = (reader is not None and selectors.EVENT_READ) | (writer is not None and selectors.EVENT_WRITE)
        return selectors.SelectorKey(fileobj, fd, events, (reader, writer))

    def get_map(self):
        return {fd: self.get_key(fd) for fd in self._loop._watched_descriptors()}

    def register(self, fileobj, events, data=None):
        raise NotImplementedError("use the loop's add_reader() and add_writer()")

    def unregister(self, fileobj):
        raise NotImplementedError("use the loop's remove_reader() and remove_writer()")

    def select(self, timeout=None):
        raise NotImplementedError("the loop waits itself")

    def close(self):
        self._loop._close_core()


class Ready:
    """The loop's ready handles, as asyncio's code adds to them."""

    def __init__(self, add):
        self.append = add

    def clear(self):
        """asyncio clears it when the loop is closed, which the loop does itself."""


# As much as a read can return: a record.
RECORD = 16 * 1024
WRAPPED = sslproto.SSLProtocolState.WRAPPED


class TLSProtocol(sslproto.SSLProtocol):
    """asyncio's TLS, with the way of data made shorter.

    Reads look whether anything is left before they try, as an attempt costs an exception; what a write or a read leads to
    is checked by numbers before the methods that handle it are called.
    """

    __module__ = "pounce"

    def data_received(self, data):
        """In place of `get_buffer()` and `buffer_updated()`: the transport copies less."""
        self._incoming.write(data)
        if self._state is not WRAPPED or self._app_reading_paused:
            # Nothing but what was just written.
            return self.buffer_updated(0)
        try:
            if self._app_protocol_is_buffer:
                self._do_read__buffered()
            else:
                self._do_read__copied()
            if self._write_backlog:
                self._do_write()
            else:
                self._process_outgoing()
            if self._ssl_reading_paused or self._incoming.pending >= self._incoming_high_water:
                self._control_ssl_reading()
        except Exception as error:
            self._fatal_error(error, "Fatal error on SSL protocol")

    def _do_read__copied(self):
        incoming, session = self._incoming, self._sslobj._sslobj
        chunks = []
        is_over = False
        try:
            while not is_over:
                chunk = session.read(RECORD)
                if not chunk:
                    is_over = True
                else:
                    chunks.append(chunk)
                    if not incoming.pending and not session.pending():
                        break
        except sslproto.SSLAgainErrors:
            pass
        if chunks:
            self._app_protocol.data_received(chunks[0] if len(chunks) == 1 else b"".join(chunks))
        if is_over:
            self._call_eof_received()
            self._start_shutdown()

    def _write_appdata(self, list_of_data):
        if self._state is not WRAPPED or self._write_backlog or len(list_of_data) != 1:
            return super()._write_appdata(list_of_data)
        (data,) = list_of_data
        try:
            try:
                count = self._sslobj._sslobj.write(data)
            except sslproto.SSLAgainErrors:
                count = 0
            if count < len(data):
                self._write_backlog.append(data[count:])
                self._write_buffer_size += len(data) - count
                self._do_write()
            else:
                self._process_outgoing()
        except Exception as error:
            self._fatal_error(error, "Fatal error on SSL protocol")

    def _process_outgoing(self):
        outgoing = self._outgoing
        if outgoing.pending and not self._ssl_writing_paused:
            self._transport.write(outgoing.read())
        if self._app_writing_paused or outgoing.pending + self._write_buffer_size >= self._outgoing_high_water:
            self._control_app_writing()


def define(core, transport):
    """Defines the class, above the types that have the hot methods."""
    global Loop
    base = asyncio.SelectorEventLoop

    class SocketTransport(transport):
        """asyncio's transport of stream sockets; reads and immediate writes are in Rust."""

        __module__ = "pounce"
        __qualname__ = "SocketTransport"

        def set_protocol(self, protocol):
            if type(protocol) is sslproto.SSLProtocol:
                # The loop's start_tls() has made it.
                protocol.__class__ = TLSProtocol
            super().set_protocol(protocol)
            self._buffered = isinstance(protocol, asyncio.BufferedProtocol) and type(protocol) is not TLSProtocol

        _write_rest = selector_events._SelectorSocketTransport.write

    class Loop(core, base, metaclass=LoopType):
        """asyncio's event loop with its hot parts in Rust."""

        __module__ = "pounce"
        __qualname__ = "Loop"

        def __init__(self):
            # The files that are watched, by number, as far as they were not named by it.
            self._watched_files = {}
            base.__init__(self, Selector(self))
            self._ready = Ready(self._add_callback)

        def _make_self_pipe(self):
            super()._make_self_pipe()
            self._watch_signals(self._ssock.fileno())

        def add_signal_handler(self, sig, callback, *args):
            super().add_signal_handler(sig, callback, *args)
            # From now on a signal is an event as any other: a loop that never waits takes it too.
            self._watch_signals(-1)

        def run_forever(self):
            self._check_closed()
            is_told = self._be_told_of_signals()
            try:
                super().run_forever()
            finally:
                if is_told and not self._signal_handlers:
                    signal.set_wakeup_fd(-1)

        def _be_told_of_signals(self):
            """Has signals end the loop's wait, also those that arrive just before it. True if that is for the loop to undo."""
            if threading.current_thread() is not threading.main_thread():
                return False
            try:
                before = signal.set_wakeup_fd(self._csock.fileno(), warn_on_full_buffer=False)
            except ValueError:  # A subinterpreter, which gets no signals.
                return False
            if before not in (-1, self._csock.fileno()):
                # Somebody else is told, who is to wake the loop.
                signal.set_wakeup_fd(before)
                return False
            return True

        # From Python 3.15 on, asyncio's transports and servers name the context of their callbacks.

        def _add_reader(self, fd, callback, *args, context=None):
            return self._add_watch(fd, False, callback, args, context)

        def _remove_reader(self, fd):
            return self._remove_watch(fd, False)

        def _add_writer(self, fd, callback, *args, context=None):
            return self._add_watch(fd, True, callback, args, context)

        def _remove_writer(self, fd):
            return self._remove_watch(fd, True)

        def _add_watch(self, fd, is_writer, callback, args, context):
            self._check_closed()
            handle = asyncio.Handle(callback, args, self, context)
            number = fd if type(fd) is int and fd >= 0 else selectors._fileobj_to_fd(fd)
            replaced = self._watch(number, is_writer, handle)
            if replaced is not None:
                replaced.cancel()
            if number is not fd:
                self._watched_files[number] = fd
            return handle

        def _remove_watch(self, fd, is_writer):
            if self.is_closed():
                return False
            number = fd if type(fd) is int else self._watched_number(fd)
            handle = self._unwatch(number, is_writer)
            if handle is None:
                return False
            handle.cancel()
            if self._watched_files and self._watched(number) == (None, None):
                self._watched_files.pop(number, None)
            return True

        def _watched_number(self, fileobj):
            """The number by which a file is watched, also after it was closed."""
            try:
                return selectors._fileobj_to_fd(fileobj)
            except ValueError:
                for number, watched in self._watched_files.items():
                    if watched is fileobj:
                        return number
                raise

        def _make_socket_transport(self, sock, protocol, waiter=None, **options):
            if type(sock) is not socket.socket:
                # Its methods may do something else.
                return base._make_socket_transport(self, sock, protocol, waiter, **options)
            self._ensure_fd_no_transport(sock)
            return SocketTransport(self, sock, protocol, waiter, **options)

        def _make_ssl_transport(self, rawsock, protocol, sslcontext, waiter=None, **options):
            self._ensure_fd_no_transport(rawsock)
            of_socket = {name: options.pop(name) for name in ("extra", "server", "context") if name in options}
            over_tls = TLSProtocol(
                self,
                protocol,
                sslcontext,
                waiter,
                options.pop("server_side", False),
                options.pop("server_hostname", None),
                **options,
            )
            self._make_socket_transport(rawsock, over_tls, **of_socket)
            return over_tls._app_transport

        if sys.version_info < (3, 13, 4):

            def create_task(self, coro, *, name=None, context=None, **options):
                """Schedules a coroutine; newer Pythons pass all options to the task as well."""
                if not options:
                    return base.create_task(self, coro, name=name, context=context)
                self._check_closed()
                if self._task_factory is not None:
                    return self._task_factory(self, coro, name=name, context=context, **options)
                task = asyncio.Task(coro, loop=self, name=name, context=context, **options)
                if task._source_traceback:
                    del task._source_traceback[-1]
                return task

        # What the hot methods leave to asyncio: debug mode, closed loops, unusual arguments.

        _slow_call_soon = base.call_soon

        def _slow_call_soon_threadsafe(self, callback, *args, context=None):
            self._check_closed()
            if self._debug:
                self._check_callback(callback, "call_soon_threadsafe")
            handle = ThreadSafeHandle(callback, args, self, context)
            if handle._source_traceback:
                del handle._source_traceback[-1 if ThreadSafeHandle is asyncio.Handle else -2 :]
            self._send_callback(handle)
            return handle

        def _slow_call_later(self, delay, callback, *args, context=None):
            if delay is None:
                raise TypeError("delay must not be None")
            timer = self._slow_call_at(self.time() + delay, callback, *args, context=context)
            if timer._source_traceback:
                del timer._source_traceback[-1]
            return timer

        def _slow_call_at(self, when, callback, *args, context=None):
            if when is None:
                raise TypeError("when cannot be None")
            self._check_closed()
            if self._debug:
                self._check_thread()
                self._check_callback(callback, "call_at")
            timer = asyncio.TimerHandle(when, callback, args, self, context)
            if timer._source_traceback:
                del timer._source_traceback[-1]
            self._schedule(timer)
            return timer

        def _report(self, handle, error):
            """What `Handle._run` does with an exception of its callback."""
            callback = format_helpers._format_callback_source(handle._callback, handle._args)
            context = {"message": f"Exception in callback {callback}", "exception": error, "handle": handle}
            if handle._source_traceback:
                context["source_traceback"] = handle._source_traceback
            self.call_exception_handler(context)

        def _run_debug(self, handle):
            """Runs a handle in debug mode, and logs it if it was slow."""
            try:
                self._current_handle = handle
                start = self.time()
                handle._run()
                took = self.time() - start
                if took >= self.slow_callback_duration:
                    base_events.logger.warning(
                        "Executing %s took %.3f seconds", base_events._format_handle(handle), took
                    )
            finally:
                self._current_handle = None
                # The traceback of an exception refers to this frame: without this, a cycle.
                handle = None
