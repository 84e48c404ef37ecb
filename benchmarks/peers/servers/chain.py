"""A published ensemble run inside one process: the same preprocessing and ONNX files that Triton serves.

Every peer answers with this class, so that they differ in nothing but the server around it. It imports
neither torch nor tritonclient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trifuse.contracts import PREPROCESS
from trifuse.serving.versions import published_systems, served_version
from trifuse.systems import component

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.contracts import EnsembleSpec, ModelSpec, SystemContract

    Arrays = dict[str, NDArray[Any]]
    Part = Callable[[Arrays], Arrays]
    Item = Mapping[str, bytes]


class Chain:
    """Answers items, dictionaries of bytes by input name, several at once.

    `open_part` makes what computes an encoder or the fusion, from its contract and its ONNX file.
    """

    def __init__(
        self, repository: Path, model: str, open_part: Callable[[SystemContract, ModelSpec, Path], Part]
    ) -> None:
        self._contract, self.ensemble = find_ensemble(repository, model)
        version = str(served_version(repository, self._contract))

        def folder(name: str) -> Path:
            return repository / self._contract.model_name(name) / version

        preprocess = component(self._contract.system, "preprocess")
        self._preprocess = preprocess.Preprocessor(self._contract, folder(PREPROCESS))
        names = [step for step in self.ensemble.steps if step != PREPROCESS]
        self._specs = [self._contract.model(name) for name in names]
        self._parts = [
            open_part(self._contract, spec, folder(spec.name) / "model.onnx") for spec in self._specs
        ]
        needed = {tensor.name for spec in self._specs for tensor in spec.inputs}
        made = (tensor.name for tensor in self._contract.preprocess.outputs)
        self._features = [name for name in made if name in needed]

    def __call__(self, items: Sequence[Item]) -> list[dict[str, list[float]]]:
        """Answer items that have equal inputs, as one batch. Raises InputError."""
        known: Arrays = self._preprocess(_stack(items), self._features)
        for spec, part in zip(self._specs, self._parts, strict=True):
            known |= part({tensor.name: known[tensor.name] for tensor in spec.inputs})
        outputs = {tensor.name: known[tensor.name].tolist() for tensor in self.ensemble.outputs}
        return [{name: rows[index] for name, rows in outputs.items()} for index in range(len(items))]


def find_ensemble(repository: Path, model: str) -> tuple[SystemContract, EnsembleSpec]:
    """Find the published system and the ensemble that a model name belongs to. Raises KeyError."""
    found = {
        contract.model_name(ensemble.name): (contract, ensemble)
        for contract, _ in published_systems(repository)
        for ensemble in contract.ensembles
    }
    return found[model]


def _stack(items: Sequence[Item]) -> Arrays:
    stacked = {}
    for name in items[0]:
        stacked[name] = np.empty((len(items), 1), dtype=object)
        stacked[name][:, 0] = [item[name] for item in items]
    return stacked
