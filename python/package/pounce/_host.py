"""What the server must know of the program that it is part of."""

import subprocess
import sys


def describe_host() -> tuple[str, list[str], list[str], str | None]:
    """The interpreter, its options, the arguments that this program was started with, and its virtualenv."""
    # The arguments that give a child process this interpreter's settings: -X, -W, -E, -I, -s and so on. The function is
    # private, and what multiprocessing uses.
    flags: list[str] = getattr(subprocess, "_args_from_interpreter_flags")()
    virtualenv = sys.prefix if sys.prefix != sys.base_prefix else None
    return sys.executable, flags, sys.orig_argv[1:], virtualenv
