"""Option values become tensors by one rule."""

import numpy as np
import pytest

from trifuse.client.command_inputs import read_value
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
