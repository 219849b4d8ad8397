"""Another distribution that has a package of the same name."""

import importlib.metadata

_OWN = "pounce-server"


def explain(error: ImportError) -> ImportError:
    """The error to raise when a module of this package is missing: it names the distribution that has overwritten it."""
    owners = importlib.metadata.packages_distributions().get("pounce", [])
    others = sorted({owner for owner in owners if owner != _OWN})
    if not others:
        return error
    named = " and ".join(others)
    return ImportError(
        f"the package pounce belongs to {_OWN} and to {named}, which overwrite each other's files: "
        f"uninstall both, then install the one that you want (pip uninstall {_OWN} {' '.join(others)}; "
        f"pip install {_OWN})"
    )
