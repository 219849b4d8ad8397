"""Raises while it is imported."""


def connect():
    raise RuntimeError("no database at import")


app = connect()
