"""Evaluates another server's configuration, which is a Python program. Executed once, in a process of its own."""

import importlib
import json
import os
import sys
import traceback


def evaluate(location):
    """The settings of a file or module as JSON: each name with its values as texts; a function has none."""
    sys.path.insert(0, os.getcwd())
    namespace = load(location)
    return json.dumps([[name, texts(name, value)] for name, value in namespace.items() if not name.startswith("_")])


def load(location):
    if location.startswith("python:"):
        return vars(importlib.import_module(location.removeprefix("python:")))
    path = os.path.abspath(location.removeprefix("file:"))
    namespace = {"__name__": "__config__", "__file__": path, "__builtins__": __builtins__}
    with open(path, "rb") as file:
        source = file.read()
    exec(compile(source, path, "exec"), namespace)
    return namespace


def texts(name, value):
    """The values that the command line would have; none for what it could not have."""
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, int):
        # Permission bits are octal.
        return [f"{value:o}" if name == "umask" else str(int(value))]
    if isinstance(value, float | str | os.PathLike):
        return [str(value)]
    if isinstance(value, dict):
        return [json.dumps(value, default=unusable)] if value and name == "logconfig_dict" else []
    if isinstance(value, list | tuple | set):
        return [text for item in value for text in texts(name, item)]
    return []


def unusable(value):
    raise TypeError(f"{value!r} in logconfig_dict cannot be handed to worker processes; write its name as a text")


def explain(error):
    """The error as a user sees it: without the frames of this file."""
    if isinstance(error, TypeError) and "logconfig_dict" in str(error):
        return str(error)
    if isinstance(error, OSError | SyntaxError) and not error.__traceback__.tb_next.tb_next:
        return "".join(traceback.format_exception_only(error)).strip()
    lines = traceback.TracebackException.from_exception(error)
    lines.stack = traceback.StackSummary.from_list([frame for frame in lines.stack if frame.filename != "<pounce>"])
    return "".join(lines.format()).rstrip()
