"""Puts Pounce's loop in place of asyncio's, and reports the outcomes of tests. A plugin of pytest, loaded before any test."""

import asyncio
import json
import os
from asyncio import unix_events

SUITE = os.environ["CONFORMANCE_SUITE"]


def replace():
    """Makes asyncio's names for its loop mean Pounce's."""
    import pounce._loop

    class Loop(pounce._loop.Loop):
        # Tests of asyncio choose a selector, which means nothing here.
        def __init__(self, selector=None):
            super().__init__()
            if selector is not None:
                selector.close()

    for module in (asyncio, unix_events):
        for name in ("SelectorEventLoop", "EventLoop", "_UnixSelectorEventLoop"):
            if hasattr(module, name):
                setattr(module, name, Loop)
    for name in ("_UnixDefaultEventLoopPolicy", "_DefaultEventLoopPolicy", "DefaultEventLoopPolicy"):
        policy = getattr(unix_events, name, None)
        if policy is not None:
            policy._loop_factory = Loop
    return Loop


def replace_in(suite, loop):
    """What this suite needs besides: `loop` makes a loop."""
    if suite == "uvloop":
        from uvloop import _testbase

        # Not uvloop's own tests, but those that asyncio passes.
        _testbase.BaseTestCase.is_asyncio_loop = lambda self: True
    if suite == "anyio":
        import uvloop

        uvloop.new_event_loop = loop


LOOP = replace() if os.environ["CONFORMANCE_LOOP"] == "pounce" else asyncio.SelectorEventLoop
replace_in(SUITE, LOOP)


def write_outcome(name, outcome, reason=""):
    with open(os.environ["CONFORMANCE_REPORT"], "a") as file:
        file.write(json.dumps([name, outcome, reason]) + "\n")


def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        reason = report.longrepr[-1] if report.skipped and isinstance(report.longrepr, tuple) else ""
        write_outcome(report.nodeid, report.outcome, reason)
