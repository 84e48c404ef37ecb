"""Option values become tensors by one rule, and embedding a catalogue survives unusable photos."""

from pathlib import Path

import numpy as np
import pytest

from trifuse.catalog import Item
from trifuse.client.command_inputs import read_value
from trifuse.client.embedding_store import embed_items, load_embeddings, nearest, store_embeddings
from trifuse.contracts import TensorSpec
from trifuse.errors import InputError

PHOTO = TensorSpec("image", "BYTES", (1,), media=True)
TITLE = TensorSpec("text", "BYTES", (1,))
FRAMES = TensorSpec("frames", "FP32", (2, 3))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "value"
    path.write_bytes(b"\x00\xffcontent")
    return path


def test_a_media_tensor_takes_a_file_and_text_takes_itself_or_a_file(file):
    assert read_value(str(file), PHOTO).tolist() == [[b"\x00\xffcontent"]]
    assert read_value("@" + str(file), TITLE).tolist() == [[b"\x00\xffcontent"]]
    assert read_value("白色 dress", TITLE).tolist() == [["白色 dress".encode()]]


def test_a_numeric_tensor_takes_an_array_file_of_one_item(tmp_path, file):
    np.save(tmp_path / "frames.npy", np.ones((2, 3), np.float32))
    assert read_value(str(tmp_path / "frames.npy"), FRAMES).shape == (1, 2, 3)
    for wrong in (file, tmp_path / "missing.npy"):
        with pytest.raises(InputError, match="holds no array"):
            read_value(str(wrong), FRAMES)


@pytest.mark.parametrize("value", ["missing.jpg", ".", "a\0b"])
def test_a_file_that_cannot_be_read_is_an_input_error(value):
    with pytest.raises(InputError, match="cannot be read"):
        read_value(value, PHOTO)


def test_unusable_photos_are_skipped_and_the_rest_is_embedded():
    items = [Item(id=f"p{index}", path=Path(f"{index}.jpg"), split="train") for index in range(70)]
    bad = {"p0", "p33", "p34", "p69"}

    def embed(paths):
        numbers = [int(path.stem) for path in paths]
        if any(f"p{number}" in bad for number in numbers):
            raise InputError("the image cannot be read")
        return np.array([[number, 1] for number in numbers], np.float32)

    skipped = []
    embeddings = {}
    for part in embed_items(items, embed, skip=lambda item, _: skipped.append(item.id)):
        embeddings |= part
    assert set(skipped) == bad
    assert {name: value.tolist() for name, value in embeddings.items()} == {
        f"p{number}": [number, 1] for number in range(70) if f"p{number}" not in bad
    }


def test_embeddings_survive_storage_and_rank_by_dot_product(tmp_path):
    path = tmp_path / "deep" / "store.npz"
    assert load_embeddings(path) == {}
    rows = np.random.default_rng(0).standard_normal((20, 8)).astype(np.float32)
    store_embeddings(path, {f"项{index}": row for index, row in enumerate(rows)})
    loaded = load_embeddings(path)
    ranked = nearest(rows[3], loaded, top=5)
    best = np.argsort(-(rows @ rows[3]))[:5]
    assert [name for name, _ in ranked] == [f"项{index}" for index in best]
    assert [score for _, score in ranked] == pytest.approx((rows @ rows[3])[best].tolist())


def test_nothing_to_search_is_an_input_error():
    with pytest.raises(InputError, match="no photo that can be searched"):
        nearest(np.ones(8, np.float32), {}, top=3)
