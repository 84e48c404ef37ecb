"""Product search as a Triton model."""

from trifuse.serving.python_backend import ServiceModel


class TritonPythonModel(ServiceModel):
    """Chains the encoders, the index and the reranking for one query."""

    system = "product"
    service = "search"
