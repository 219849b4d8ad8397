"""The server's signal handlers as Python code sees them. Executed once, in the main interpreter.

`signal.getsignal()` returns `handle_signal`, which can be called and restored like any handler. Handlers that the
application installs are called when their signal comes; whichever is installed, the server's C handler sees the signal.
"""

import _signal
import atexit
import functools
import os
import sys


def install(numbers, installed, called, keeps):
    """Installs a handler for each of `numbers`, the signals that the server acts on.

    `installed(number, is_called)` is called after `signal.signal()` has set a handler for one of them, or a function for
    any other signal; `called(number)` when the server's handler is called. `keeps` says that handlers which are there are
    the application's, and stay. Returns a function that undoes it all.
    """
    set_handler = _signal.signal
    before = {number: _signal.getsignal(number) for number in numbers}
    # The other signals for which Python has a function.
    others = set()
    is_child = is_over = False

    def handle_signal(signum, frame):
        if is_over:
            return
        if is_child:
            # A handler that the child inherited chains to this one, or has restored it.
            set_handler(signum, _signal.SIG_DFL)
            os.kill(os.getpid(), signum)
        else:
            called(signum)

    @functools.wraps(set_handler)
    def signal(signalnum, handler, /):
        previous = set_handler(signalnum, handler)
        if not is_child and not is_over:
            observe(signalnum, handler)
        return previous

    def observe(number, handler):
        if number in numbers:
            # The server stops itself: KeyboardInterrupt would end any code it interrupts.
            installed(number, callable(handler) and handler is not _signal.default_int_handler)
        elif callable(handler):
            others.add(number)
            installed(number, True)
        else:
            others.discard(number)

    def end():
        for number in numbers:
            # When Python ends, it sets signals to their default, except those that are ignored.
            signal(number, _signal.SIG_IGN)

    def in_child():
        nonlocal is_child
        if is_over:
            return
        is_child = True
        atexit.unregister(end)
        # This descriptor wakes the parent's loop, and so does asyncio's handler, which does nothing else.
        _signal.set_wakeup_fd(-1)
        waking = getattr(sys.modules.get("asyncio.unix_events"), "_sighandler_noop", None)
        for number in numbers:
            handler = _signal.getsignal(number)
            set_handler(number, _signal.SIG_DFL if handler in (handle_signal, waking, None) else handler)
        for number in others:
            set_handler(number, _signal.getsignal(number))

    def uninstall():
        nonlocal is_over
        is_over = True
        atexit.unregister(end)
        if _signal.signal is signal:
            _signal.signal = set_handler
        for number in numbers:
            # A handler that the application has installed stays; the server's goes.
            if _signal.getsignal(number) is handle_signal and before[number] is not None:
                set_handler(number, before[number])
        for number in others:
            set_handler(number, _signal.getsignal(number))

    _signal.signal = signal
    for number in _signal.valid_signals():
        handler = _signal.getsignal(number)
        is_function = callable(handler) and handler is not _signal.default_int_handler
        if number in numbers and not (keeps and is_function):
            signal(number, handle_signal)
        elif is_function:
            observe(number, handler)
    # atexit calls the first registered function last, so handlers work until then.
    atexit.register(end)
    os.register_at_fork(after_in_child=in_child)
    return uninstall
