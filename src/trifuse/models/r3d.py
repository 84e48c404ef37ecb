"""R3D video ResNet of any width and depth, with torchvision's parameter names: its checkpoints load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.video.resnet import BasicBlock, Conv3DSimple

from trifuse.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Mapping

_STAGES = 4


@dataclass(frozen=True)
class R3DSize:
    """Blocks per stage and channels of the first stage (r3d_18: 2-2-2-2, 64)."""

    depths: tuple[int, int, int, int] = (2, 2, 2, 2)
    width: int = 64


class _Conv3d(Conv3DSimple):  # type: ignore[misc]  # torchvision is untyped
    """torchvision's convolution, but for training over fewer frames than the kernel has on a CPU.

    There, oneDNN's weight gradient may hold what was in memory before (docs/decisions/0014), and a sum of 2D
    convolutions takes its place.
    """

    def forward(self, features: Tensor) -> Tensor:
        depth = self.kernel_size[0]
        if not self.training or features.device.type != "cpu" or features.shape[2] >= depth:
            return cast("Tensor", super().forward(features))
        stride, padding = self.stride[0], cast("tuple[int, ...]", self.padding)
        padded = functional.pad(features, (0, 0, 0, 0, padding[0], padding[0]))
        frames = (padded.shape[2] - depth) // stride + 1
        planes = [
            functional.conv2d(
                padded[:, :, start : start + stride * frames : stride].transpose(1, 2).flatten(0, 1),
                self.weight[:, :, start],
                stride=self.stride[1:],
                padding=padding[1:],
            )
            for start in range(depth)
        ]
        summed = torch.stack(planes).sum(0)
        return summed.view(-1, frames, *summed.shape[1:]).transpose(1, 2)


class R3D(nn.Module):
    """R3D without its classifier: (batch, 3, frames, size, size) to (batch, channels, frames / 8, s, s).

    Source: A Closer Look at Spatiotemporal Convolutions (https://arxiv.org/abs/1711.11248), section 3.1.
    """

    def __init__(self, size: R3DSize) -> None:
        super().__init__()
        self._channels = size.width
        self.stem = nn.Sequential(
            nn.Conv3d(3, size.width, (3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False),
            nn.BatchNorm3d(size.width),
            nn.ReLU(inplace=True),
        )
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            self._stage(size.width * 2**index, depth, 1 if index == 0 else 2)
            for index, depth in enumerate(size.depths)
        )
        self.channels = self._channels
        self.reset_parameters()

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute the feature map."""
        features: Tensor = self.stem(pixels)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            features = stage(features)
        return features

    def _stage(self, planes: int, depth: int, stride: int) -> nn.Sequential:
        blocks = [self._block(planes, stride if index == 0 else 1) for index in range(depth)]
        return nn.Sequential(*blocks)

    def _block(self, planes: int, stride: int) -> nn.Module:
        downsample = None
        if stride != 1 or self._channels != planes:
            downsample = nn.Sequential(
                nn.Conv3d(self._channels, planes, 1, stride=stride, bias=False), nn.BatchNorm3d(planes)
            )
        block: nn.Module = BasicBlock(self._channels, planes, _Conv3d, stride, downsample)
        self._channels = planes
        return block

    def reset_parameters(self) -> None:
        """Draw the weights anew; every block begins as the identity."""
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, BasicBlock):
                nn.init.zeros_(cast("Any", module.conv2)[1].weight)


def residual_writers(backbone: R3D) -> list[nn.Module]:
    """List the convolutions that write the feature map, whose channels other layers count on."""
    last = cast("Any", backbone.layer4)
    writers = [block.conv2[0] for block in last]
    return writers + [block.downsample[0] for block in last if block.downsample is not None]


def size_of(weights: Mapping[str, Tensor]) -> R3DSize:
    """Read the size off weights in torchvision's naming. Raises ArtifactError for other weights."""
    stages = [
        {name.split(".")[1] for name in weights if name.startswith(f"layer{index}.")}
        for index in range(1, _STAGES + 1)
    ]
    stem = weights.get("stem.0.weight")
    if stem is None or not all(stages) or stem.shape[1:] != (3, 3, 7, 7):
        raise ArtifactError(
            "these are not R3D weights",
            got=f"names such as {', '.join(list(weights)[:3])}",
            expected="torchvision's r3d names: stem.0.weight, layer1.0.conv1.0.weight, …",
        )
    depths = cast("tuple[int, int, int, int]", tuple(len(blocks) for blocks in stages))
    return R3DSize(depths, stem.shape[0])
