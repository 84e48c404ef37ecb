"""What every client script shares: options, connection, output, errors and exit codes."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console

from trifuse.client.endpoint import DEFAULT_URLS, PROTOCOLS
from trifuse.client.triton import DEFAULT_TIMEOUT_S, TritonClient
from trifuse.command_line import INTERRUPTED, print_error
from trifuse.errors import TrifuseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

NumberT = TypeVar("NumberT", int, float)


@dataclass(frozen=True)
class Report:
    """A script's result: for programs as JSON data, for people as something that rich can show."""

    data: dict[str, Any]
    display: RenderableType


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of every client: where the server is, how long to wait, how to print."""
    urls = ", ".join(f"{url} for {protocol}" for protocol, url in DEFAULT_URLS.items())
    parser.add_argument("--url", metavar="HOST:PORT", help=f"the server (default: {urls})")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="grpc", help="default: %(default)s")
    parser.add_argument(
        "--timeout-s",
        type=positive(float),
        default=DEFAULT_TIMEOUT_S,
        help="limit of each request (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def add_result_options(parser: argparse.ArgumentParser, sheet: Path, top: int = 10) -> None:
    """Add the options of every client that finds products: how many, and where they are drawn."""
    parser.add_argument(
        "--top", type=positive(int), default=top, help="number of products (default: %(default)s)"
    )
    parser.add_argument("--output", type=Path, default=sheet, help="the PNG to write (default: %(default)s)")


def positive(number: Callable[[str], NumberT]) -> Callable[[str], NumberT]:
    """Make the argparse type of numbers above zero."""

    def parse(text: str) -> NumberT:
        value = number(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text} is not above zero")
        return value

    parse.__name__ = number.__name__
    return parse


def connect(options: argparse.Namespace) -> TritonClient:
    """Make the client that the common options describe."""
    return TritonClient(options.url, protocol=options.protocol, timeout_s=options.timeout_s)


def run(parser: argparse.ArgumentParser, command: Callable[[argparse.Namespace], Report]) -> int:
    """Parse the command line, run the command, print its report and return the exit code.

    An error of Trifuse's tree becomes one sentence on stderr; with --json it is also the JSON object.
    """
    options = parser.parse_args()
    try:
        report = command(options)
    except TrifuseError as error:
        print_error(error)
        if options.json:
            _print_json({"error": {"type": type(error).__name__, "message": str(error)}})
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    if options.json:
        _print_json(report.data)
    else:
        # Titles and texts may contain what rich would take for its markup.
        Console(markup=False, highlight=False).print(report.display)
    return 0


def _print_json(data: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(data, ensure_ascii=False) + "\n")
