"""Preprocessing shared by training and serving: numpy, Pillow and tokenizers, no torch."""
