"""A request that does not fit a model is explained by tensor, type, shape and remedy."""

import numpy as np
import pytest

from trifuse.client.encoding import bytes_tensor
from trifuse.client.metadata import ModelMetadata, find_mismatch

PIXELS = np.zeros((2, 3, 4), np.float32)
IDS = np.zeros((2, 9), np.int64)
TEXT = bytes_tensor([b"a", b"b"])
FITTING = {"pixels": PIXELS, "ids": IDS, "text": TEXT}


@pytest.fixture
def model():
    def tensor(name, dtype, dims, **more):
        # gRPC's JSON writes 64-bit numbers as text.
        return {"name": name, "data_type": dtype, "dims": [str(size) for size in dims]} | more

    config = {
        "max_batch_size": 4,
        "input": [
            tensor("pixels", "TYPE_FP32", (3, 4)),
            tensor("ids", "TYPE_INT64", (-1,)),
            tensor("text", "TYPE_STRING", (1,), optional=True),
        ],
        "output": [tensor("score", "TYPE_FP32", (1,))],
    }
    return ModelMetadata.parse({"name": "m", "versions": ["7"]}, config)


def test_metadata_reads_versions_and_tensors(model):
    assert (model.version, model.max_batch_size) == ("7", 4)
    assert [(tensor.dtype, tensor.dims, tensor.optional) for tensor in model.inputs] == [
        ("FP32", (3, 4), False),
        ("INT64", (-1,), False),
        ("BYTES", (1,), True),
    ]


@pytest.mark.parametrize("left_out", [(), ("text",)])
def test_a_fitting_request_has_no_mismatch(model, left_out):
    inputs = {name: value for name, value in FITTING.items() if name not in left_out}
    assert find_mismatch(model, inputs, None) is None
    assert find_mismatch(model, inputs, ["score"]) is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"pixels": PIXELS.astype(np.float64)},
            "'pixels' of model 'm' has the wrong type: got FP64 [2, 3, 4], expected FP32 [batch, 3, 4]",
        ),
        ({"text": PIXELS}, "got FP32 [2, 3, 4], expected BYTES [batch, 1]. Send an object array of bytes"),
        (
            {"pixels": PIXELS[:, :2]},
            "'pixels' of model 'm' has the wrong shape: got FP32 [2, 2, 4], expected FP32 [batch, 3, 4]",
        ),
        ({"pixels": PIXELS[0]}, "The first dimension counts the items, even for one"),
        (
            {"ids": IDS[0]},
            "'ids' of model 'm' has the wrong shape: got INT64 [9], expected INT64 [batch, any]",
        ),
        ({"text": np.array(b"a", dtype=object)}, "got BYTES [], expected BYTES [batch, 1]"),
        (
            {"ids": None},
            "'ids' of model 'm' is missing: got pixels, text, "
            "expected pixels (required), ids (required), text (optional)",
        ),
        ({"masks": IDS}, "model 'm' has no input 'masks'"),
        ({"ids": IDS[:1]}, "different numbers of items: got 2 in 'pixels', 1 in 'ids', 2 in 'text'"),
        ({name: value[:0] for name, value in FITTING.items()}, "the batch for model 'm' is empty"),
        (
            {name: np.repeat(value, 3, axis=0) for name, value in FITTING.items()},
            "got 6 in 'pixels', 6 in 'ids', 6 in 'text', expected at most 4. Send it in several requests",
        ),
    ],
)
def test_each_mismatch_is_explained(model, change, sentence):
    inputs = {name: value for name, value in (FITTING | change).items() if value is not None}
    assert sentence in str(find_mismatch(model, inputs, None))


def test_an_unknown_output_is_explained(model):
    assert "model 'm' has no output 'vector': expected one of score" in str(
        find_mismatch(model, FITTING, ["vector"])
    )
