"""BentoML with adaptive batching: `bentoml serve benchmarks.peers.servers.bentoml_onnx:Predictor`."""

# No postponed annotations: BentoML reads the types of the method.
import base64

import bentoml  # type: ignore[import-not-found]
from benchmarks.peers.servers.onnx import open_chain
from benchmarks.peers.servers.settings import Settings

_SETTINGS = Settings.read()


@bentoml.service(workers=_SETTINGS.workers, traffic={"timeout": 60, "max_concurrency": 64})
class Predictor:
    """Answers batches; JSON carries the inputs as base64, for a batch has one parameter in BentoML."""

    def __init__(self) -> None:
        self._chain = open_chain()

    @bentoml.api(  # type: ignore[untyped-decorator]
        batchable=_SETTINGS.max_batch > 1, max_batch_size=max(2, _SETTINGS.max_batch), max_latency_ms=60_000
    )
    def predict(self, items: list[dict[str, str]]) -> list[dict[str, list[float]]]:
        """Answer the items that BentoML gathered."""
        return self._chain(
            [{name: base64.b64decode(value) for name, value in item.items()} for item in items]
        )
