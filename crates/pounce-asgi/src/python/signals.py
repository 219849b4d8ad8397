"""The server's signal handlers as Python code sees them. Executed once, in the main interpreter.

`signal.getsignal()` gives `handle_signal`, which can be called, and restored, like any handler. Whatever the application
installs is called when its signal comes; the server hears of the signal in C, whoever handles it here.
"""

import _signal
import atexit
import functools
import os
import sys


def install(numbers, installed, called):
    """Installs a handler for each of `numbers`.

    `installed(number, is_called)` is called after `signal.signal()` has set a handler, `called(number)` when the server's
    own handler is called.
    """
    set_handler = _signal.signal

    def handle_signal(signum, frame):
        called(signum)

    @functools.wraps(set_handler)
    def signal(signalnum, handler, /):
        previous = set_handler(signalnum, handler)
        if signalnum in numbers:
            # KeyboardInterrupt in the midst of the loop would end what it interrupts. The server does the stopping.
            installed(signalnum, callable(handler) and handler is not _signal.default_int_handler)
        return previous

    def end():
        for number in numbers:
            # Python ends by setting what it finds to the default, save what is ignored.
            signal(number, _signal.SIG_IGN)

    def in_child():
        _signal.signal = set_handler
        atexit.unregister(end)
        _signal.set_wakeup_fd(-1)
        # asyncio's own does nothing but wake a loop that runs in the parent.
        waking = getattr(sys.modules.get("asyncio.unix_events"), "_sighandler_noop", None)
        for number in numbers:
            handler = _signal.getsignal(number)
            set_handler(number, _signal.SIG_DFL if handler in (handle_signal, waking, None) else handler)

    _signal.signal = signal
    for number in numbers:
        signal(number, handle_signal)
    # The first to be registered is the last to be called: until then handlers work.
    atexit.register(end)
    os.register_at_fork(after_in_child=in_child)
