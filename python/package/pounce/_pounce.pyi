"""The extension module. Private to the package."""

from asyncio import AbstractEventLoop
from collections.abc import Mapping

from pounce._types import Application, Wrap

__version__: str

def main(
    arguments: list[str],
    executable: str,
    flags: list[str],
    restarted: list[str],
    virtualenv: str | None,
) -> int: ...
def new_server(
    options: list[tuple[str, list[str]]],
    executable: str,
    flags: list[str],
    restarted: list[str],
    virtualenv: str | None,
) -> int: ...
def run_server(
    number: int,
    app: Application | None,
    wrap: Wrap | None,
    log_config: Mapping[str, object] | None,
    handles_signals: bool,
) -> None: ...
def shutdown_server(number: int) -> None: ...
def is_asked_to_stop(number: int) -> bool: ...
def server_state(number: int) -> tuple[str, list[tuple[str, int | None]]]: ...
def wait_server(number: int, seconds: float) -> tuple[str, list[tuple[str, int | None]]]: ...
def drop_server(number: int) -> None: ...
def loop_class() -> type[AbstractEventLoop]: ...
