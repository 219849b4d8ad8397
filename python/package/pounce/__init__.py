"""Pounce, an ASGI server: `pounce app:app` on the command line, or from a program.

    import pounce

    pounce.run("app:app", port=8000)

`Server` has the other ways to run one: in a thread, or in a running event loop. The server's event loop is there for any
program: `pounce.run_async(main())` instead of `asyncio.run(main())`.
"""

from typing import TYPE_CHECKING

try:
    from pounce._pounce import __version__
except ImportError as error:
    from pounce._conflict import explain

    raise explain(error) from None

if TYPE_CHECKING:
    from pounce._config import Config
    from pounce._errors import AppImportError, BindError, ConfigError, PounceError, StartupError
    from pounce._loop import install, new_event_loop, run_async
    from pounce._server import Server, run

__all__ = [
    "AppImportError",
    "BindError",
    "Config",
    "ConfigError",
    "PounceError",
    "Server",
    "StartupError",
    "__version__",
    "install",
    "new_event_loop",
    "run",
    "run_async",
]

# The modules of the names that are imported when they are first asked for: the command line needs none of them.
_MODULES = {
    "Config": "_config",
    "Server": "_server",
    "install": "_loop",
    "new_event_loop": "_loop",
    "run": "_server",
    "run_async": "_loop",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value: object = getattr(importlib.import_module(f"pounce.{_MODULES.get(name, '_errors')}"), name)
    globals()[name] = value
    return value
