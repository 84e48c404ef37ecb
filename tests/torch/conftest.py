from __future__ import annotations

import pytest
import torch

from trifuse import systems
from trifuse.contracts import SystemContract
from trifuse.models.bert import BertSize
from trifuse.systems.product.model import ProductModel, build_model

ARCHITECTURE = {
    "image": {"block": "bottleneck", "depths": (1, 1, 1, 1), "width": 8},
    "text": BertSize(layers=1, hidden=32, heads=2, feed_forward=64, vocab_size=200).config(),
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
