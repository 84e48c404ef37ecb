"""The product index as a Triton model."""

from trifuse.serving.python_backend import ServiceModel


class TritonPythonModel(ServiceModel):
    """Finds candidates in the catalogue's index, which lies beside this file."""

    system = "product"
    service = "index"
