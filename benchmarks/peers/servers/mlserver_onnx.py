"""MLServer with adaptive batching: the runtime that the driver's `model-settings.json` names."""

# No postponed annotations: MLServer reads the types of the method.
import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from benchmarks.peers.servers.onnx import open_chain
from mlserver import MLModel  # type: ignore[import-not-found]
from mlserver.codecs import Base64Codec, NumpyCodec  # type: ignore[import-not-found]
from mlserver.types import InferenceRequest, InferenceResponse  # type: ignore[import-not-found]


class Predictor(MLModel):  # type: ignore[misc]
    """Answers batches of the open inference protocol; the inputs are BYTES as base64."""

    async def load(self) -> bool:
        """Open the sessions of one worker."""
        self._chain = open_chain()
        # Inference must not stop the loop that gathers the next batch.
        self._pool = ThreadPoolExecutor(1)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer a batch."""
        columns = {one.name: Base64Codec.decode_input(one) for one in payload.inputs}
        rows = zip(*columns.values(), strict=True)
        items = [dict(zip(columns, row, strict=True)) for row in rows]
        answers = await asyncio.get_running_loop().run_in_executor(self._pool, self._chain, items)
        outputs = [
            NumpyCodec.encode_output(name, np.array([answer[name] for answer in answers], np.float32))
            for name in answers[0]
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)
