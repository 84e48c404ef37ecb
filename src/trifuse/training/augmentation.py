"""Random views of photos, a whole batch at a time on the device that trains."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class PhotoAugmentation:
    """Ranges of random geometry and light.

    `min_area` is the smallest share of the photo that is kept, `max_turn_degrees` the rotation,
    `max_light` the relative change of brightness and contrast, `erase` the share of photos that lose a patch.
    """

    min_area: float = 0.4
    max_aspect: float = 1.25
    max_turn_degrees: float = 12.0
    max_light: float = 0.2
    erase: float = 0.25

    def __call__(self, photos: Tensor, size: int, generator: torch.Generator) -> Tensor:
        """Make one view (batch, 3, size, size) in 0–1 of every photo (batch, 3, height, width) in bytes."""
        grid = functional.affine_grid(
            self._transforms(len(photos), generator), [len(photos), 3, size, size], align_corners=False
        )
        views = functional.grid_sample(
            photos.float() / 255, grid, mode="bilinear", padding_mode="reflection", align_corners=False
        )
        return self._erase(self._light(views, generator), generator)

    def _transforms(self, batch: int, generator: torch.Generator) -> Tensor:
        draw = torch.rand(batch, 6, generator=generator)
        side = torch.sqrt(self.min_area + (1 - self.min_area) * draw[:, 0])
        aspect = torch.exp((2 * draw[:, 1] - 1) * math.log(self.max_aspect) / 2)
        width, height = side * aspect, side / aspect
        turn = (2 * draw[:, 2] - 1) * math.radians(self.max_turn_degrees)
        flip = torch.where(draw[:, 3] < 0.5, -1.0, 1.0)
        centre_x = (2 * draw[:, 4] - 1) * (1 - width).clamp(min=0)
        centre_y = (2 * draw[:, 5] - 1) * (1 - height).clamp(min=0)
        cos, sin = torch.cos(turn), torch.sin(turn)
        rows = [flip * width * cos, -height * sin, centre_x, flip * width * sin, height * cos, centre_y]
        return torch.stack(rows, dim=1).view(batch, 2, 3)

    def _light(self, views: Tensor, generator: torch.Generator) -> Tensor:
        draw = 1 + (2 * torch.rand(2, len(views), 1, 1, 1, generator=generator) - 1) * self.max_light
        mean = views.mean(dim=(1, 2, 3), keepdim=True)
        return ((views - mean) * draw[0] + mean * draw[1]).clamp(0, 1)

    def _erase(self, views: Tensor, generator: torch.Generator) -> Tensor:
        size = views.shape[-1]
        draw = torch.rand(5, len(views), 1, 1, generator=generator)
        half = (0.1 + 0.15 * draw[:2]) * size
        centre = draw[2:4] * size
        along = torch.arange(size, dtype=torch.float32)
        inside_x = (along.view(1, 1, -1) - centre[0]).abs() < half[0]
        inside_y = (along.view(1, -1, 1) - centre[1]).abs() < half[1]
        erased = (inside_x & inside_y & (draw[4] < self.erase)).unsqueeze(1)
        return views.masked_fill(erased, 0.5)
