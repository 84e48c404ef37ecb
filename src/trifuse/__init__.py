"""Trifuse: multimodal models from data to measured latency on NVIDIA Triton."""
