"""From text to WordPiece ids, Chinese characters split, in the lengths that the encoders expect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from trifuse.errors import ArtifactError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

# The file of a system's vocabulary, among what its preprocessing needs.
TOKENIZER = "tokenizer.json"
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def decode_text(data: bytes, max_bytes: int) -> str:
    """Decode one UTF-8 text. Raises InputError when it is empty, too long or not UTF-8."""
    if len(data) > max_bytes:
        raise InputError(
            "the text is too long",
            got=f"{len(data):,} bytes",
            expected=f"at most {max_bytes:,}",
            hint="Send the title or the query, not a whole page",
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError("the text is not UTF-8", got=error, hint="Encode it as UTF-8") from error
    if not text.strip():
        raise InputError("the text is empty", got=repr(text), hint="Leave the input out if there is no text")
    return text


def train_wordpiece(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Train a lower-casing WordPiece vocabulary; every Chinese character is a word of its own.

    Source: BERT's basic and WordPiece tokenisers (https://arxiv.org/abs/1810.04805).
    """
    given = list(texts)
    untrained = _tokenizer({})
    # The trainer numbers the letters inside words in the order of a hash table, another one in every process,
    # and breaks ties by these numbers. As special tokens they are numbered first, in the order given.
    inner = [f"##{letter}" for letter in _inner_letters(untrained, given)]
    untrained.train_from_iterator(
        given,
        trainers.WordPieceTrainer(
            vocab_size=vocab_size,
            special_tokens=[*SPECIAL_TOKENS, *inner],
            show_progress=False,
            min_frequency=1,
        ),
    )
    # Here they are words of the vocabulary like any other.
    return _tokenizer(untrained.get_vocab())


def _tokenizer(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.BertNormalizer(handle_chinese_chars=True, lowercase=True)]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    ids = {token: index for index, token in enumerate(SPECIAL_TOKENS)}
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    if vocabulary:
        tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return tokenizer


def _inner_letters(tokenizer: Tokenizer, texts: Iterable[str]) -> list[str]:
    """List the letters that occur anywhere but at the start of a word."""
    normalised = map(tokenizer.normalizer.normalize_str, texts)
    words = {word for text in normalised for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)}
    return sorted({letter for word in words for letter in word[1:]})


class TextEncoder:
    """Encodes texts with a `tokenizer.json`, padded to the smallest of the given lengths that fits."""

    def __init__(self, tokenizer: Tokenizer, lengths: Sequence[int]) -> None:
        self._lengths = sorted(lengths)
        self._tokenizer = tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self._lengths[-1])
        self._pad_id = tokenizer.token_to_id("[PAD]")

    @classmethod
    def load(cls, path: Path, lengths: Sequence[int]) -> TextEncoder:
        """Read a `tokenizer.json`. Raises ArtifactError."""
        if not path.is_file():
            raise ArtifactError(
                "the tokenizer is missing", got=f"no {path}", hint="Train or publish the system again"
            )
        return cls(Tokenizer.from_file(str(path)), lengths)

    def __call__(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Encode texts into `input_ids` and `attention_mask`, both (batch, length)."""
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        longest = max(map(len, rows))
        length = next(length for length in self._lengths if length >= longest)
        ids = np.full((len(rows), length), self._pad_id, np.int64)
        mask = np.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        return ids, mask

    def empty(self, batch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Encode `batch` absent texts: only the special tokens, so that attention has a valid key."""
        return self([""] * batch)
