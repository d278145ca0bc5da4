"""The command `handnn`. Only this package imports click."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(args: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    args: default those of the process; without any, the help is shown.
    """
    try:
        from handnn.cli.command import run
    except KeyboardInterrupt:  # the imports take longest
        if sys.stderr is not None:
            sys.stderr.write("\ninterrupted\n")
        return 130
    return run(args)
