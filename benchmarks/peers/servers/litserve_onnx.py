"""LitServe with its own batching: `python -m benchmarks.peers.servers.litserve_onnx`."""

from __future__ import annotations

import base64
from typing import Any

import litserve  # type: ignore[import-not-found]
from benchmarks.peers.servers.onnx import open_chain
from benchmarks.peers.servers.settings import Settings


class Api(litserve.LitAPI):  # type: ignore[misc]
    """Answers batches; JSON carries the inputs as base64, for a form cannot pass to LitServe's workers."""

    def setup(self, device: str) -> None:  # noqa: ARG002
        """Open the sessions of one worker."""
        self._chain = open_chain()

    def decode_request(self, request: dict[str, str]) -> dict[str, bytes]:
        """Decode one request."""
        return {name: base64.b64decode(value) for name, value in request.items()}

    def predict(self, batch: Any) -> Any:
        """Answer a batch, or one item where LitServe is not to batch."""
        return self._chain(batch) if isinstance(batch, list) else self._chain([batch])[0]

    def batch(self, inputs: list[Any]) -> list[Any]:
        """Keep a batch as the list of its items."""
        return inputs

    def unbatch(self, output: list[Any]) -> list[Any]:
        """Take a batch's answers apart."""
        return output

    def encode_response(self, output: Any) -> Any:
        """Answer with the outputs by name."""
        return output


def main() -> None:
    """Serve until the process is ended."""
    settings = Settings.read()
    wait_s = settings.batch_wait_ms / 1000
    api = Api(max_batch_size=settings.max_batch, batch_timeout=wait_s)
    server = litserve.LitServer(
        api, accelerator="cpu", workers_per_device=settings.workers, timeout=60, fast_queue=True
    )
    server.run(host="127.0.0.1", port=settings.port, generate_client_file=False, log_level="warning")


if __name__ == "__main__":
    main()
