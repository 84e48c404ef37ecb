"""Smoke artifacts of the product system, made by the real scripts, and the files that tests send."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).parents[2]


def build_smoke(folder: Path) -> Path:
    """Generate, train, export and publish the smoke profile; returns the artifact root."""
    artifacts = folder / "artifacts"
    data = folder / "data"
    script("build/generate.py", "product", "--output", data, "--items", 160)
    script("build/train.py", "product", "--profile", "smoke", "--data", data, "--artifacts", artifacts)
    script("build/export_onnx.py", "product", "--artifacts", artifacts)
    script("build/publish.py", "product", "--artifacts", artifacts)
    return artifacts


def script(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run one of the project's scripts as a user would; fails with its output when it fails."""
    command = [sys.executable, str(ROOT / name), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.returncode == 0, f"{name}: {result.stdout}\n{result.stderr}"
    return result


def photo(seed: int, format_: str = "JPEG", mode: str = "RGB", size: tuple[int, int] = (80, 100)) -> bytes:
    """Encode a photo of random colour patches, different for every seed."""
    patches = np.random.default_rng(seed).integers(0, 255, (5, 4, 3), dtype=np.uint8)
    image = Image.fromarray(patches).resize(size, Image.Resampling.BICUBIC).convert(mode)
    exif = Image.Exif()
    if seed % 3 == 0 and format_ == "JPEG":
        exif[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, format_, exif=exif)
    return buffer.getvalue()


def mixed_photos(count: int) -> list[bytes]:
    """Encode photos of mixed formats, modes, sizes and orientations."""
    kinds = [
        ("JPEG", "RGB"),
        ("PNG", "RGBA"),
        ("WEBP", "RGB"),
        ("JPEG", "CMYK"),
        ("PNG", "L"),
        ("PNG", "P"),
        ("JPEG", "L"),
    ]
    return [
        photo(seed, *kinds[seed % len(kinds)], size=(60 + 7 * seed, 300 - 5 * seed)) for seed in range(count)
    ]


def assert_distinguishable(rows: NDArray[np.float32], atol: float) -> None:
    """Assert that most rows are so far apart that a comparison within `atol` tells them from each other."""
    differences = np.abs(rows[:, None] - rows[None, :]).max(axis=-1)
    assert np.median(differences[~np.eye(len(rows), dtype=bool)]) > 5 * atol


def texts(count: int) -> list[str]:
    """Write texts in Chinese, English and both, short and long."""
    words = [
        "简约",
        "白色",
        "连衣裙",
        "simple",
        "WHITE",
        "dress",
        "T恤",
        "复古碎花",
        "半身裙",
        "é",
        "Ｆｕｌｌ",
        "42",
    ]
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(words, size=1 + index % 30)) for index in range(count)]


def resident_mb(repository: Path) -> float:
    """Sum the memory of the server and its stubs, which name the repository on their command lines."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes()
            if b"triton" in line and bytes(repository) in line:
                total += int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total / 1e6
