"""Random views of photos, a whole batch at a time on the device that trains."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

DRAWS = 13


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

    def __call__(self, photos: Tensor, size: int, draws: Tensor) -> Tensor:
        """Make one view (batch, 3, size, size) in 0–1 of every photo (batch, 3, height, width) in bytes.

        `draws` (batch, DRAWS) are uniform random numbers in 0–1: equal draws give equal views.
        """
        geometry, light, patch = torch.split(draws, [6, 2, 5], dim=1)
        grid = functional.affine_grid(
            self._transforms(geometry), [len(photos), 3, size, size], align_corners=False
        )
        views = functional.grid_sample(
            photos.float() / 255, grid, mode="bilinear", padding_mode="reflection", align_corners=False
        )
        return self._erase(self._light(views, light), patch)

    def _transforms(self, draw: Tensor) -> Tensor:
        side = torch.sqrt(self.min_area + (1 - self.min_area) * draw[:, 0])
        aspect = torch.exp((2 * draw[:, 1] - 1) * math.log(self.max_aspect) / 2)
        width, height = side * aspect, side / aspect
        turn = (2 * draw[:, 2] - 1) * math.radians(self.max_turn_degrees)
        flip = torch.where(draw[:, 3] < 0.5, -1.0, 1.0)
        centre_x = (2 * draw[:, 4] - 1) * (1 - width).clamp(min=0)
        centre_y = (2 * draw[:, 5] - 1) * (1 - height).clamp(min=0)
        cos, sin = torch.cos(turn), torch.sin(turn)
        rows = [flip * width * cos, -height * sin, centre_x, flip * width * sin, height * cos, centre_y]
        return torch.stack(rows, dim=1).view(-1, 2, 3)

    def _light(self, views: Tensor, draw: Tensor) -> Tensor:
        contrast, brightness = (1 + (2 * draw.T.view(2, -1, 1, 1, 1) - 1) * self.max_light).unbind()
        mean = views.mean(dim=(1, 2, 3), keepdim=True)
        return ((views - mean) * contrast + mean * brightness).clamp(0, 1)

    def _erase(self, views: Tensor, draw: Tensor) -> Tensor:
        size = views.shape[-1]
        columns = draw.T.view(5, -1, 1, 1)
        half = (0.1 + 0.15 * columns[:2]) * size
        centre = columns[2:4] * size
        along = torch.arange(size, dtype=torch.float32, device=views.device)
        inside_x = (along.view(1, 1, -1) - centre[0]).abs() < half[0]
        inside_y = (along.view(1, -1, 1) - centre[1]).abs() < half[1]
        erased = (inside_x & inside_y & (columns[4] < self.erase)).unsqueeze(1)
        return views.masked_fill(erased, 0.5)
