"""The traps of the reference sketches: an attention over one key, wrong axes, leaking padding."""

from __future__ import annotations

import pytest
import torch

from trifuse.contracts import SystemContract
from trifuse.systems.product.model import ProductModel

LENGTH = 16


@pytest.fixture
def batch(contract: SystemContract) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    mask = torch.ones(6, LENGTH, dtype=torch.int64)
    mask[1::2, 9:] = 0
    size = contract.settings["image_size"]
    return {
        "pixel_values": torch.randn(6, 3, size, size, generator=generator),
        "input_ids": torch.randint(5, 200, (6, LENGTH), generator=generator),
        "attention_mask": mask,
    }


@torch.inference_mode()
def _fuse(model: ProductModel, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    image_tokens, _ = model.image_encoder(batch["pixel_values"])
    text_tokens, _ = model.text_encoder(batch["input_ids"], batch["attention_mask"])
    return model.fusion(image_tokens, text_tokens, batch["attention_mask"])


def test_outputs_have_the_contracts_shapes(
    model: ProductModel, batch: dict[str, torch.Tensor], contract: SystemContract
) -> None:
    tensors = dict(batch)
    for part in contract.parts[:3]:
        with torch.inference_mode():
            outputs = model.get_submodule(part.name)(*(tensors[spec.name] for spec in part.inputs))
        for spec, output in zip(part.outputs, outputs, strict=True):
            dims = tuple(LENGTH if dim == -1 else dim for dim in spec.dims)
            assert output.shape == (6, *dims), spec.name
            tensors[spec.name] = output
    assert tensors["image_tokens"].shape[1] == 7 * 7


def test_another_image_changes_the_fused_vector(model: ProductModel, batch: dict[str, torch.Tensor]) -> None:
    score, fused = _fuse(model, batch)
    changed = {**batch, "pixel_values": batch["pixel_values"].flip(0)}
    other_score, other_fused = _fuse(model, changed)
    assert (fused - other_fused).abs().amax(dim=1).min() > 1e-2
    assert (score - other_score).abs().min() > 1e-6


def test_one_other_token_changes_the_fused_vector(
    model: ProductModel, batch: dict[str, torch.Tensor]
) -> None:
    _, fused = _fuse(model, batch)
    ids = batch["input_ids"].clone()
    ids[:, 4] = (ids[:, 4] - 5 + 7) % 195 + 5
    _, other = _fuse(model, {**batch, "input_ids": ids})
    assert (fused - other).abs().amax(dim=1).min() > 1e-3


def test_padding_does_not_matter(model: ProductModel, batch: dict[str, torch.Tensor]) -> None:
    _, fused = _fuse(model, batch)
    ids = batch["input_ids"].clone()
    ids[batch["attention_mask"] == 0] = 77
    _, other = _fuse(model, {**batch, "input_ids": ids})
    torch.testing.assert_close(fused, other, atol=1e-5, rtol=0)


def test_a_permuted_batch_permutes_the_outputs(model: ProductModel, batch: dict[str, torch.Tensor]) -> None:
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    score, fused = _fuse(model, batch)
    permuted_score, permuted = _fuse(model, {name: tensor[order] for name, tensor in batch.items()})
    torch.testing.assert_close(permuted, fused[order], atol=1e-5, rtol=0)
    torch.testing.assert_close(permuted_score, score[order], atol=1e-5, rtol=0)


def test_query_and_key_weights_learn(model: ProductModel, batch: dict[str, torch.Tensor]) -> None:
    image_tokens, _ = model.image_encoder(batch["pixel_values"])
    text_tokens, _ = model.text_encoder(batch["input_ids"], batch["attention_mask"])
    model.zero_grad()
    model.fusion.logit(image_tokens, text_tokens, batch["attention_mask"]).square().sum().backward()
    gradient = model.fusion.attention.attention.in_proj_weight.grad
    query, key, value = gradient.chunk(3)
    assert min(part.abs().max() for part in (query, key, value)) > 1e-6


def test_a_product_without_photo_or_title_is_the_other_one(model: ProductModel) -> None:
    image, text = torch.nn.functional.normalize(torch.randn(2, 1, 256), dim=-1)
    here, absent = torch.ones(1, 1), torch.zeros(1, 1)
    torch.testing.assert_close(model.joint(image, text, here, absent), image)
    torch.testing.assert_close(model.joint(image, text, absent, here), text)
    both = model.joint(image, text, here, here)
    torch.testing.assert_close(both.norm(), torch.ones(()))
    assert not torch.allclose(both, image)
