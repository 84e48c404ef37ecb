"""Learning preprocessing as a Triton model."""

from trifuse.serving.python_backend import PreprocessModel


class TritonPythonModel(PreprocessModel):
    """Decodes, samples and encodes windows of video, sound and text."""

    system = "learning"
