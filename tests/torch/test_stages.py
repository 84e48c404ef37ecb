"""The training stage with real files: from generated photos and local checkpoints to a loadable model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision
import transformers
from torchvision.models.resnet import BasicBlock

from trifuse import artifacts, systems
from trifuse.errors import ArtifactError, ConfigurationError
from trifuse.systems.product.generator import generate
from trifuse.training import stage

CONTRACT = systems.contract("product", "smoke")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("data"), items=120, seed=1, workers=1)


@pytest.fixture(scope="module")
def trained(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A smoke model that starts from a ResNet and a BERT saved by the hubs' own libraries."""
    folder = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(0)
    torch.save(torchvision.models.ResNet(BasicBlock, [1, 1, 1, 1]).state_dict(), folder / "resnet.pth")
    config = transformers.BertConfig(
        vocab_size=9, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
    )
    transformers.BertModel(config).save_pretrained(folder / "bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "白", "色", "white", "dress"]
    (folder / "bert" / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    return stage.train(
        "product",
        "smoke",
        manifest,
        tmp_path_factory.mktemp("artifacts"),
        backbones={"image_encoder": str(folder / "resnet.pth"), "text_encoder": str(folder / "bert")},
        epochs=1,
    )


def test_backbones_decide_the_architecture(trained: Path) -> None:
    architecture = artifacts.read_manifest(trained).details["architecture"]
    assert architecture["image"] == {"block": "basic", "depths": [1, 1, 1, 1], "width": 64}
    assert architecture["text"]["hidden_size"] == 32
    assert '"dress"' in (trained / "assets" / "tokenizer.json").read_text(encoding="utf-8")


def test_the_manifest_tells_quality_and_origin(trained: Path) -> None:
    manifest = artifacts.verify(trained, CONTRACT)
    assert set(manifest.metrics["dev"]) == {"title_map", "match_auc"}
    assert 0 <= manifest.metrics["validation"]["zh"]["quality"]["both"]["p_at_10"] <= 1
    assert set(manifest.inputs) == {"data", "backbones", "recipe"}
    assert not list(trained.parent.glob("train.progress/*"))


def test_a_checkpoint_is_rebuilt_from_its_folder_alone(trained: Path, tmp_path: Path) -> None:
    model = stage.load_model(trained, CONTRACT)
    folder = stage.adopt("product", "smoke", trained, tmp_path)
    again = stage.load_model(folder, CONTRACT)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    assert float(model.get_submodule("fusion").get_buffer("temperature")) > 0


def test_a_damaged_checkpoint_is_refused(trained: Path, tmp_path: Path) -> None:
    folder = stage.adopt("product", "smoke", trained, tmp_path)
    weights = folder / stage.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(ArtifactError, match=r"model\.safetensors is not what its stage wrote"):
        stage.adopt("product", "smoke", folder, tmp_path / "other")


def test_an_unknown_backbone_is_refused(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such backbone: got audio_encoder"):
        stage.train("product", "smoke", manifest, tmp_path, backbones={"audio_encoder": "x"})


def test_full_without_its_downloads_is_an_error_and_never_random(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A proxy that refuses every connection: the download fails at once, on any machine.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ArtifactError, match=r"resnet50.*--checkpoint image_encoder=FILE\.pth"):
        stage.train("product", "full", manifest, tmp_path, backbones={})


def test_a_photo_that_cannot_be_used_is_named(manifest: Path, tmp_path: Path) -> None:
    rows = manifest.read_text(encoding="utf-8").splitlines()
    copy = tmp_path / "manifest.jsonl"
    copy.write_text("\n".join(row.replace("images/", f"{manifest.parent}/images/", 1) for row in rows))
    broken = rows[0].split('"path": "', 1)[1].split('"', 1)[0]
    copy.write_text(copy.read_text().replace(f"{manifest.parent}/{broken}", f"{tmp_path}/broken.jpg"))
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ArtifactError, match=r"photo of item .* cannot be used"):
        stage.train("product", "smoke", copy, tmp_path, backbones={})
