"""The stages of a model with real files: from generated photos and local checkpoints to a loadable model."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision
import transformers
from torchvision.models.resnet import BasicBlock

from trifuse import artifacts, systems
from trifuse.errors import ArtifactError, ConfigurationError
from trifuse.stages.chain import ASSETS, TRAIN, WEIGHTS, Build, digest_of, load_model
from trifuse.stages.distill import distill
from trifuse.stages.export import last_model
from trifuse.stages.train import TrainOptions, adopt, inputs, train

CONTRACT = systems.contract("product", "smoke")


def _build(artifacts: Path, profile: str = "smoke", seed: int = 0) -> Build:
    return Build("product", profile, artifacts, seed)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A ResNet and a BERT saved by the hubs' own libraries."""
    folder = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(0)
    torch.save(torchvision.models.ResNet(BasicBlock, [1, 1, 1, 1]).state_dict(), folder / "resnet.pth")
    config = transformers.BertConfig(
        vocab_size=9, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
    )
    transformers.BertModel(config).save_pretrained(folder / "bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "白", "色", "white", "dress"]
    (folder / "bert" / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    return {"image_encoder": str(folder / "resnet.pth"), "text_encoder": str(folder / "bert")}


@pytest.fixture(scope="module")
def trained(catalogue: Path, checkpoints: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A smoke model that starts from the checkpoints."""
    build = _build(tmp_path_factory.mktemp("artifacts"))
    return train(build, TrainOptions(catalogue, backbones=checkpoints, epochs=1))


def test_backbones_decide_the_architecture(trained: Path) -> None:
    architecture = artifacts.read_manifest(trained).details["architecture"]
    assert architecture["image"] == {"block": "basic", "depths": [1, 1, 1, 1], "width": 64}
    assert architecture["text"]["hidden_size"] == 32
    assert architecture["fusion"] == {"width": 256, "heads": 8, "feed_forward": 512}
    assert '"dress"' in (trained / ASSETS / "tokenizer.json").read_text(encoding="utf-8")


def test_the_manifest_tells_quality_and_origin(trained: Path, catalogue: Path) -> None:
    manifest = artifacts.verify(trained, CONTRACT)
    details, validation = manifest.details, manifest.metrics["validation"]
    assert set(manifest.metrics["dev"]) == {"title_map", "match_auc"}
    assert set(validation) == set(details["queries"]) == {"category_p_at_10", "both_p_at_10", "match_auc"}
    for name, values in details["queries"].items():
        assert validation[name] == pytest.approx(sum(values) / len(values))
    assert 0 <= details["report"]["zh"]["quality"]["both"]["p_at_10"] <= 1
    assert set(manifest.inputs) == {"data", "backbones", "recipe", "options"}
    assert (details["data"], details["member"], details["seed"]) == (str(catalogue), "teacher", 0)
    assert not list(trained.parent.glob("train.progress"))
    assert list((trained.parent / "logs" / "train").rglob("events.*"))


def test_a_checkpoint_is_rebuilt_from_its_folder_alone(trained: Path, tmp_path: Path) -> None:
    adopted = _build(tmp_path)
    adopt(adopted, trained)
    model = load_model(_build(trained.parents[1]), TRAIN)
    again = load_model(adopted, TRAIN)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    assert float(model.get_submodule("fusion").get_buffer("temperature")) > 0


def test_a_damaged_checkpoint_is_refused(trained: Path, tmp_path: Path) -> None:
    folder = adopt(_build(tmp_path), trained)
    weights = folder / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(ArtifactError, match=r"model\.safetensors is not what its stage wrote"):
        adopt(_build(tmp_path / "other"), folder)


def test_an_unknown_backbone_is_refused(catalogue: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such backbone: got audio_encoder"):
        train(_build(tmp_path), TrainOptions(catalogue, backbones={"audio_encoder": "x"}))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (TrainOptions(None), "nothing to train on"),
        (TrainOptions(Path("x"), epochs=0), "number of epochs is wrong: got 0, expected at least 1"),
    ],
    ids=["no data", "no epochs"],
)
def test_options_that_cannot_be(options: TrainOptions, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=message):
        train(_build(tmp_path), options)


def test_full_without_its_downloads_is_an_error_and_never_random(
    catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A proxy that refuses every connection: the download fails at once, on any machine.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ArtifactError, match=r"resnet50.*--checkpoint image_encoder=FILE\.pth"):
        train(_build(tmp_path, "full"), TrainOptions(catalogue))


def test_a_photo_that_cannot_be_used_is_named(catalogue: Path, tmp_path: Path) -> None:
    rows = catalogue.read_text(encoding="utf-8").splitlines()
    copy = tmp_path / "manifest.jsonl"
    copy.write_text("\n".join(row.replace("images/", f"{catalogue.parent}/images/", 1) for row in rows))
    broken = rows[0].split('"path": "', 1)[1].split('"', 1)[0]
    copy.write_text(copy.read_text().replace(f"{catalogue.parent}/{broken}", f"{tmp_path}/broken.jpg"))
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ArtifactError, match=r"photo of item .* cannot be used"):
        train(_build(tmp_path), TrainOptions(copy))


class TestInputs:
    """What decides a training changes its inputs, and nothing else does."""

    def changed(self, before: dict[str, str], after: dict[str, str]) -> set[str]:
        return {name for name in before if before[name] != after[name]}

    @pytest.mark.parametrize(
        ("options", "seed", "names"),
        [
            ({}, 0, set()),
            ({"member": "student"}, 0, {"recipe", "options"}),
            ({"epochs": 7}, 0, {"options"}),
            ({}, 1, {"options"}),
            ({"backbones": {"text_encoder": "some/hub-name"}}, 0, {"backbones"}),
        ],
    )
    def test_options(
        self, catalogue: Path, options: dict[str, object], seed: int, names: set[str], tmp_path: Path
    ) -> None:
        before = inputs(_build(tmp_path), TrainOptions(catalogue))
        after = inputs(_build(tmp_path, seed=seed), replace(TrainOptions(catalogue.parent), **options))
        assert self.changed(before, after) == names

    def test_a_checkpoints_content(
        self, catalogue: Path, checkpoints: dict[str, str], tmp_path: Path
    ) -> None:
        copy = Path(shutil.copy(checkpoints["image_encoder"], tmp_path))
        options = [TrainOptions(catalogue, backbones={"image_encoder": str(copy)})] * 2
        before = inputs(_build(tmp_path), options[0])
        copy.write_bytes(copy.read_bytes() + b"\0")
        assert self.changed(before, inputs(_build(tmp_path), options[1])) == {"backbones"}

    def test_a_row_and_a_photo(self, tmp_path: Path, catalogue: Path) -> None:
        data = shutil.copytree(catalogue.parent, tmp_path / "data") / catalogue.name
        before = inputs(_build(tmp_path), TrainOptions(data))
        rows = [json.loads(row) for row in data.read_text(encoding="utf-8").splitlines()]
        first = next(row for row in rows if row["split"] == "train")
        with (data.parent / first["path"]).open("ab") as photo:
            photo.write(b"\0")
        with_photo = inputs(_build(tmp_path), TrainOptions(data))
        assert self.changed(before, with_photo) == {"data"}
        data.write_text(data.read_text(encoding="utf-8").replace(first["title_en"], "other", 1))
        assert self.changed(with_photo, inputs(_build(tmp_path), TrainOptions(data))) == {"data"}


def test_only_a_teacher_can_be_distilled(taught: Build, tmp_path: Path) -> None:
    folder = adopt(_build(tmp_path), taught.folder(TRAIN))
    manifest = artifacts.read_manifest(folder)
    artifacts.write_manifest(folder, replace(manifest, details=manifest.details | {"member": "student"}))
    with pytest.raises(ConfigurationError, match=r"no teacher to learn from: got a student.*--model teacher"):
        distill(_build(tmp_path))


def test_data_that_changed_after_the_training_is_refused(taught: Build, tmp_path: Path) -> None:
    folder = adopt(_build(tmp_path), taught.folder(TRAIN))
    manifest = artifacts.read_manifest(folder)
    moved = str(tmp_path / "manifest.jsonl")
    artifacts.write_manifest(folder, replace(manifest, details=manifest.details | {"data": moved}))
    with pytest.raises(ArtifactError, match=r"was trained on has changed: got .*no file.*train again"):
        distill(_build(tmp_path))


def test_a_later_model_of_another_training_is_not_exported(taught: Build, tmp_path: Path) -> None:
    build = _build(tmp_path)
    adopt(build, taught.folder(TRAIN))
    assert last_model(build) == TRAIN
    stale = artifacts.Manifest("product", "distill", "smoke", CONTRACT.hash, {TRAIN: digest_of("another")})
    with artifacts.new_folder(build.folder("distill")) as folder:
        artifacts.write_manifest(folder, stale)
    with pytest.raises(ArtifactError, match="distill stage was not made from the train stage as it is now"):
        last_model(build)
