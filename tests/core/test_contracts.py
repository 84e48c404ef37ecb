from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys

import pytest

from trifuse import systems
from trifuse.errors import ConfigurationError


@pytest.mark.parametrize("system", systems.available())
@pytest.mark.parametrize("profile", systems.PROFILES)
def test_ensembles_connect(system: str, profile: str) -> None:
    contract = systems.contract(system, profile)
    for ensemble in contract.ensembles:
        known = {spec.name for spec in ensemble.inputs}
        for step in ensemble.steps:
            model = contract.model(step)
            missing = {spec.name for spec in model.inputs if not spec.optional} - known
            assert not missing, f"{ensemble.name}: {step} lacks {missing}"
            known |= {spec.name for spec in model.outputs}
        assert {spec.name for spec in ensemble.outputs} <= known


@pytest.mark.parametrize("system", systems.available())
def test_a_tensor_means_the_same_in_every_model(system: str) -> None:
    contract = systems.contract(system, "demo")
    specs = [
        spec for model in (contract.preprocess, *contract.parts) for spec in (*model.inputs, *model.outputs)
    ]
    for first, second in itertools.combinations(specs, 2):
        if first.name == second.name:
            assert first.dtype == second.dtype
            # A model may take more shapes than another one gives.
            assert len(first.dims) == len(second.dims)
            assert all(-1 in pair or pair[0] == pair[1] for pair in zip(first.dims, second.dims, strict=True))


def test_the_hash_follows_every_field() -> None:
    contract = systems.contract("product", "demo")
    assert contract.hash == systems.contract("product", "demo").hash
    changed = dataclasses.replace(contract, settings={**contract.settings, "image_size": 128})
    assert len({contract.hash, changed.hash, systems.contract("product", "full").hash}) == 3


@pytest.mark.parametrize(("system", "profile"), [("prodct", "demo"), ("product", "huge")])
def test_unknown_names_list_the_known_ones(system: str, profile: str) -> None:
    with pytest.raises(ConfigurationError, match=r"product|demo"):
        systems.contract(system, profile)


def test_unknown_parts_list_the_known_ones() -> None:
    contract = systems.contract("product", "demo")
    with pytest.raises(ConfigurationError, match="image_encoder"):
        contract.model("img_encoder")
    with pytest.raises(ConfigurationError, match="embed_text"):
        contract.ensemble("embed_txt")


def test_what_servers_and_clients_import_is_light() -> None:
    program = (
        "import sys, trifuse.cli, trifuse.client, trifuse.serving.repository\n"
        "from trifuse import systems\n"
        "for system in systems.available():\n"
        "    for name in ('contract', 'preprocess', 'recipe', 'client'):\n"
        "        systems.component(system, name)\n"
        "print([name for name in ('torch', 'transformers', 'onnx', 'torchvision') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
