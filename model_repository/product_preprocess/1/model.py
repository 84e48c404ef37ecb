"""The product system's preprocessing as a Triton model."""

from trifuse.serving.python_backend import PreprocessModel


class TritonPythonModel(PreprocessModel):
    """Turns photos and titles into the encoders' inputs."""

    system = "product"
