"""How clients call: requests that are encoded once, kept-alive connections, one a thread."""

from __future__ import annotations

import http.client
import json
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from benchmarks.peers.payloads import in_base64

from trifuse.client.encoding import bytes_tensor, encode
from trifuse.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.peers.lines import Encoding
    from benchmarks.peers.payloads import Payload
    from numpy.typing import NDArray

    from trifuse.client import TritonClient

    Answer = dict[str, NDArray[Any]]

_BOUNDARY = "trifuse-field-of-a-form"
_HEADER_LENGTH = "Inference-Header-Content-Length"
_TIMEOUT_S = 120


class HttpCaller:
    """Posts encoded requests in turn and reads the answers whole; may be shared by threads."""

    def __init__(self, port: int, path: str, encoding: Encoding, payloads: Sequence[Payload]) -> None:
        self._port, self._path, self._encoding = port, path, encoding
        self._requests = [ENCODERS[encoding](payload) for payload in payloads]
        self._threads = threading.local()

    def __call__(self, number: int) -> tuple[bytes, str]:
        """Post one request; returns the answer's body, and the length of its header if it has one.

        Raises ServerError.
        """
        body, headers = self._requests[number % len(self._requests)]
        try:
            connection = self._connection()
            connection.request("POST", self._path, body, headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            del self._threads.connection
            raise ServerError(f"no answer from port {self._port}", got=error) from error
        if response.status != http.HTTPStatus.OK:
            raise ServerError(f"port {self._port} answered {response.status}", got=content[:300])
        return content, response.headers.get(_HEADER_LENGTH, "")

    def answer(self, number: int) -> Answer:
        """Post one request and read the outputs."""
        return read_answer(self._encoding, *self(number))

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._threads, "connection"):
            self._threads.connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_S)
        connection: http.client.HTTPConnection = self._threads.connection
        return connection


class GrpcCaller:
    """Calls an ensemble through the library's client, as users do; may be shared by threads."""

    def __init__(self, client: TritonClient, model: str, payloads: Sequence[Payload]) -> None:
        self._client, self._model, self._payloads = client, model, payloads

    def __call__(self, number: int) -> Answer:
        """Send one request. Raises the errors of `TritonClient.infer`."""
        payload = self._payloads[number % len(self._payloads)]
        inputs = {name: bytes_tensor([value]) for name, value in payload.items()}
        return self._client.infer(self._model, inputs)

    def answer(self, number: int) -> Answer:
        """Send one request and read the outputs."""
        return {name: value[0] for name, value in self(number).items()}


def form_request(payload: Payload) -> tuple[bytes, dict[str, str]]:
    """Encode a payload as a form: files for media, fields for text."""
    parts = []
    for name, value in payload.items():
        file = "" if _is_text(value) else f'; filename="{name}"\r\nContent-Type: application/octet-stream'
        head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        parts.append(head.encode() + value + b"\r\n")
    body = b"".join(parts) + f"--{_BOUNDARY}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}


def read_answer(encoding: Encoding, body: bytes, header_length: str = "") -> Answer:
    """Read the outputs of one item, by name, from the answer to a request of that encoding."""
    if encoding == "triton-http":
        from tritonclient.http import InferenceServerClient

        result = InferenceServerClient.parse_response_body(
            body, header_length=int(header_length) if header_length else None
        )
        return {one["name"]: result.as_numpy(one["name"])[0] for one in result.get_response()["outputs"]}
    found = json.loads(body)
    if encoding == "v2":
        return {one["name"]: np.array(one["data"], np.float32) for one in found["outputs"]}
    [outputs] = found if encoding == "items" else [found]
    return {name: np.array(values, np.float32) for name, values in outputs.items()}


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _json(content: object) -> tuple[bytes, dict[str, str]]:
    return json.dumps(content).encode(), {"Content-Type": "application/json"}


def _v2_request(payload: Payload) -> tuple[bytes, dict[str, str]]:
    inputs = [
        {
            "name": name,
            "shape": [1, 1],
            "datatype": "BYTES",
            "parameters": {"content_type": "base64"},
            "data": [value],
        }
        for name, value in in_base64(payload).items()
    ]
    return _json({"inputs": inputs})


def _triton_request(payload: Payload) -> tuple[bytes, dict[str, str]]:
    import tritonclient.http as module

    arguments = encode(module, {name: bytes_tensor([value]) for name, value in payload.items()}, None)
    body, header_length = module.InferenceServerClient.generate_request_body(arguments["inputs"])
    return body, {_HEADER_LENGTH: str(header_length)} if header_length else {}


ENCODERS: dict[Encoding, Callable[[Payload], tuple[bytes, dict[str, str]]]] = {
    "form": form_request,
    "json": lambda payload: _json(in_base64(payload)),
    "items": lambda payload: _json({"items": [in_base64(payload)]}),
    "v2": _v2_request,
    "triton-http": _triton_request,
}
