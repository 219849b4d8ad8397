"""Pounce, an ASGI server."""

from pounce._pounce import __version__

__all__ = ["__version__"]
