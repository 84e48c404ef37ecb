"""Product recommendations as a Triton model."""

from trifuse.serving.python_backend import ServiceModel


class TritonPythonModel(ServiceModel):
    """Recommends for a purchase history, from the statistics of purchases that lie beside this file."""

    system = "product"
    service = "recommend"
