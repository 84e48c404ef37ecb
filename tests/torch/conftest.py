from __future__ import annotations

from pathlib import Path

import pytest
import torch

from trifuse import systems
from trifuse.contracts import SystemContract
from trifuse.stages.chain import Build
from trifuse.stages.train import TrainOptions, train
from trifuse.systems.product.generator import generate
from trifuse.systems.product.model import ProductModel, build_model
from trifuse.training.recipe import BertRecipe

ARCHITECTURE = {
    "image": {"block": "bottleneck", "depths": (1, 1, 1, 1), "width": 8},
    "text": BertRecipe(layers=1, hidden=32, heads=2, feed_forward=64).config(200),
    "fusion": {"width": 256, "heads": 8, "feed_forward": 512},
}


@pytest.fixture(scope="session")
def contract() -> SystemContract:
    return systems.contract("product", "smoke")


@pytest.fixture(scope="session")
def model(contract: SystemContract) -> ProductModel:
    """The product models with random weights; the blocks' last scales are not zero, as after training."""
    torch.manual_seed(0)
    model = build_model(contract, ARCHITECTURE).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bn3.weight"):
            torch.nn.init.ones_(parameter)
    return model


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of generated photos."""
    return generate(tmp_path_factory.mktemp("data"), items=120, seed=1, workers=1)


@pytest.fixture(scope="session")
def taught(catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """A build whose teacher is trained; tests leave it as it is."""
    build = Build("product", "smoke", tmp_path_factory.mktemp("artifacts"))
    train(build, TrainOptions(catalogue, epochs=1))
    return build
