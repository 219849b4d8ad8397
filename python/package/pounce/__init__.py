"""Pounce, an ASGI server: `pounce app:app` on the command line, or from a program.

    import pounce

    pounce.run("app:app", port=8000)

`Server` has the other ways to run one: in a thread, or in a running event loop.
"""

from pounce._config import Config
from pounce._errors import AppImportError, BindError, ConfigError, PounceError, StartupError
from pounce._pounce import __version__
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
    "run",
]
