"""What purchases say about products: neighbours, sales rates, buyers and repeats, in one file."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from trifuse.artifacts import write_file
from trifuse.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True)
class PurchaseStatistics:
    """Statistics of n products, computed from all purchases before `until_s` (seconds since 1970).

    `neighbours` (n, k) are positions of products that the same people buy, -1 where there are fewer, with
    `weights` (n, k). `rates` are recent purchases a day while on sale, smoothed; `new_rate` is the rate of a
    product that was never sold. `buyers` counts people, `repeat_rates` is the smoothed share of them who
    bought the product on another day again.
    """

    product_ids: NDArray[np.str_]
    neighbours: NDArray[np.int32]
    weights: NDArray[np.float32]
    rates: NDArray[np.float32]
    new_rate: float
    buyers: NDArray[np.int32]
    repeat_rates: NDArray[np.float32]
    until_s: int

    @cached_property
    def positions(self) -> dict[str, int]:
        """The position of every product id."""
        return {name: position for position, name in enumerate(self.product_ids.tolist())}

    @cached_property
    def by_rate(self) -> NDArray[np.int64]:
        """The positions of all products, the fastest selling first."""
        return np.argsort(-self.rates, kind="stable")

    def save(self, path: Path) -> None:
        """Write everything into one .npz file."""
        content = io.BytesIO()
        np.savez_compressed(content, **{field.name: getattr(self, field.name) for field in fields(self)})
        write_file(path, content.getvalue())

    @classmethod
    def load(cls, path: Path) -> PurchaseStatistics:
        """Read what `save` wrote. Raises ArtifactError."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                values = {field.name: arrays[field.name] for field in fields(cls)}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ArtifactError(
                f"the purchase statistics {path} cannot be read", got=error, hint="Fit the recommender again"
            ) from error
        scalars = {"new_rate": float(values["new_rate"]), "until_s": int(values["until_s"])}
        return cls(**(values | scalars))
