from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trifuse.errors import ArtifactError, InputError
from trifuse.preprocessing.text import TextEncoder, decode_text, train_wordpiece

CORPUS = ["简约白色连衣裙", "复古碎花红色半身裙", "simple white dress", "vintage red floral skirt", "T恤"]


@pytest.fixture
def encoder() -> TextEncoder:
    return TextEncoder(train_wordpiece(CORPUS, 300), (8, 16))


def test_chinese_characters_are_words_of_their_own() -> None:
    tokens = train_wordpiece(CORPUS, 300).encode("简约白色连衣裙").tokens
    assert tokens == ["[CLS]", *"简约白色连衣裙", "[SEP]"]


@pytest.mark.parametrize(
    ("text", "same"),
    [("Simple WHITE dress", "simple white dress"), ("Ｔ恤", "t恤"), ("白色\u3000裙", "白色 裙")],
)
def test_case_and_width_do_not_matter(encoder: TextEncoder, text: str, same: str) -> None:
    np.testing.assert_array_equal(encoder([text])[0], encoder([same])[0])


def test_texts_are_padded_to_the_smallest_length_that_fits(encoder: TextEncoder) -> None:
    assert encoder(["white"])[0].shape == (1, 8)
    ids, mask = encoder(["white", "简约白色连衣裙"])
    assert ids.shape == mask.shape == (2, 16)
    assert mask.sum(axis=1).tolist() == [3, 9]
    assert (ids[mask == 0] == 0).all()


def test_longer_texts_are_cut(encoder: TextEncoder) -> None:
    ids, mask = encoder(["白" * 100])
    assert ids.shape == (1, 16)
    assert mask.all()


def test_an_absent_text_still_has_a_valid_key(encoder: TextEncoder) -> None:
    ids, mask = encoder.empty(3)
    assert ids.shape == (3, 8)
    assert mask.sum(axis=1).tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        ("　 \n".encode(), "empty"),
        (b"\xff\xfe white", "not UTF-8"),
        (b"a" * 1_000_000, "too long: got 1,000,000"),
    ],
)
def test_bad_texts_are_input_errors_that_say_why(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        decode_text(data, 4096)


def test_a_missing_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"tokenizer\.json"):
        TextEncoder.load(tmp_path / "tokenizer.json", (8,))


def test_a_vocabulary_is_decided_by_its_corpus() -> None:
    # Every pair of letters occurs equally often: nothing but the trainer's own order decides.
    letters = "abcdefghijklmnopqrstuvwxyz"
    corpus = [first + second for first in letters for second in letters]
    first, *others = (train_wordpiece(corpus, 200).to_str() for _ in range(4))
    assert all(other == first for other in others)
    assert train_wordpiece(reversed(corpus), 200).to_str() == first
