"""What a system's models exchange, declared once for training, export, Triton and the clients."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, TypeVar

from trifuse.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREPROCESS = "preprocess"


@dataclass(frozen=True)
class TensorSpec:
    """One named tensor; `dims` exclude the batch axis and -1 is a dimension that varies.

    `dtype` is Triton's name of the type (FP32, INT64, BYTES, …). A `media` tensor holds whole encoded files
    (a photo, a recording); other BYTES tensors hold UTF-8 text.
    """

    name: str
    dtype: str
    dims: tuple[int, ...]
    optional: bool = False
    media: bool = False


@dataclass(frozen=True)
class ModelSpec:
    """One model of a system: the preprocessing step or an ONNX part."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True)
class ServiceSpec(ModelSpec):
    """A Python model over data of the user; its tensors have no batch axis, and `dims` are whole shapes.

    `holds_data` says that it keeps the data in its memory; other services only call models.
    """

    holds_data: bool = False


@dataclass(frozen=True)
class EnsembleSpec:
    """A chain of models that a client calls by one name; tensors connect by equal names."""

    name: str
    steps: tuple[str, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True)
class SystemContract:
    """The tensors, settings and ensembles of one system at one profile.

    `settings` hold every number that preprocessing and the models must agree on. `services` are Python models
    over data of the user, such as a catalogue's index; they take one request at a time and have versions of
    their own.
    """

    system: str
    profile: str
    max_batch_size: int
    preprocess: ModelSpec
    parts: tuple[ModelSpec, ...]
    ensembles: tuple[EnsembleSpec, ...]
    settings: Mapping[str, object] = field(default_factory=dict)
    services: tuple[ServiceSpec, ...] = ()

    @property
    def hash(self) -> str:
        """Identify the contract: equal hashes mean that artifacts fit together.

        Services do not count: they can change without other weights.
        """
        content = asdict(self)
        del content["services"]
        canonical = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def model_name(self, part: str) -> str:
        """Name the Triton model of a part, of an ensemble or of the preprocessing step."""
        return f"{self.system}_{part}" if part else self.system

    def model(self, name: str) -> ModelSpec:
        """Find the preprocessing step or an ONNX part by name. Raises ConfigurationError."""
        return _find(name, (self.preprocess, *self.parts), "model")

    def service(self, name: str) -> ServiceSpec:
        """Find a service by name. Raises ConfigurationError."""
        return _find(name, self.services, "service")

    def ensemble(self, name: str) -> EnsembleSpec:
        """Find an ensemble by name. Raises ConfigurationError."""
        return _find(name, self.ensembles, "ensemble")


_Named = TypeVar("_Named", ModelSpec, ServiceSpec, EnsembleSpec)


def _find(name: str, candidates: tuple[_Named, ...], kind: str) -> _Named:
    for candidate in candidates:
        if candidate.name == name:
            return candidate
    known = ", ".join(candidate.name for candidate in candidates)
    raise ConfigurationError(f"the contract has no such {kind}", got=repr(name), expected=f"one of {known}")
