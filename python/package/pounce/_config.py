"""Options given by a program, as the server reads them."""

import json
import logging
import os
import re
import ssl
from collections.abc import Mapping, Sequence
from typing import Unpack

from pounce._types import Application, Options

# What uvicorn calls an option, where the command line's name is another one.
_RENAMED = {"reload_dirs": "reload_dir", "reload_includes": "reload_include", "reload_excludes": "reload_exclude"}

_LEVELS = {
    logging.CRITICAL: "critical",
    logging.ERROR: "error",
    logging.WARNING: "warning",
    logging.INFO: "info",
    logging.DEBUG: "debug",
    5: "trace",
}

_CERT_REQS = {ssl.CERT_NONE: "none", ssl.CERT_OPTIONAL: "optional", ssl.CERT_REQUIRED: "required"}


class Config:
    """An application, by its name or as an object, and the options to serve it with.

    The options are those of the command line with underscores, and uvicorn's keywords. Faulty ones raise a `ConfigError`
    when a server is made.
    """

    def __init__(self, app: Application | str, **options: Unpack[Options]) -> None:
        self.app = app
        self.options: Options = options

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"Config({self.app!r}{options})"

    def arguments(self) -> list[tuple[str, list[str]]]:
        """The options as text: each one's name and its values."""
        app = self.app if isinstance(self.app, str) else _name_of(self.app)
        arguments = [("app", [app])]
        for name, value in self.options.items():
            arguments += _argument(name, value)
        return arguments

    def log_objects(self) -> Mapping[str, object] | None:
        """`log_config`, if it is a dictionary with objects that only this process has."""
        config = self.options.get("log_config")
        return config if isinstance(config, Mapping) and _json_of(config) is None else None


def _name_of(app: Application) -> str:
    """What log lines call an application that is given as an object."""
    module = getattr(app, "__module__", None) or "__main__"
    name = getattr(app, "__qualname__", type(app).__qualname__)
    # A factory's local function, say, has no name that can be imported.
    return ":".join(re.sub(r"[^\w.]+", "_", part).strip("_.") or "app" for part in (module, name))


def _argument(name: str, value: object) -> list[tuple[str, list[str]]]:
    if value is None:
        return []
    if name == "headers" and isinstance(value, Sequence):
        return [("header", [f"{key}: {text}" for key, text in value])]
    if name == "log_config" and isinstance(value, Mapping):
        text = _json_of(value)
        # Objects of this process are no text; the server gets them when it runs.
        return [] if text is None else [(name, [text])]
    if name == "log_level" and isinstance(value, int):
        value = _LEVELS.get(value, str(value))
    if name == "ssl_cert_reqs" and isinstance(value, int):
        value = _CERT_REQS.get(ssl.VerifyMode(value), str(value))
    return [(_RENAMED.get(name, name), _texts(value))]


def _json_of(config: Mapping[str, object]) -> str | None:
    try:
        return json.dumps(config)
    except (TypeError, ValueError):
        return None


def _texts(value: object) -> list[str]:
    if isinstance(value, bool):
        return ["on" if value else "off"]
    if isinstance(value, str | os.PathLike):
        return [os.fspath(value)]
    if isinstance(value, Sequence) and not isinstance(value, bytes | Mapping):
        return [text for item in value for text in _texts(item)]
    return [str(value)]
