"""The command line: `pounce app:app`, and `python -m pounce app:app`."""

import sys

try:
    from pounce._host import describe_host
    from pounce._pounce import main as run_command
except ImportError as error:
    from pounce._conflict import explain

    raise explain(error) from None


def main() -> None:
    """Does what the command line asks for, and ends the process."""
    sys.exit(run_command(sys.argv[1:], *describe_host()))


if __name__ == "__main__":
    main()
