"""Pounce's event loop, for any program that uses asyncio."""

import asyncio
import sys
import warnings
from collections.abc import Coroutine
from typing import TypeVar

from pounce._pounce import loop_class

_T = TypeVar("_T")

Loop = loop_class()


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Makes an event loop, such as for `asyncio.Runner(loop_factory=pounce.new_event_loop)`."""
    return Loop()


def run_async(main: Coroutine[object, None, _T], *, debug: bool | None = None) -> _T:
    """Runs a coroutine to its end on a new loop of Pounce, as `asyncio.run()` does on one of asyncio."""
    with asyncio.Runner(debug=debug, loop_factory=new_event_loop) as runner:
        return runner.run(main)


def install() -> None:
    """Makes `asyncio.run()` and `asyncio.new_event_loop()` use Pounce's loop, where the code cannot be changed.

    It sets the policy of event loops, which asyncio gives up in Python 3.16: prefer `run_async`.
    """
    if sys.version_info >= (3, 16):
        raise RuntimeError("Python 3.16 has no policies of event loops; use pounce.run_async(main())")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)

        class Policy(asyncio.DefaultEventLoopPolicy):
            _loop_factory = Loop

        asyncio.set_event_loop_policy(Policy())
