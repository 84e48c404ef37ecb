"""Training in two processes: the gradients of one, and a lost process that costs an epoch at most."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from trifuse import systems
from trifuse.artifacts import digest, verify
from trifuse.training.losses import contrastive_loss

ROOT = Path(__file__).parents[2]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
EPOCHS = 6

GRADIENTS = """
import sys
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from trifuse.training.distributed import gather, rank, run
from trifuse.training.losses import contrastive_loss

class Losses(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, first, second):
        first, second = (gather(nn.functional.normalize(self.model.layer(x), dim=1)) for x in (first, second))
        return contrastive_loss(first, second, self.model.scale, torch.eye(len(first)))

def main():
    model, first, second = torch.load(sys.argv[1], weights_only=False)
    mine = slice(rank() * 6, rank() * 6 + 6)
    losses = DistributedDataParallel(Losses(model))
    losses(first[mine], second[mine]).backward()
    if rank() == 0:
        torch.save([parameter.grad for parameter in model.parameters()], sys.argv[2])

run(main)
"""


def test_gathered_rows_have_the_gradient_of_one_process(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Module()
    model.layer, model.scale = nn.Linear(10, 8), nn.Parameter(torch.tensor(2.0))
    first, second = torch.randn(2, 12, 10)
    torch.save([model, first, second], tmp_path / "given.pt")
    (tmp_path / "gradients.py").write_text(GRADIENTS)
    command = [*TORCHRUN, *map(str, (tmp_path / f for f in ("gradients.py", "given.pt", "found.pt")))]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [nn.functional.normalize(model.layer(x), dim=1) for x in (first, second)]
    contrastive_loss(*rows, model.scale, torch.eye(12)).backward()
    for parameter, found in zip(model.parameters(), torch.load(tmp_path / "found.pt"), strict=True):
        torch.testing.assert_close(found, parameter.grad, rtol=0, atol=1e-6)
        assert parameter.grad.abs().max() > 1e-2


def _train(catalogue: Path, artifacts: Path) -> list[str]:
    """Write the command line that trains in a process that has the environment variables of torchrun."""
    options = ("--profile", "smoke", "--data", catalogue, "--artifacts", artifacts, "--epochs", EPOCHS)
    return [str(ROOT / "build" / "train.py"), "product", *map(str, options)]


def _torchrun(catalogue: Path, artifacts: Path) -> subprocess.CompletedProcess[str]:
    command = [*TORCHRUN, *_train(catalogue, artifacts)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, cwd=ROOT, check=False)


def _weights(artifacts: Path) -> str:
    return digest(artifacts / "product" / "train" / "model.safetensors")


@pytest.fixture(scope="module")
def whole(catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact root of a run that nothing disturbed."""
    artifacts = tmp_path_factory.mktemp("whole")
    done = _torchrun(catalogue, artifacts)
    assert done.returncode == 0, done.stderr
    return artifacts


def test_two_processes_train_and_one_writes(whole: Path) -> None:
    manifest = verify(whole / "product" / "train", systems.contract("product", "smoke"))
    assert manifest.details["history"][-1]["epoch"] == EPOCHS
    assert sorted(path.name for path in (whole / "product").iterdir()) == ["logs", "train"]
    assert len(list((whole / "product" / "logs").rglob("events.*"))) == 1


def _running(artifacts: Path) -> dict[int, str]:
    """Find the processes whose command lines name the artifact root: their ranks, by process."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if bytes(artifacts) in (folder / "cmdline").read_bytes():
                variables = (folder / "environ").read_bytes().decode().split("\0")
                ranks = [value.partition("=")[2] for value in variables if value.startswith("RANK=")]
                found[int(folder.name)] = ranks[0] if ranks else ""
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _wait_for_checkpoints(artifacts: Path, moment: random.Random, processes: list[subprocess.Popen]) -> None:
    """Wait for a number of checkpoints, and then a part of an epoch."""
    wanted, seen, deadline = moment.randint(1, EPOCHS // 2), set(), time.monotonic() + 240
    while len(seen) < wanted:
        assert all(process.poll() is None for process in processes), "the training ended early"
        assert time.monotonic() < deadline
        seen |= {path.stat().st_mtime_ns for path in artifacts.glob("product/train.progress/[!.]*")}
        time.sleep(0.005)
    time.sleep(moment.uniform(0, 0.3))


def _assert_nothing_is_half_written(artifacts: Path) -> None:
    assert sorted(path.name for path in (artifacts / "product").iterdir()) == ["logs", "train.progress"]
    (checkpoint,) = (artifacts / "product" / "train.progress").glob("[!.]*")
    assert 1 <= torch.load(checkpoint, weights_only=True)["epoch"] < EPOCHS


def _assert_resumed_is(whole: Path, catalogue: Path, artifacts: Path) -> None:
    done = _torchrun(catalogue, artifacts)
    assert done.returncode == 0, done.stderr
    assert _weights(artifacts) == _weights(whole)
    assert not (artifacts / "product" / "train.progress").exists()
    logs = sorted(
        (artifacts / "product" / "logs").rglob("events.*"), key=lambda path: path.stat().st_mtime_ns
    )
    log = EventAccumulator(str(logs[-1])).Reload()
    assert min(event.step for tag in log.Tags()["scalars"] for event in log.Scalars(tag)) > 0


@contextmanager
def _two_processes(command: list[str]) -> Iterator[list[subprocess.Popen]]:
    """Start the processes as torchrun does, without its supervision: what each says is its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    processes = []
    for rank in "01":
        variables = common | {"RANK": rank, "LOCAL_RANK": rank, "TORCHELASTIC_RUN_ID": "test"}
        processes.append(
            subprocess.Popen(
                [sys.executable, *command],
                env=ENVIRONMENT | variables,
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("lost", [0, 1])
def test_the_process_that_is_left_says_what_happened(
    catalogue: Path, whole: Path, tmp_path: Path, lost: int
) -> None:
    with _two_processes(_train(catalogue, tmp_path)) as processes:
        _wait_for_checkpoints(tmp_path, random.Random(lost), processes)
        processes[lost].send_signal(signal.SIGKILL)
        left = processes[1 - lost]
        _, errors = left.communicate(timeout=120)
    assert left.returncode == 1, errors
    (line,) = (line for line in errors.splitlines() if line.startswith("error: "))
    assert line.startswith("error: another process of this training run has ended: got ")
    assert "expected 2 processes until the end." in line
    assert line.endswith("Its own message says why; the same command goes on from the last checkpoint")
    _assert_nothing_is_half_written(tmp_path)
    _assert_resumed_is(whole, catalogue, tmp_path)


@pytest.mark.timeout(600)
def test_under_torchrun_a_lost_process_ends_the_run(catalogue: Path, whole: Path, tmp_path: Path) -> None:
    command = [*TORCHRUN, *_train(catalogue, tmp_path)]
    with subprocess.Popen(command, env=ENVIRONMENT, cwd=ROOT, stderr=subprocess.PIPE, text=True) as running:
        _wait_for_checkpoints(tmp_path, random.Random(2), [running])
        lost = next(process for process, rank in _running(tmp_path).items() if rank == "1")
        os.kill(lost, signal.SIGKILL)
        _, errors = running.communicate(timeout=120)
    assert running.returncode != 0
    assert f"rank      : 1 (local_rank: 1)\n  exitcode  : -9 (pid: {lost})" in errors
    assert _running(tmp_path) == {}
    _assert_nothing_is_half_written(tmp_path)
    _assert_resumed_is(whole, catalogue, tmp_path)
