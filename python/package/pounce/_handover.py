"""An application that runs in another event loop than the one that serves it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import ParamSpec, TypeVar, cast

from pounce._types import ASGI2Application, ASGIApplication, Receive, Scope, Send

P = ParamSpec("P")
T = TypeVar("T")


class HandedOver:
    """Runs each call of an application as a task of `loop`, on the thread of that loop.

    Its `receive` and `send` go back to the loop that serves. Errors and cancellations cross in both directions.
    """

    def __init__(
        self, app: ASGIApplication | ASGI2Application, is_asgi2: bool, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._app = _asgi3(cast(ASGI2Application, app)) if is_asgi2 else cast(ASGIApplication, app)
        self._loop = loop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        serving = asyncio.get_running_loop()

        async def call() -> None:
            called = self._app(scope, _going_back(receive, serving), _going_back(send, serving))
            if isinstance(called, Awaitable):
                await called

        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call(), self._loop))


def _asgi3(app: ASGI2Application) -> ASGIApplication:
    def call(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return app(scope)(receive, send)

    return call


def _going_back(
    function: Callable[P, Awaitable[T]], loop: asyncio.AbstractEventLoop
) -> Callable[P, Coroutine[object, object, T]]:
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        async def there() -> T:
            return await function(*args, **kwargs)

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(there(), loop))

    return call
