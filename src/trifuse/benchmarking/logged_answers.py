"""Requests that are recorded, sent by another, and judged by the answers that the other has logged."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from trifuse.client import Answer, TritonClient
from trifuse.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Inputs = Mapping[str, NDArray[Any]]
    Request = tuple[str, Inputs, Sequence[str] | None]

_VERSION = "model version"


class Recorder(TritonClient):
    """A client that keeps every request, with its answer."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.requests: list[Request] = []
        self.answers: list[Answer] = []

    def infer(self, model: str, inputs: Inputs, outputs: Sequence[str] | None = None) -> Answer:
        """Run a model, as `TritonClient.infer` does."""
        answer = super().infer(model, inputs, outputs)
        self.requests.append((model, inputs, outputs))
        self.answers.append(answer)
        return answer


class Replayer(TritonClient):
    """A client that answers from a record; it asks the server for metadata only."""

    def __init__(
        self, *arguments: Any, requests: Sequence[Request], answers: Sequence[Answer], **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._answers = {
            _key(model, inputs): answer for (model, inputs, _), answer in zip(requests, answers, strict=True)
        }

    def infer(
        self,
        model: str,
        inputs: Inputs,
        outputs: Sequence[str] | None = None,  # noqa: ARG002
    ) -> Answer:
        """Answer as the record says. Raises RequestError for a request that it does not hold."""
        answer = self._answers.get(_key(model, inputs))
        if answer is None:
            raise RequestError(f"the record holds no such request to {model}")
        return answer


def encode_answer(answer: Answer) -> bytes:
    """Write an answer of numbers as bytes."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **answer, **{_VERSION: np.array(answer.model_version)})
    return file.getvalue()


def decode_answer(content: bytes) -> Answer:
    """Read an answer that `encode_answer` wrote."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        outputs = dict(arrays)
    return Answer(outputs, int(outputs.pop(_VERSION)))


def largest_difference(answers: Sequence[Answer], others: Sequence[Answer]) -> float:
    """Compare answers to the same requests: the largest difference of a number.

    Raises RequestError where they have other outputs or shapes.
    """
    found = 0.0
    for one, other in zip(answers, others, strict=True):
        shapes = [{name: value.shape for name, value in answer.items()} for answer in (one, other)]
        if shapes[0] != shapes[1]:
            raise RequestError("a request got another kind of answer", got=shapes[1], expected=shapes[0])
        for name, value in one.items():
            difference = np.abs(value.astype(np.float64) - other[name].astype(np.float64))
            found = max(found, float(difference.max(initial=0.0)))
    return found


def _key(model: str, inputs: Inputs) -> str:
    digest = hashlib.sha256(model.encode())
    for name, value in sorted(inputs.items()):
        digest.update(f"\0{name}\0{value.dtype}\0{value.shape}\0".encode())
        parts = value.flat if value.dtype == object else [value.tobytes()]
        for part in parts:
            digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()
