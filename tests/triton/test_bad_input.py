"""Bad requests: each fails alone with a sentence that helps, and nothing else suffers."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

import numpy as np
import pytest
from PIL import Image
from tritonclient import grpc, http
from tritonclient.utils import InferenceServerException

from tests.triton.served import assert_distinguishable, photo, texts
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


class BadRequest(NamedTuple):
    """A request, a pattern of the sentence that our client raises, and who refuses the request."""

    model: str
    inputs: dict[str, np.ndarray]
    sentence: str
    refused_by: Literal["preprocessing", "triton"]


def _refused(model: str, sentence: str, **inputs: list[bytes]) -> BadRequest:
    tensors = {name: bytes_tensor(data) for name, data in inputs.items()}
    return BadRequest(model, tensors, sentence, "preprocessing")


def _bad_image(data: bytes, sentence: str) -> BadRequest:
    return _refused("product_embed_image", sentence, image=[data])


def _bad_text(data: bytes, sentence: str) -> BadRequest:
    return _refused("product_embed_text", sentence, text=[data])


def _misfit(sentence: str, model: str = "product_embed_text", **inputs: np.ndarray) -> BadRequest:
    """Make a request whose tensors do not fit the model: Triton refuses it before any of our code runs."""
    return BadRequest(model, inputs, sentence, "triton")


_A = bytes_tensor([b"a"])
_TAKES = r"expected BYTES \[batch, 1\]"

BAD_REQUESTS = {
    "empty image": _bad_image(b"", "image is empty"),
    "truncated jpeg": _bad_image(GOOD[:-400], "image is damaged.*truncated"),
    "truncated jpeg header": _bad_image(GOOD[:400], "header is damaged"),
    "first bytes of a jpeg": _bad_image(GOOD[:20], "format is not known"),
    "truncated png": _bad_image(photo(1, "PNG")[:150], "image is damaged.*truncated"),
    "truncated webp": _bad_image(photo(1, "WEBP")[:60], "header is damaged"),
    "decompression bomb": _bad_image(_png(60_000, 60_000), "too many pixels"),
    "too many pixels": _bad_image(_png(9_000, 9_000), "at most 50,000,000"),
    "no pixels": _bad_image(_png(0, 0), "format is not known"),
    "21 MB image": _bad_image(b"\xff\xd8\xff" + bytes(21 * 2**20), "too large"),
    "gif": _bad_image(_gif(), "expected JPEG or PNG or WEBP"),
    "html": _bad_image(b"<html>404</html>", "not its name or base64"),
    "base64": _bad_image(b"/9j/4AAQSkZJRgABAQ==", "not its name or base64"),
    "file name": _bad_image(b"photo.jpg", "not its name or base64"),
    "random bytes": _bad_image(np.random.default_rng(0).bytes(5000), "format is not known"),
    "empty text": _bad_text(b"", "text is empty"),
    "blank text": _bad_text("　\t\n ".encode(), "text is empty"),
    "1 MB of text": _bad_text(b"white " * 175_000, "too long"),
    "invalid UTF-8": _bad_text(b"\xff\xfe\x00white", "not UTF-8"),
    "UTF-16": _bad_text("白色".encode("utf-16"), "not UTF-8"),
    "one bad image of three": _refused("product_embed_image", "item 1 of 3", image=[GOOD, b"x", GOOD]),
    "one bad text of three": _refused("product_embed_text", "item 2 of 3", text=[b"a", b"a", b"\xff"]),
    "good image, bad text": _refused("product_match", "input 'text': .*empty", image=[GOOD], text=[b""]),
    "bad image, good text": _refused("product_embed", "input 'image': .*format", image=[b"x"], text=[b"a"]),
    "wrong dtype": _misfit(
        rf"'text'.*wrong type: got FP32 \[1, 1\], {_TAKES}", text=np.zeros((1, 1), np.float32)
    ),
    "wrong shape": _misfit(
        rf"'text'.*wrong shape: got BYTES \[1, 2\], {_TAKES}", text=bytes_tensor([b"a", b"b"]).reshape(1, 2)
    ),
    "no batch axis": _misfit(rf"'text'.*wrong shape: got BYTES \[1\], {_TAKES}", text=_A.reshape(1)),
    "batch of 65": _misfit("batch is too large.*at most 64", text=bytes_tensor([b"a"] * 65)),
    "empty batch": _misfit("batch .* is empty.*at least one item", text=_A[:0]),
    "unequal batches": _misfit(
        "different numbers of items", "product_match", image=bytes_tensor([GOOD] * 2), text=_A
    ),
    "missing input": _misfit("input 'text'.* is missing", "product_match", image=bytes_tensor([GOOD])),
    "unknown input": _misfit("no input 'title'.*text", title=_A),
    "unknown model": _misfit("no model .*product_embed_text", "product_embed_txt", text=_A),
}


@pytest.fixture(params=["grpc", "http"])
def client(product_server: EmbeddedTriton, request: pytest.FixtureRequest) -> Iterator[TritonClient]:
    url = product_server.grpc_url if request.param == "grpc" else product_server.http_url
    with TritonClient(url, protocol=request.param) as client:
        yield client


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_a_bad_request_gets_a_sentence_that_helps(client: TritonClient, name: str) -> None:
    bad = BAD_REQUESTS[name]
    with pytest.raises(InputError, match=f"(?s){bad.sentence}"):
        client.infer(bad.model, bad.inputs)
    assert ProductClient(client).embed_text(["white"]).shape == (1, 256)


def test_no_modality_at_all_is_refused_before_it_is_sent(client: TritonClient) -> None:
    with pytest.raises(InputError, match="neither photo nor text"):
        ProductClient(client).embed([Product(text="white"), Product()])
    with pytest.raises(InputError, match="no input at all"):
        client.infer("product_embed", {})


@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize(
    "name", [name for name, bad in BAD_REQUESTS.items() if bad.refused_by == "preprocessing"]
)
def test_nvidias_own_client_is_told_invalid_argument(
    product_server: EmbeddedTriton, protocol: str, name: str
) -> None:
    """What a caller without our library sees: the status, and the same sentence."""
    bad = BAD_REQUESTS[name]
    module, url, status = {
        "grpc": (grpc, product_server.grpc_url, "StatusCode.INVALID_ARGUMENT"),
        "http": (http, product_server.http_url.removeprefix("http://"), "400"),
    }[protocol]
    tensors = []
    for tensor_name, array in bad.inputs.items():
        tensors.append(module.InferInput(tensor_name, list(array.shape), "BYTES"))
        tensors[-1].set_data_from_numpy(array)
    with (
        module.InferenceServerClient(url) as raw,
        pytest.raises(InferenceServerException, match=f"(?s){bad.sentence}") as refused,
    ):
        raw.infer(bad.model, tensors)
    assert refused.value.status() == status


def test_neighbours_in_the_same_dynamic_batch_succeed(product_server: EmbeddedTriton) -> None:
    """Send good and bad requests at once, so that Triton batches them together."""
    words = texts(20)
    with TritonClient(product_server.grpc_url) as client:
        expected = ProductClient(client).embed_text(words)
        assert_distinguishable(expected, atol=1e-5)

        def call(index: int) -> str:
            if index % 3 == 0:
                with pytest.raises(InputError):
                    client.infer("product_embed_text", {"text": bytes_tensor([b"\xff"])})
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
