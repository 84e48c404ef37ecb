"""The product client splits, groups and orders its requests; unavailable servers alone are asked again.

The other end is a small HTTP server that speaks the inference protocol and records what it receives.
"""

import asyncio
import hashlib
import http.server
import io
import json
import struct
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from trifuse.client import AsyncTritonClient, TritonClient
from trifuse.errors import InputError, RequestError, ServerUnavailableError
from trifuse.systems import contract
from trifuse.systems.product.client import AsyncProductClient, Product, ProductClient, canary_inputs

OUTPUTS = {"match_score": 1}


def vector(*values, size=256):
    """Map an item's bytes to numbers that tell it from all others."""
    seed = int.from_bytes(hashlib.sha256(b"|".join(values)).digest()[:8], "little")
    return np.random.default_rng(seed).random(size, dtype=np.float32)


class Server(http.server.ThreadingHTTPServer):
    """Answers every inference with vectors of the inputs, after the failures that a test asks for."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.received = []
        self.failures = []

    @property
    def url(self):
        return f"127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("repository/index"):
            return self.reply(200, b"[]")
        header = int(self.headers["Inference-Header-Content-Length"])
        request = json.loads(body[:header])
        model = self.path.split("/")[3]
        inputs = self.read_inputs(request, body[header:])
        self.server.received.append((model, {name: len(values) for name, values in inputs.items()}))
        if self.server.failures:
            status, message = self.server.failures.pop(0)
            return self.reply(status, json.dumps({"error": message}).encode())
        return self.answer([output["name"] for output in request["outputs"]], inputs)

    def do_GET(self):
        self.reply(403, b'{"error": "this interface is restricted"}')

    def read_inputs(self, request, data):
        inputs = {}
        for tensor in request["inputs"]:
            values = []
            for _ in range(tensor["shape"][0]):
                (length,) = struct.unpack_from("<I", data)
                values.append(data[4 : 4 + length])
                data = data[4 + length :]
            inputs[tensor["name"]] = values
        return inputs

    def answer(self, names, inputs):
        items = list(zip(*inputs.values(), strict=True))
        arrays = {
            name: np.stack([vector(*item, size=OUTPUTS.get(name, 256)) for item in items]) for name in names
        }
        outputs = [self.describe(name, value) for name, value in arrays.items()]
        header = json.dumps({"model_name": "m", "model_version": "7", "outputs": outputs}).encode()
        body = header + b"".join(value.tobytes() for value in arrays.values())
        self.reply(200, body, {"Inference-Header-Content-Length": str(len(header))})

    def describe(self, name, value):
        parameters = {"binary_data_size": value.nbytes}
        return {"name": name, "datatype": "FP32", "shape": list(value.shape), "parameters": parameters}

    def reply(self, status, body, headers=None):
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def running(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server():
    with running(Server()) as started:
        yield started


@pytest.fixture
def products(server):
    with TritonClient(server.url, protocol="http", timeout_s=10) as client:
        yield ProductClient(client)


def test_long_lists_are_split_at_the_batch_limit_and_keep_their_order(server, products):
    texts = [f"title {index}" for index in range(134)]
    embeddings = products.embed_text(texts)
    assert server.received == [("product_embed_text", {"text": count}) for count in (64, 64, 6)]
    np.testing.assert_array_equal(embeddings, [vector(text.encode()) for text in texts])


def test_photos_are_bytes_or_files(server, products, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"one photo")
    embeddings = products.embed_image([path, b"another photo"])
    assert server.received == [("product_embed_image", {"image": 2})]
    np.testing.assert_array_equal(embeddings, [vector(b"one photo"), vector(b"another photo")])


def test_products_are_grouped_by_what_they_have_and_come_back_in_order(server, products):
    mixed = [
        Product(text="a"),
        Product(image=b"i", text="b"),
        Product(image=b"j"),
        Product(text="c"),
        Product(image=b"k", text="d"),
    ]
    embeddings = products.embed(mixed)
    assert server.received == [
        ("product_embed", {"text": 2}),
        ("product_embed", {"image": 2, "text": 2}),
        ("product_embed", {"image": 1}),
    ]
    expected = [vector(b"a"), vector(b"i", b"b"), vector(b"j"), vector(b"c"), vector(b"k", b"d")]
    np.testing.assert_array_equal(embeddings, expected)


def test_matches_are_typed(products):
    pairs = [(b"photo", f"title {index}") for index in range(80)]
    matches = products.match_many(pairs)
    assert [match.score for match in matches] == [
        float(vector(image, text.encode(), size=1)[0]) for image, text in pairs
    ]
    np.testing.assert_array_equal(matches[39].fused, vector(b"photo", b"title 39"))
    assert products.match(*pairs[3]).score == matches[3].score
    assert {match.is_match for match in matches} == {True, False}
    assert {match.version for match in matches} == {7}


def test_asyncio_gives_what_the_blocking_client_gives(server, products):
    async def call():
        async with AsyncTritonClient(server.url, protocol="http") as client:
            asynchronous = AsyncProductClient(client)
            return (
                await asynchronous.embed_text(["a"] * 65),
                await asynchronous.embed_image([b"i"]),
                await asynchronous.embed([Product(image=b"i"), Product(text="t")]),
                (await asynchronous.match(b"i", "t")).fused,
            )

    expected = (
        products.embed_text(["a"] * 65),
        products.embed_image([b"i"]),
        products.embed([Product(image=b"i"), Product(text="t")]),
        products.match(b"i", "t").fused,
    )
    for value, other in zip(asyncio.run(call()), expected, strict=True):
        np.testing.assert_array_equal(value, other)


def test_unusable_products_are_refused_before_anything_is_sent(server, products, tmp_path):
    with pytest.raises(InputError, match="product 1 of 2 has neither photo nor text"):
        products.embed([Product(text="a"), Product()])
    with pytest.raises(InputError, match=r"missing\.jpg cannot be read: got No such file"):
        products.match(tmp_path / "missing.jpg", "dress")
    assert server.received == []


def test_empty_lists_need_no_request(server, products):
    assert products.embed_text([]).shape == (0, 256)
    assert products.embed([]).shape == (0, 256)
    assert products.match_many([]) == []
    assert server.received == []


def test_an_unavailable_server_is_asked_again(server, products):
    server.failures = [(503, "busy"), (503, "busy")]
    np.testing.assert_array_equal(products.embed_text(["a"]), [vector(b"a")])
    assert len(server.received) == 3


def test_a_server_that_stays_unavailable_is_reported(server, products):
    server.failures = [(503, "Exceeds maximum queue size")] * 9
    with pytest.raises(ServerUnavailableError, match="Exceeds maximum queue size"):
        products.embed_text(["a"])
    assert len(server.received) == 4


def test_a_refused_request_is_not_repeated_and_keeps_the_servers_sentence(server, products):
    server.failures = [(400, "in ensemble 'product_match', [request id: <id_unknown>] the text is empty")]
    with pytest.raises(InputError, match=r"^the text is empty$"):
        products.embed_text([""])
    assert len(server.received) == 1


def test_a_failed_request_is_not_repeated_and_comes_without_a_traceback(server, products):
    crash = (
        "Failed to process the request(s) for model 'm_0', message: KeyError: 'x'\n\nAt:\n  model.py(3): f\n"
    )
    server.failures = [(500, f"in ensemble 'product_match', {crash}")]
    with pytest.raises(RequestError, match=r"failed: got KeyError: 'x'\. See the server's log$"):
        products.embed_text(["a"])
    assert len(server.received) == 1


def test_the_canary_has_one_valid_item_for_every_input_of_the_ensembles():
    inputs = canary_inputs()
    ensembles = contract("product", "smoke").ensembles
    assert set(inputs) >= {tensor.name for ensemble in ensembles for tensor in ensemble.inputs}
    assert json.loads(inputs["options"][0, 0]) == {"top": 1}
    assert all(value.shape == (1, 1) and value.dtype == object for value in inputs.values())
    assert Image.open(io.BytesIO(inputs["image"][0, 0])).format == "JPEG"
    assert inputs["text"][0, 0].decode()
