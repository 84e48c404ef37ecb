"""Long lists are split into requests of a bounded number of items and bytes."""

import pytest

from trifuse.client.batching import batches


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], []),
        ([1], [1]),
        ([1] * 7, [3, 3, 1]),
        ([6, 6, 6], [1, 1, 1]),
        ([4, 4, 4, 1, 1], [2, 3]),
        ([99, 1, 1], [1, 2]),
    ],
)
def test_batches_keep_order_and_both_limits(sizes, expected):
    items = [bytes([index]) * size for index, size in enumerate(sizes)]
    made = list(batches(items, max_items=3, size=len, max_bytes=10))
    assert [len(batch) for batch in made] == expected
    assert [item for batch in made for item in batch] == items


def test_items_are_read_only_when_a_batch_needs_them():
    read = []

    def items():
        for index in range(10):
            read.append(index)
            yield b"x"

    assert len(next(batches(items(), max_items=2, size=len))) == 2
    assert read == [0, 1, 2]
