"""Tests against a real server: `served(app)`, and the pytest fixture `pounce_server`.

    def test_hello(pounce_server):
        url = pounce_server(app)
        assert httpx.get(url + "/hello").text == "hello"

The fixture is there as soon as the package is installed.
"""

import contextlib
from collections.abc import Iterator
from typing import Unpack

from pounce._config import Config
from pounce._server import Server
from pounce._types import Application, Options

__all__ = ["served"]


@contextlib.contextmanager
def served(app: Application | str, **options: Unpack[Options]) -> Iterator[str]:
    """Serves an application in a thread while the `with` block runs, at a free port of 127.0.0.1. Gives its URL."""
    given: Options = {"port": 0, "access_log": False, "log_level": "warning"}
    given.update(options)
    with Server(Config(app, **given), install_signal_handlers=False).run_in_thread() as server:
        yield url_of(server)


def url_of(server: Server) -> str:
    """The URL of the first address that a server listens at."""
    scheme = "https" if server.config.options.get("ssl_certfile") else "http"
    for address in server.addresses:
        if not isinstance(address, str):
            host, port = address
            return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
    raise ValueError("the server listens at no TCP address")
