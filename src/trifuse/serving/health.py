"""Say whether a server answers: `python -m trifuse.serving.health --repository /models`, for health checks.

A server whose Python models have died still says that it is ready; only an inference tells.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from trifuse.command_line import run
from trifuse.errors import ConfigurationError
from trifuse.serving.canary import run_canaries
from trifuse.serving.versions import published_systems


def main() -> None:
    """Call every ensemble of the repository's systems once; status 0 when all of them answer."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--repository", type=Path, default=Path("/models"), help="what the server serves")
    parser.add_argument("--url", default="127.0.0.1:8001", help="the server's gRPC address")
    arguments = parser.parse_args()
    published = published_systems(arguments.repository)
    if not published:
        raise ConfigurationError(
            "there is nothing to serve", got=f"no published system in {arguments.repository}"
        )
    run_canaries(arguments.url, [contract for contract, _ in published])


if __name__ == "__main__":
    run(main)
