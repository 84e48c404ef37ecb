"""Bad requests: each fails alone with a sentence that helps, and nothing else suffers."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from tests.triton.served import photo, texts
from trifuse.client import TritonClient
from trifuse.client.encoding import bytes_tensor
from trifuse.errors import InputError
from trifuse.serving.embedded import EmbeddedTriton
from trifuse.systems.product.client import Product, ProductClient

GOOD = photo(1)


def _png(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    checksum = struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + checksum + b"\0\0\x10\0IDAT"


def _gif() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "GIF")
    return buffer.getvalue()


def _image(data: bytes) -> dict[str, np.ndarray]:
    return {"image": bytes_tensor([data])}


def _text(data: bytes) -> dict[str, np.ndarray]:
    return {"text": bytes_tensor([data])}


# name: (model, inputs, what the sentence must say)
BAD_REQUESTS = {
    "empty image": ("product_embed_image", _image(b""), "image is empty"),
    "truncated jpeg": ("product_embed_image", _image(GOOD[:400]), "damaged"),
    "jpeg header only": ("product_embed_image", _image(GOOD[:20]), "format is not known|damaged"),
    "truncated png": ("product_embed_image", _image(photo(1, "PNG")[:150]), "damaged"),
    "truncated webp": ("product_embed_image", _image(photo(1, "WEBP")[:60]), "damaged|format is not known"),
    "decompression bomb": ("product_embed_image", _image(_png(60_000, 60_000)), "too many pixels"),
    "too many pixels": ("product_embed_image", _image(_png(9_000, 9_000)), "at most 50,000,000"),
    "no pixels": ("product_embed_image", _image(_png(0, 0)), "damaged|format is not known"),
    "21 MB image": ("product_embed_image", _image(b"\xff\xd8\xff" + bytes(21 * 2**20)), "too large"),
    "gif": ("product_embed_image", _image(_gif()), "expected JPEG or PNG or WEBP"),
    "html": ("product_embed_image", _image(b"<html>404</html>"), "not its name or base64"),
    "base64": ("product_embed_image", _image(b"/9j/4AAQSkZJRgABAQ=="), "not its name or base64"),
    "file name": ("product_embed_image", _image(b"photo.jpg"), "not its name or base64"),
    "random bytes": (
        "product_embed_image",
        _image(np.random.default_rng(0).bytes(5000)),
        "format is not known",
    ),
    "empty text": ("product_embed_text", _text(b""), "text is empty"),
    "blank text": ("product_embed_text", _text("　\t\n ".encode()), "text is empty"),
    "1 MB of text": ("product_embed_text", _text(b"white " * 175_000), "too long"),
    "invalid UTF-8": ("product_embed_text", _text(b"\xff\xfe\x00white"), "not UTF-8"),
    "UTF-16": ("product_embed_text", _text("白色".encode("utf-16")), "not UTF-8"),
    "wrong dtype": ("product_embed_text", {"text": np.zeros((1, 1), np.float32)}, "'text'.*BYTES"),
    "wrong shape": (
        "product_embed_text",
        {"text": bytes_tensor([b"a", b"b"]).reshape(1, 2)},
        r"'text'.*batch, 1",
    ),
    "no batch axis": ("product_embed_text", {"text": bytes_tensor([b"a"]).reshape(1)}, "'text'"),
    "batch of 33": ("product_embed_text", {"text": bytes_tensor([b"a"] * 33)}, "32"),
    "empty batch": ("product_embed_text", {"text": bytes_tensor([b"a"])[:0]}, "."),
    "unequal batches": (
        "product_match",
        {"image": bytes_tensor([GOOD] * 2), "text": bytes_tensor([b"a"])},
        "different numbers of items",
    ),
    "missing input": ("product_match", _image(GOOD), "text"),
    "unknown input": ("product_embed_text", {"title": bytes_tensor([b"a"])}, "title.*text|text.*title"),
    "unknown model": ("product_embed_txt", _text(b"a"), "product_embed_text"),
    "one bad item of three": (
        "product_embed_image",
        {"image": bytes_tensor([GOOD, b"x", GOOD])},
        "item 1 of 3",
    ),
}


@pytest.fixture(params=["grpc", "http"])
def client(product_server: EmbeddedTriton, request: pytest.FixtureRequest) -> Iterator[TritonClient]:
    url = product_server.grpc_url if request.param == "grpc" else product_server.http_url
    with TritonClient(url, protocol=request.param) as client:
        yield client


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_a_bad_request_gets_a_sentence_that_helps(client: TritonClient, name: str) -> None:
    model, inputs, message = BAD_REQUESTS[name]
    with pytest.raises(InputError, match=f"(?s){message}"):
        client.infer(model, inputs)
    assert ProductClient(client).embed_text(["white"]).shape == (1, 256)


def test_no_modality_at_all_is_refused_before_it_is_sent(client: TritonClient) -> None:
    with pytest.raises(InputError, match="neither photo nor text"):
        ProductClient(client).embed([Product(text="white"), Product()])
    with pytest.raises(InputError, match="no input at all"):
        client.infer("product_embed", {})


@pytest.mark.parametrize(
    "name", [name for name, (_, _, said) in BAD_REQUESTS.items() if "known" in said or "too" in said]
)
def test_the_server_says_invalid_argument(product_server: EmbeddedTriton, name: str) -> None:
    """What NVIDIA's own client sees, without our library."""
    model, inputs, _ = BAD_REQUESTS[name]
    ((tensor_name, array),) = inputs.items()
    tensor = grpc.InferInput(tensor_name, list(array.shape), "BYTES")
    tensor.set_data_from_numpy(array)
    with (
        grpc.InferenceServerClient(product_server.grpc_url) as raw,
        pytest.raises(InferenceServerException) as refused,
    ):
        raw.infer(model, [tensor])
    assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_neighbours_in_the_same_dynamic_batch_succeed(product_server: EmbeddedTriton) -> None:
    """Send good and bad requests at once, so that Triton batches them together."""
    words = texts(20)
    with TritonClient(product_server.grpc_url) as client:
        expected = ProductClient(client).embed_text(words)

        def call(index: int) -> str:
            if index % 3 == 0:
                with pytest.raises(InputError):
                    client.infer("product_embed_text", _text(b"\xff"))
                return "refused"
            found = ProductClient(client).embed_text([words[index % 20]])
            np.testing.assert_allclose(found[0], expected[index % 20], atol=1e-5)
            return "answered"

        before = _executions(product_server)
        with ThreadPoolExecutor(24) as pool:
            outcomes = list(pool.map(call, range(240)))
        assert outcomes.count("refused") == 80
        assert _executions(product_server) - before < 240, "no two requests ever shared a batch"
        assert client.is_ready()


def _executions(server: EmbeddedTriton) -> int:
    """Count how often Triton ran the preprocessing, whatever the size of the batch."""
    with grpc.InferenceServerClient(server.grpc_url) as raw:
        return int(raw.get_inference_statistics("product_preprocess").model_stats[0].execution_count)
