"""Export of trained parts to ONNX, with proof that they compute the same."""
