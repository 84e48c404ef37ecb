"""What the Triton clients do, written once for blocking and asyncio use.

Each operation is a generator: it yields the calls to make and receives their answers. `drive` and
`drive_asynchronous` make the calls.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from trifuse.client.encoding import Answer, decode, encode
from trifuse.client.metadata import ModelMetadata, find_mismatch
from trifuse.errors import InputError, RequestError, TrifuseError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
    from types import ModuleType

    from numpy.typing import NDArray

    from trifuse.client.endpoint import Endpoint

CallT = TypeVar("CallT")
AnswerT = TypeVar("AnswerT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Call:
    """One call of a method of tritonclient's clients."""

    method: str
    arguments: tuple[object, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


class Request(NamedTuple):
    """One inference that a system's operation asks for."""

    model: str
    inputs: dict[str, NDArray[Any]]
    outputs: tuple[str, ...]


def drive(steps: Generator[CallT, AnswerT, ResultT], perform: Callable[[CallT], AnswerT]) -> ResultT:
    """Run an operation by making its calls one after the other."""
    try:
        call = next(steps)
        while True:
            try:
                answer = perform(call)
            except TrifuseError as error:
                call = steps.throw(error)
            else:
                call = steps.send(answer)
    except StopIteration as finished:
        result: ResultT = finished.value
        return result


async def drive_asynchronous(
    steps: Generator[CallT, AnswerT, ResultT], perform: Callable[[CallT], Awaitable[AnswerT]]
) -> ResultT:
    """Run an operation by awaiting its calls one after the other."""
    try:
        call = next(steps)
        while True:
            try:
                answer = await perform(call)
            except TrifuseError as error:
                call = steps.throw(error)
            else:
                call = steps.send(answer)
    except StopIteration as finished:
        result: ResultT = finished.value
        return result


def infer(
    endpoint: Endpoint,
    module: ModuleType,
    model: str,
    inputs: Mapping[str, NDArray[Any]],
    outputs: Sequence[str] | None,
) -> Generator[Call, Any, Answer]:
    """Run a model. A refused request is compared with the model, for Triton's own words help little."""
    request = encode(module, inputs, outputs)
    try:
        result = yield Call("infer", (model,), request)
    except InputError as refusal:
        served = yield from _metadata_or(refusal, endpoint, model)
        raise (find_mismatch(served, inputs, outputs) or refusal) from refusal
    return decode(result)


def _metadata_or(refusal: InputError, endpoint: Endpoint, model: str) -> Generator[Call, Any, ModelMetadata]:
    try:
        return (yield from metadata(endpoint, model))
    except RequestError:
        raise refusal from None


def metadata(endpoint: Endpoint, model: str) -> Generator[Call, Any, ModelMetadata]:
    """Ask what a model takes and gives. Raises InputError for a model that is not served."""
    try:
        found = yield Call("get_model_metadata", (model,), endpoint.json_options)
        config = yield Call("get_model_config", (model,), endpoint.json_options)
    except InputError as refusal:
        names = yield from _served_models(endpoint)
        raise InputError(
            f"the server at {endpoint.url} serves no model '{model}'",
            expected=f"one of {', '.join(names)}" if names else None,
            hint="Publish it with build/publish.py",
        ) from refusal
    return ModelMetadata.parse(found, config.get("config", config))


def _served_models(endpoint: Endpoint) -> Generator[Call, Any, list[str]]:
    try:
        index = yield Call("get_model_repository_index", (), endpoint.json_options)
    except (RequestError, InputError):
        return []
    entries = index.get("models", []) if isinstance(index, dict) else index
    return sorted({entry["name"] for entry in entries if entry.get("state") == "READY"})
