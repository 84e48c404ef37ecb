"""Rendered product photos: garments drawn as cloth, dressed in a style, and photographed."""
