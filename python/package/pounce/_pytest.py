"""The plugin for pytest, which finds it by the entry point `pytest11`."""

import contextlib
from collections.abc import Iterator
from typing import Protocol, Unpack

import pytest

from pounce._types import Application, Options


class ServerFactory(Protocol):
    """Serves an application until the end of the test, and gives its URL."""

    def __call__(self, app: Application | str, **options: Unpack[Options]) -> str: ...


@pytest.fixture
def pounce_server() -> Iterator[ServerFactory]:
    """A function that serves an application at a free port, in a thread, until the test ends. It returns the URL."""
    from pounce.testing import served

    with contextlib.ExitStack() as stack:

        def serve(app: Application | str, **options: Unpack[Options]) -> str:
            return stack.enter_context(served(app, **options))

        yield serve
