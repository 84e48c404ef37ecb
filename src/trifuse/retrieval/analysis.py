"""Turns text into the words that lexical search compares: Chinese, Japanese and Korean without spaces too."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_RUN = re.compile(rf"[{_CJK}]+|(?:(?![{_CJK}])[^\W_])+(?:[-_./](?:(?![{_CJK}])[^\W_])+)*")
_CODE_DIGITS = 5
_PAIR = 2
_SEPARATORS = re.compile(r"[-_./]")
_IS_CJK = re.compile(f"[{_CJK}]")


def document_words(text: str) -> list[str]:
    """List a document's words: of CJK text all characters and pairs of neighbours, of codes the parts too."""
    words = []
    for run in _runs(text):
        if _IS_CJK.match(run):
            words += [*run, *_pairs(run)]
        else:
            words += [code(run), *(_SEPARATORS.split(run) if _SEPARATORS.search(run) else ())]
    return words


def query_words(text: str) -> list[str]:
    """List a query's words, each once: of CJK text pairs of neighbours, or a character that stands alone."""
    words = []
    for run in _runs(text):
        if _IS_CJK.match(run):
            words += _pairs(run) or [run]
        else:
            words.append(code(run))
    return list(dict.fromkeys(words))


def whole_words(text: str) -> list[str]:
    """List the words of a query that stand alone; pairs out of longer CJK text may be no words."""
    return [code(run) for run in _runs(text) if not _IS_CJK.match(run) or len(run) <= _PAIR]


def named_codes(text: str) -> list[str]:
    """List the words that look like article numbers: letters with digits, or five digits and more."""
    words = (code(run) for run in _runs(text) if any(character.isdigit() for character in run))
    return [word for word in words if not word.isdigit() or len(word) >= _CODE_DIGITS]


def code(text: str) -> str:
    """Normalise an article number: letter case, width and separators do not count."""
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", text).casefold().strip())


def _runs(text: str) -> Iterator[str]:
    return (match.group() for match in _RUN.finditer(unicodedata.normalize("NFKC", text).casefold()))


def _pairs(run: str) -> list[str]:
    return [run[start : start + _PAIR] for start in range(len(run) - 1)]
