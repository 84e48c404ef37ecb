"""One process or many: who this one is, and what they exchange.

torchrun starts the processes and tells each its place in environment variables; without it there is one.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, TypeVar

import torch
import torch.distributed.nn
from torch import Tensor, distributed

from trifuse import command_line
from trifuse.errors import DistributedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

# What gloo and NCCL say when the process at the other end is gone.
_LOST_PEER = ("connection closed by peer", "connection reset by peer", "broken pipe", "nccl", "gloo")


def rank() -> int:
    """Number this process, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def world_size() -> int:
    """Count the processes of the run."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def is_main() -> bool:
    """Say whether this is the process that evaluates, writes files and shows progress."""
    return rank() == 0


def device() -> torch.device:
    """Choose this process's device: a GPU of its own where there are any."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def run(main: Callable[[], None]) -> None:
    """Run a script's main function in the process group that torchrun started, or alone without torchrun.

    DistributedDataParallel never gives its process group up, so that gloo's threads outlive the group; one
    that drops a tensor while the interpreter shuts down aborts the process
    (https://github.com/pytorch/pytorch/pull/179291). A member of a group ends without that shutdown.
    """
    code = 0
    try:
        command_line.run(process_group()(main))
    except SystemExit as end:
        code = int(end.code or 0)
    if not distributed.is_torchelastic_launched():
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@contextlib.contextmanager
def process_group() -> Iterator[None]:
    """Join the processes that torchrun started, for the time of the block; without torchrun do nothing.

    Raises DistributedError in the processes that are left when another one ends.
    """
    if not distributed.is_torchelastic_launched():
        yield
        return
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    except RuntimeError as error:
        message = str(error).lower()
        if not any(sign in message for sign in _LOST_PEER):
            raise
        raise DistributedError(
            "another process of this training run has ended",
            got=str(error).splitlines()[0],
            expected=f"{world_size()} processes until the end",
            hint="Its own message says why; the same command goes on from the last checkpoint",
        ) from error
    finally:
        distributed.destroy_process_group()


def share(value: T) -> T:
    """Give every process the main one's value."""
    if world_size() == 1:
        return value
    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


def gather(rows: Tensor) -> Tensor:
    """Concatenate the rows (batch, …) of all processes in the order of their ranks, with gradients.

    A loss that every process computes over the gathered rows has the gradient of one process with the whole
    batch, because DistributedDataParallel averages what the backward pass of the gathering sums up.
    """
    if world_size() == 1:
        return rows
    return torch.cat(torch.distributed.nn.all_gather(rows))  # type: ignore[no-untyped-call]
