from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from PIL import Image

from trifuse import systems
from trifuse.catalog import Item, split_off
from trifuse.errors import ArtifactError
from trifuse.preprocessing.image import ImageSettings, preprocess_image
from trifuse.preprocessing.text import TextEncoder, train_wordpiece
from trifuse.systems.product.data import ProductData, load_data
from trifuse.systems.product.evaluation import pixels
from trifuse.systems.product.quality import product_of
from trifuse.systems.product.recipe import FacetRecipe

SETTINGS = ImageSettings.of(systems.contract("product", "smoke").settings)
ROWS = [
    ("简约白色连衣裙", "simple white dress", "p1", "dress"),
    ("白色简约连衣裙", "a simple dress in white", "p2", "dress"),
    ("红色帽子", "red hat", "p3", "hat"),
    ("红色帽子", "Hat red", "p4", "hat"),
    ("蓝色衬衫", "blue shirt", "p5", "shirt"),
    ("蓝色鞋", "blue shoes", "p5", "shoes"),
]


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    items = []
    for number, (zh, en, product, category) in enumerate(ROWS):
        path = tmp_path / f"{number}.jpg"
        Image.new("RGB", (60, 90), (40 * number, 90, 200)).save(path)
        attributes = {"product_id": product, "category": category}
        items.append(Item(str(number), path, "train", zh, en, attributes))
    return items


def _load(items: list[Item], **facets: FacetRecipe) -> ProductData:
    tokenizer = train_wordpiece([title for row in ROWS for title in row], 200)
    return load_data(items, TextEncoder(tokenizer, (16, 24)), SETTINGS, SETTINGS.image_size, facets)


def test_positives_are_the_same_product_or_the_same_words(items: list[Item]) -> None:
    positives = _load(items).positives(torch.arange(6))
    pairs = {(a, b) for a in range(6) for b in range(a) if positives[a, b]}
    assert pairs == {(1, 0), (3, 2), (5, 4)}
    assert positives.diagonal().all()


def test_facets_are_searched_in_both_languages_and_may_be_absent(items: list[Item]) -> None:
    facets = {"category": FacetRecipe(1.0, 0.1), "season": FacetRecipe(1.0, 0.1)}
    (facet,) = _load(items, **facets).facets
    assert facet.agreement(torch.tensor([0, 1, 2])).tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert facet.texts.input_ids.shape[:2] == (2, 6)


def test_training_pixels_are_the_preprocessing_of_serving(items: list[Item]) -> None:
    data = _load(items)
    for index, row in enumerate(pixels(data.photos, SETTINGS)):
        expected = preprocess_image(items[index].path.read_bytes(), SETTINGS)
        assert torch.equal(row, torch.from_numpy(expected))


def test_the_dev_part_takes_whole_products() -> None:
    items = [
        Item(f"{n}-{view}", Path("x"), "train", attributes={"product_id": f"p{n}"})
        for n in range(400)
        for view in (1, 2)
    ]
    train, dev = split_off(items, 0.1, product_of)
    assert {item.attributes["product_id"] for item in train}.isdisjoint(
        item.attributes["product_id"] for item in dev
    )
    assert 40 < len(dev) < 130
    assert split_off(list(reversed(items)), 0.1, product_of)[1] == list(reversed(dev))


def test_an_item_without_a_title_is_named(items: list[Item]) -> None:
    nameless = Item("nameless", items[0].path, "train")
    with pytest.raises(ArtifactError, match="no title: got nameless"):
        _load([*items, nameless])


def test_one_language_is_enough(items: list[Item]) -> None:
    english = [Item(item.id, item.path, "train", title_en=item.title_en) for item in items]
    data = _load(english)
    assert torch.equal(data.titles.input_ids[0], data.titles.input_ids[1])


def test_a_damaged_photo_is_named(items: list[Item]) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (50, 50)).save(buffer, "JPEG")
    items[3].path.write_bytes(buffer.getvalue()[:300])
    with pytest.raises(ArtifactError, match="photo of item 3 cannot be used"):
        _load(items)
