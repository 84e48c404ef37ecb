"""What `make demo` shows of the product system once it is served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trifuse.errors import TrifuseError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# The generated photos are simpler than real ones: they need a part of the profile's epochs.
EPOCHS = 24
_QUERIES = ("简约白色连衣裙", "simple white dress")
_FEWEST_RIGHT = 3
_WANTED = {"category": "dress", "colour": "white", "style": "simple"}


def show(
    step: Callable[..., None],
    answer: Callable[..., Any],
    url: str,
    manifest: Path,
    repository: Path,
    folder: Path,
) -> list[str]:
    """Index the held-out photos, search in both languages, match, and measure; returns the findings.

    `step` runs a command for people to read, `answer` runs a client for its JSON. Raises TrifuseError when
    the answers are wrong.
    """
    findings, photo = [], ""
    step(
        "clients/index.py",
        "build",
        manifest,
        "--split",
        "validation",
        "--repository",
        repository,
        "--url",
        url,
    )
    for number, query in enumerate(_QUERIES, 1):
        sheet = folder / f"demo-{number}.png"
        search = ("clients/search.py", query, "--url", url)
        step(*search, "--output", sheet)
        top = answer(*search, "--output", sheet)["results"][:5]
        right = sum(all(hit["attributes"][name] == value for name, value in _WANTED.items()) for hit in top)
        findings.append(f"{query}: {right} of the top 5 are simple white dresses, drawn in {sheet}")
        if right < _FEWEST_RIGHT:
            raise TrifuseError(
                findings[-1], expected=f"at least {_FEWEST_RIGHT}", hint="The training went wrong"
            )
        photo = top[0]["path"]
    step("clients/match.py", photo, _QUERIES[0], "--url", url)
    step("benchmarks/quality.py", "product", "--data", manifest, "--url", url)
    step("benchmarks/latency.py", "product", "--image", photo, "--text", _QUERIES[0], "--url", url)
    return findings
