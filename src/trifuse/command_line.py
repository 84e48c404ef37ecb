"""How every script ends: an error of the tree is one line on standard error and its exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from trifuse.errors import TrifuseError

if TYPE_CHECKING:
    from collections.abc import Callable

INTERRUPTED = 130


def run(main: Callable[[], None]) -> None:
    """Run a script's main function."""
    try:
        main()
    except TrifuseError as error:
        print_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def print_error(error: TrifuseError, label: str = "error") -> None:
    """Write an error to standard error as one line."""
    sys.stderr.write(" ".join(f"{label}: {error}".split()) + "\n")
