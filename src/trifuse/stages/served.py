"""Measure a published system as its clients see it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from trifuse.client.triton import TritonClient
from trifuse.compression.report import StageRow
from trifuse.export.runtime import median_latencies_ms
from trifuse.serving.probe import own_server
from trifuse.serving.server_environment import default_location
from trifuse.stages.quantize import BATCHES

if TYPE_CHECKING:
    from pathlib import Path

    from trifuse.stages.chain import Build


def measure_served(build: Build, repository: Path, data: Path) -> StageRow:
    """Measure quality through the server, and one client's latency of the longest ensemble with examples."""
    quality = build.component("served_quality")
    values = quality.example_inputs(data, "validation")
    answered = [
        found
        for found in build.contract.ensembles
        if {tensor.name for tensor in found.inputs} <= values.keys()
    ]
    ensemble = max(answered, key=lambda found: len(found.steps))
    log = repository.parent / "tritonserver.log"
    own = own_server(repository, build.contract, default_location(), log)
    with own as server, TritonClient(server.grpc_url) as client:
        headline = quality.measure(client, data, "validation")["headline"]
        model = build.contract.model_name(ensemble.name)
        inputs = {
            batch: {tensor.name: np.repeat(values[tensor.name], batch, axis=0) for tensor in ensemble.inputs}
            for batch in BATCHES
        }
        calls = {batch: partial(client.infer, model, given) for batch, given in inputs.items()}
        latencies = median_latencies_ms(calls, build.recipe.quantization.repeats)
    return StageRow("as served", headline, None, None, None, latencies)
