"""The reference design as written: PyTorch eager behind FastAPI, the recipe's teacher with random weights.

At the `full` profile that is ResNet50 + multilingual BERT-base (product), r3d_18 + BERT-base (surveillance).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from benchmarks.peers.servers.chain import Chain
from benchmarks.peers.servers.settings import Settings
from benchmarks.peers.servers.web import application

from trifuse.systems import component

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.peers.servers.chain import Arrays, Part

    from trifuse.contracts import ModelSpec, SystemContract


def open_chain() -> Chain:
    """Build the teacher of the published profile."""
    settings = Settings.read()
    torch.set_num_threads(settings.threads)
    return Chain(settings.repository, settings.model, _open_part)


def _open_part(contract: SystemContract, spec: ModelSpec, _: Path) -> Part:
    module = _teacher(contract.system, contract.profile).get_submodule(spec.name)
    names = [tensor.name for tensor in spec.outputs]

    def run(arrays: Arrays) -> Arrays:
        with torch.inference_mode():
            found = module(*(torch.from_numpy(arrays[tensor.name]) for tensor in spec.inputs))
        listed = found if isinstance(found, tuple) else (found,)
        return {name: tensor.numpy() for name, tensor in zip(names, listed, strict=True)}

    return run


@cache
def _teacher(system: str, profile: str) -> Any:
    torch.manual_seed(0)
    recipe = component(system, "recipe").recipe(profile)
    architecture = component(system, "training").architecture(recipe, recipe.teacher)
    contract = component(system, "contract").contract(profile)
    return component(system, "model").build_model(contract, architecture).eval()


app = application(open_chain, at_once=1)
