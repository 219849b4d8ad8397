import pathlib
import signal
import subprocess
import sys
import textwrap

import pytest

# A shell starts programs in the background with it ignored, which the programs that tests start would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def program(tmp_path):
    """A function that runs a Python program in a process of its own, and returns the process."""
    running = []

    def start(source, *flags):
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(source))
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen([sys.executable, *flags, str(path)], cwd=tmp_path, **pipes)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def serving(program):
    """As `program`, for one that serves: waits until it does, and returns the line that says so as well."""

    def start(source):
        process = program(source)
        return process, next(line for line in process.stderr if " ready: " in line)

    return start


@pytest.fixture
def apps(monkeypatch):
    """The folder of the tests is on the path of modules."""
    monkeypatch.syspath_prepend(str(pathlib.Path(__file__).parent))
