"""int8 variants of small parts of every kind: which there are, and that they still compute the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trifuse.compression.quantize import DYNAMIC, FLOAT, STATIC, variants
from trifuse.contracts import ModelSpec, SystemContract, TensorSpec
from trifuse.export.runtime import open_session
from trifuse.export.to_onnx import export_part
from trifuse.models.cross_attention import CrossModalAttention
from trifuse.serving.onnx_header import check_versions, read_header

DIM, LENGTH, ITEMS = 64, 12, 24
Arrays = dict[str, NDArray[np.generic]]


class Convolutions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, DIM, 3, 2, 1),
            nn.BatchNorm2d(DIM),
            nn.ReLU(),
            nn.Conv2d(DIM, 128, 3, 2, 1),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(128, 40)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.classifier(self.layers(pixels).mean(dim=(2, 3)))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(13, 96, num_layers=2, batch_first=True)
        self.projection = nn.Linear(96, DIM)

    def forward(self, frames: Tensor) -> Tensor:
        states, _ = self.lstm(frames)
        return self.projection(states[:, -1])


class Mixture(nn.Module):
    """No weights worth a byte."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.3))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return nn.functional.normalize(self.weight * first + second, dim=-1)


class Part(NamedTuple):
    path: Path
    samples: Arrays
    made: dict[str, Path]


IMAGE, STATES = TensorSpec("pixels", "FP32", (3, 32, 32)), TensorSpec("states", "FP32", (9, DIM))
TOKENS, MASK = TensorSpec("tokens", "FP32", (-1, DIM)), TensorSpec("mask", "INT64", (-1,))
VECTOR = TensorSpec("vector", "FP32", (DIM,))
KINDS: dict[str, tuple[Callable[[], nn.Module], tuple[TensorSpec, ...], TensorSpec]] = {
    "convolutions": (Convolutions, (IMAGE,), TensorSpec("logits", "FP32", (40,))),
    "attention": (lambda: CrossModalAttention(DIM, 48, 4, 256), (STATES, TOKENS, MASK), VECTOR),
    "recurrent": (Recurrent, (TensorSpec("frames", "FP32", (-1, 13)),), VECTOR),
    "mixture": (Mixture, (VECTOR, TensorSpec("other", "FP32", (DIM,))), TensorSpec("mixed", "FP32", (DIM,))),
}
EXPECTED = {
    "convolutions": [FLOAT, STATIC],
    "attention": [FLOAT, DYNAMIC, STATIC],
    "recurrent": [FLOAT, DYNAMIC],
    "mixture": [FLOAT],
}
QUANTISED = [(kind, variant) for kind, names in EXPECTED.items() for variant in names if variant != FLOAT]


def _inputs(specs: tuple[TensorSpec, ...], items: int, length: int, seed: int) -> Arrays:
    """Draw inputs; of the masks every other row ends early, where attention must add minus infinity."""
    rng, arrays = np.random.default_rng(seed), {}
    for spec in specs:
        dims = [items, *(length if dim == -1 else dim for dim in spec.dims)]
        arrays[spec.name] = rng.normal(size=dims).astype(np.float32)
        if spec is MASK:
            arrays[spec.name] = np.ones(dims, np.int64)
            arrays[spec.name][::2, length // 2 :] = 0
    return arrays


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory, contract: SystemContract) -> dict[str, Part]:
    folder, parts = tmp_path_factory.mktemp("parts"), {}
    for kind, (build, inputs, output) in KINDS.items():
        torch.manual_seed(0)
        path, samples = folder / f"{kind}.onnx", _inputs(inputs, ITEMS, LENGTH, seed=0)
        example = {name: torch.from_numpy(array[:2]) for name, array in samples.items()}
        export_part(build().eval(), ModelSpec(kind, inputs, (output,)), example, path, contract)
        before = path.read_bytes()
        parts[kind] = Part(path, samples, variants(path, samples, folder / kind))
        assert path.read_bytes() == before
    return parts


def _operators(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def _run(path: Path, inputs: Arrays) -> NDArray[np.float32]:
    return np.asarray(open_session(path).run(None, inputs)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_variants_the_original_first(parts: dict[str, Part], kind: str) -> None:
    assert list(parts[kind].made) == EXPECTED[kind]
    assert parts[kind].made[FLOAT] == parts[kind].path


def test_the_original_is_not_written_to(parts: dict[str, Part], tmp_path: Path) -> None:
    for kind, part in parts.items():
        before = part.path.stat()
        variants(part.path, _inputs(KINDS[kind][1], 4, LENGTH, seed=0), tmp_path / kind)
        after = part.path.stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns), kind


@pytest.mark.parametrize(("kind", "variant"), QUANTISED)
def test_a_variant_is_much_smaller(parts: dict[str, Part], kind: str, variant: str) -> None:
    part = parts[kind]
    # Weights shrink to a quarter; what describes the graph does not.
    weights = sum(
        onnx.numpy_helper.to_array(tensor).nbytes for tensor in onnx.load(part.path).graph.initializer
    )
    saved = part.path.stat().st_size - part.made[variant].stat().st_size
    assert saved > 0.6 * weights


@pytest.mark.parametrize(("kind", "variant"), QUANTISED)
def test_a_variant_computes_nearly_the_same(parts: dict[str, Part], kind: str, variant: str) -> None:
    specs = KINDS[kind][1]
    for items, length in ((1, 5), (7, LENGTH), (3, 2 * LENGTH)):
        inputs = _inputs(specs, items, length, seed=items)
        expected, found = _run(parts[kind].path, inputs), _run(parts[kind].made[variant], inputs)
        assert found.shape == expected.shape
        assert np.isfinite(found).all()
        norms = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
        # Weights of 7 bits, and random ones at that.
        assert ((found * expected).sum(axis=1) / norms).min() > 0.98
        assert not np.array_equal(found, expected)


@pytest.mark.parametrize(("kind", "variant"), QUANTISED)
def test_a_variant_can_be_published(
    parts: dict[str, Part], contract: SystemContract, kind: str, variant: str
) -> None:
    path = parts[kind].made[variant]
    header = read_header(path)
    check_versions(path, header)
    assert header.metadata == {"contract_hash": contract.hash, "system": contract.system, "part": kind}
    assert set(header.opsets) <= {"", "com.microsoft"}
    assert set(header.opsets) == {node.domain for node in onnx.load(path).graph.node}


@pytest.mark.parametrize("kind", KINDS)
def test_a_variant_has_the_tensors_of_its_original(parts: dict[str, Part], kind: str) -> None:
    def tensors(path: Path) -> list[tuple[str, str, list[object]]]:
        session = open_session(path)
        found = [*session.get_inputs(), *session.get_outputs()]
        return [
            (tensor.name, tensor.type, [d if isinstance(d, int) else -1 for d in tensor.shape])
            for tensor in found
        ]

    expected = tensors(parts[kind].path)
    assert all(tensors(path) == expected for path in parts[kind].made.values())


def test_all_products_and_convolutions_are_quantised(parts: dict[str, Part]) -> None:
    convolutions = _operators(parts["convolutions"].made[STATIC])
    assert convolutions["Conv"] == 2
    # Both weights, the classifier's, and the activations between them.
    assert convolutions["DequantizeLinear"] >= 6
    attention = _operators(parts["attention"].path)
    dynamic = _operators(parts["attention"].made[DYNAMIC])
    products = attention["MatMul"] + attention["Gemm"]
    # The products of queries, keys and values have no weights, and stay in float.
    assert dynamic["MatMulInteger"] == products - 2
    assert dynamic["MatMul"] + dynamic["Gemm"] == 2


def test_the_recurrent_layers_are_quantised(parts: dict[str, Part]) -> None:
    before, after = (_operators(parts["recurrent"].made[variant]) for variant in (FLOAT, DYNAMIC))
    assert before["LSTM"] == 2
    assert (after["LSTM"], after["DynamicQuantizeLSTM"]) == (0, 2)


def test_other_samples_give_other_scales(parts: dict[str, Part], tmp_path: Path) -> None:
    part = parts["convolutions"]
    louder = {name: 10 * array for name, array in part.samples.items()}
    made = variants(part.path, louder, tmp_path)[STATIC]
    inputs = _inputs(KINDS["convolutions"][1], 4, LENGTH, seed=9)
    usual, coarse, exact = (_run(path, inputs) for path in (part.made[STATIC], made, part.path))
    assert np.abs(coarse - exact).max() > 3 * np.abs(usual - exact).max()
