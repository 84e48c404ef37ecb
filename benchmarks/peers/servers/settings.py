"""What the driver tells a peer's processes, through the environment that they all inherit."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path

_PREFIX = "TRIFUSE_PEER_"


@dataclass(frozen=True)
class Settings:
    """What to serve and where; `workers` are processes, `threads` those of one inference."""

    repository: Path
    model: str
    port: int
    workers: int
    threads: int
    max_batch: int
    batch_wait_ms: float

    def variables(self) -> dict[str, str]:
        """Write the settings as environment variables."""
        return {f"{_PREFIX}{name.upper()}": str(value) for name, value in asdict(self).items()}

    @classmethod
    def read(cls) -> Settings:
        """Read the settings of this process. Raises KeyError when the driver did not start it."""

        def value(name: str) -> str:
            return os.environ[f"{_PREFIX}{name.upper()}"]

        return cls(
            Path(value("repository")),
            value("model"),
            int(value("port")),
            int(value("workers")),
            int(value("threads")),
            int(value("max_batch")),
            float(value("batch_wait_ms")),
        )
