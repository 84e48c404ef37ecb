"""Loading real checkpoints: tiny ones in the hubs' own formats, saved by the hubs' own libraries."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision
import transformers
from torchvision.models.resnet import Bottleneck

from trifuse.errors import ArtifactError, ConfigurationError
from trifuse.models import bert, resnet, torchvision_weights


def _torchvision_resnet() -> torchvision.models.ResNet:
    """A ResNet of torchvision's own class, shallow, with batch statistics that are not the initial ones."""
    torch.manual_seed(3)
    model = torchvision.models.ResNet(Bottleneck, [1, 1, 1, 1])
    model(torch.randn(4, 3, 64, 64))
    return model.eval()


def test_torchvision_weights_give_torchvision_features(tmp_path: Path) -> None:
    theirs = _torchvision_resnet()
    torch.save(theirs.state_dict(), tmp_path / "resnet.pth")
    weights = torchvision_weights.load_weights(str(tmp_path / "resnet.pth"), "image_encoder")
    ours = resnet.ResNet(resnet.size_of(weights), image_size=224, patch_grid=7).eval()
    ours.load_state_dict(weights)
    pixels = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        features = ours(pixels)
        logits = theirs.fc(features.mean(dim=(2, 3)))
        torch.testing.assert_close(logits, theirs(pixels))
    assert features.shape == (2, 2048, 7, 7)


def test_resnet50_is_torchvisions() -> None:
    names = torchvision.models.resnet50().state_dict().keys()
    ours = resnet.ResNet(resnet.ResNetSize(), image_size=224, patch_grid=7).state_dict()
    assert ours.keys() == {name for name in names if not name.startswith("fc.")}


@pytest.mark.parametrize("image_size", [28, 56, 112, 224])
def test_small_images_keep_the_patch_grid(image_size: int) -> None:
    model = resnet.ResNet(resnet.ResNetSize("basic", (1, 1, 1, 1), 8), image_size, patch_grid=7)
    assert model(torch.randn(2, 3, image_size, image_size)).shape[2:] == (7, 7)


def test_an_impossible_patch_grid_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="100 px and 7 × 7"):
        resnet.ResNet(resnet.ResNetSize(), image_size=100, patch_grid=7)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    torch.save({"encoder.weight": torch.zeros(1)}, tmp_path / "other.pth")
    weights = torchvision_weights.load_weights(str(tmp_path / "other.pth"), "image_encoder")
    with pytest.raises(ArtifactError, match="not ResNet weights"):
        resnet.size_of(weights)


@pytest.mark.parametrize("content", [None, b"not a checkpoint"])
def test_missing_or_damaged_weights_are_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "resnet.pth"
    if content:
        path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"--checkpoint image_encoder="):
        torchvision_weights.load_weights(str(path), "image_encoder")


def _tiny_bert(folder: Path) -> transformers.BertModel:
    torch.manual_seed(4)
    config = transformers.BertConfig(
        vocab_size=12, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    model = transformers.BertModel(config).eval()
    model.save_pretrained(folder)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "白", "色", "white", "dress", "##es", "裙", "red"]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    return model


def test_a_hub_folder_gives_the_same_states(tmp_path: Path) -> None:
    theirs = _tiny_bert(tmp_path)
    loaded, config, tokenizer = bert.load_bert(str(tmp_path))
    ours = bert.build_bert(config).eval()
    ours.load_state_dict(loaded.state_dict())
    ids = torch.tensor([tokenizer.encode("白色 white dresses").ids])
    assert ids.tolist() == [[2, 5, 6, 7, 8, 9, 3]]
    with torch.inference_mode():
        torch.testing.assert_close(ours(ids).last_hidden_state, theirs(ids).last_hidden_state)


def test_a_missing_bert_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"--checkpoint text_encoder=FOLDER"):
        bert.load_bert(str(tmp_path / "absent"))


def test_an_incomplete_bert_is_never_filled_with_random_weights(tmp_path: Path) -> None:
    import safetensors.torch

    _tiny_bert(tmp_path)
    weights = safetensors.torch.load_file(tmp_path / "model.safetensors")
    del weights["encoder.layer.0.output.dense.weight"]
    safetensors.torch.save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ArtifactError, match=r"incomplete.*encoder\.layer\.0\.output\.dense\.weight"):
        bert.load_bert(str(tmp_path))


def test_a_bert_without_its_vocabulary_is_refused(tmp_path: Path) -> None:
    _tiny_bert(tmp_path)
    (tmp_path / "vocab.txt").unlink()
    with pytest.raises(ArtifactError, match=r"no vocabulary|cannot be loaded"):
        bert.load_bert(str(tmp_path))


def test_a_truncated_bert_is_an_error(tmp_path: Path) -> None:
    _tiny_bert(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        bert.load_bert(str(tmp_path))


def test_another_kind_of_resnet_is_refused() -> None:
    wide = torchvision.models.ResNet(Bottleneck, [1, 1, 1, 1], width_per_group=128).state_dict()
    weights = {name: tensor for name, tensor in wide.items() if not name.startswith("fc.")}
    model = resnet.ResNet(resnet.size_of(weights), image_size=224, patch_grid=7)
    with pytest.raises(ArtifactError, match="another kind of ResNet"):
        torchvision_weights.load_backbone(model, weights)


def test_a_file_without_a_state_dict_is_refused(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ArtifactError, match="no state dict: got list"):
        torchvision_weights.load_weights(str(tmp_path / "list.pth"), "image_encoder")
