"""Stored image tokens: pooled, quantised, and shared between versions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trifuse.retrieval.token_store import TokenStore, pool_tokens, quantize_tokens, restore_tokens

RNG = np.random.default_rng(0)


def test_pooling_averages_windows_that_cover_the_grid() -> None:
    tokens = RNG.standard_normal((3, 49, 8)).astype(np.float32)
    pooled = pool_tokens(tokens, 4)
    square = tokens.reshape(3, 7, 7, 8)
    assert pooled.shape == (3, 16, 8)
    np.testing.assert_allclose(pooled[:, 0], square[:, :2, :2].mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(pooled[:, 5], square[:, 1:4, 1:4].mean(axis=(1, 2)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(pooled[:, 15], square[:, 5:, 5:].mean(axis=(1, 2)), rtol=1e-5)


def test_a_constant_grid_stays_constant() -> None:
    np.testing.assert_allclose(pool_tokens(np.full((1, 49, 4), 2.5, np.float32), 4), 2.5, rtol=1e-6)


def test_quantising_errs_by_half_a_step_at_most() -> None:
    tokens = RNG.standard_normal((5, 16, 32)).astype(np.float32)
    values, scales = quantize_tokens(tokens)
    assert values.dtype == np.int8
    errors = np.abs(restore_tokens(values, scales) - tokens).max(axis=-1)
    assert (errors <= scales * 0.5001).all()
    assert np.isfinite(restore_tokens(*quantize_tokens(np.zeros((1, 2, 3), np.float32)))).all()


@pytest.fixture
def rows() -> dict[int, tuple[np.ndarray, np.ndarray]]:
    keys = [0, 5, 8191, 8192, 20000]
    values, scales = quantize_tokens(RNG.standard_normal((len(keys), 4, 8)).astype(np.float32))
    return dict(zip(keys, zip(values, scales, strict=True), strict=True))


def test_tokens_are_read_in_the_order_asked(tmp_path: Path, rows: dict) -> None:
    store = TokenStore(tmp_path, 4, 8)
    store.write(rows)
    keys = np.array([20000, 0, 8191, 8192, 5])
    values, scales = TokenStore(tmp_path, 4, 8).read(keys)
    for index, key in enumerate(keys.tolist()):
        np.testing.assert_array_equal(values[index], rows[key][0])
        np.testing.assert_array_equal(scales[index], rows[key][1])


def test_a_version_shares_what_did_not_change(tmp_path: Path, rows: dict) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    first.mkdir()
    second.mkdir()
    old = TokenStore(first, 4, 8)
    old.write(rows)
    old.share(second)
    new = TokenStore(second, 4, 8)
    new.write({0: rows[5]})
    np.testing.assert_array_equal(new.read(np.array([0]))[0][0], rows[5][0])
    np.testing.assert_array_equal(old.read(np.array([0]))[0][0], rows[0][0])
    shared = {path.name for path in first.iterdir() if path.samefile(second / path.name)}
    assert shared == {"tokens-00001.npy", "tokens-00002.npy"}
