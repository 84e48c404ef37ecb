"""Torch building blocks shared by the systems."""
