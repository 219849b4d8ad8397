"""The forms that an application may have, and the names it may be found under."""

import contextvars
import functools

from kit import lifespan, respond


def answering(text):
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            return await lifespan(receive, send)
        await respond(send, text)

    return app


app = answering("the default app")


def plain_function(scope, receive, send):
    """Not a coroutine function, but returns a coroutine."""
    return answering("plain function")(scope, receive, send)


class Callable:
    async def __call__(self, scope, receive, send):
        await answering("callable object")(scope, receive, send)


instance = Callable()
partial = functools.partial(lambda text, scope, receive, send: answering(text)(scope, receive, send), "partial")


class Bound:
    async def method(self, scope, receive, send):
        await answering("bound method")(scope, receive, send)

    @staticmethod
    async def static(scope, receive, send):
        await answering("static method")(scope, receive, send)


bound = Bound()


class Asgi2:
    """ASGI 2: called with the scope, returns a callable for receive and send."""

    def __init__(self, scope):
        self.scope = scope

    async def __call__(self, receive, send):
        if self.scope["type"] == "lifespan":
            return await lifespan(receive, send)
        await respond(send, "asgi2 class")


def asgi2_function(scope):
    return Asgi2(scope)


def create():
    return answering("made by a factory")


def create_for(name="somebody"):
    return answering(f"made for {name}")


def broken_factory():
    raise RuntimeError("the factory broke")


def factory_of_nothing():
    return None


async def asynchronous_factory():
    return answering("made by a coroutine")


class Holder:
    class inner:
        app = staticmethod(answering("a dotted attribute"))


number = 5


SEEN = contextvars.ContextVar("SEEN", default="nothing")


def before_its_coroutine(scope, receive, send):
    """Sets a context variable in the part that runs at once, and reports its previous value."""
    before = SEEN.get()
    SEEN.set("what an earlier request set")

    async def handle():
        if scope["type"] == "lifespan":
            return await lifespan(receive, send)
        await respond(send, f"{before} before, {SEEN.get()} now")

    return handle()


def wsgi_function(environ, start_response):
    """Not an ASGI application: it takes two arguments."""
    start_response("200 OK", [])
    return [b"wsgi"]


class WsgiObject:
    """A WSGI application, as in Flask and Django."""

    def __call__(self, environ, start_response):
        return wsgi_function(environ, start_response)


wsgi_object = WsgiObject()


def wsgi_factory():
    return wsgi_object
