"""Shapes of unit size around the origin that styles place on garments."""

from __future__ import annotations

import numpy as np

from trifuse.systems.product.rendering.canvas import points

BOW_WING = points(
    (0.0, -0.12), (0.55, -0.55), (0.95, -0.5), (1.0, 0.0), (0.95, 0.5), (0.55, 0.5), (0.0, 0.12)
)
BOW_TAIL = points((0.0, 0.0), (0.3, 0.1), (0.62, 0.95), (0.38, 0.85), (0.22, 1.05))
BOW_KNOT = points((-0.2, -0.24), (0.2, -0.24), (0.2, 0.24), (-0.2, 0.24))

_STAR_ANGLES = np.arange(10) * np.pi / 5 - np.pi / 2
_STAR = (
    np.stack([np.cos(_STAR_ANGLES), np.sin(_STAR_ANGLES)], axis=1)
    * np.where(np.arange(10) % 2, 0.42, 1.0)[:, None]
)
_BOLT = points(
    (0.15, -1.0), (-0.55, 0.12), (-0.08, 0.12), (-0.25, 1.0), (0.55, -0.25), (0.05, -0.25), (0.5, -1.0)
)
_CROSS = points(
    (-0.9, -0.65),
    (-0.65, -0.9),
    (0.0, -0.28),
    (0.65, -0.9),
    (0.9, -0.65),
    (0.28, 0.0),
    (0.9, 0.65),
    (0.65, 0.9),
    (0.0, 0.28),
    (-0.65, 0.9),
    (-0.9, 0.65),
    (-0.28, 0.0),
)
_CROWN = points(
    (-0.85, 0.6), (-0.95, -0.6), (-0.45, 0.0), (0.0, -0.85), (0.45, 0.0), (0.95, -0.6), (0.85, 0.6)
)

GRAPHICS = (_STAR, _BOLT, _CROSS, _CROWN)
"""Bold prints of streetwear: star, lightning, cross and crown."""
