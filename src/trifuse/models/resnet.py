"""ResNet at any width and depth, with torchvision's parameter names so that its checkpoints load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from trifuse.errors import ArtifactError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BLOCKS = {"basic": BasicBlock, "bottleneck": Bottleneck}
_STEM_STRIDE = 4


@dataclass(frozen=True)
class ResNetSize:
    """Block kind, blocks per stage and channels of the first stage (ResNet50: bottleneck, 3-4-6-3, 64)."""

    block: str = "bottleneck"
    depths: tuple[int, int, int, int] = (3, 4, 6, 3)
    width: int = 64


class ResNet(nn.Module):
    """ResNet without its classifier: (batch, 3, size, size) to a (batch, channels, grid, grid) feature map.

    Where the image is smaller than 32 × grid, the last stages keep their resolution, so that the grid of
    patches stays. Source: Deep Residual Learning (https://arxiv.org/abs/1512.03385), table 1.
    """

    def __init__(self, size: ResNetSize, image_size: int, patch_grid: int) -> None:
        super().__init__()
        self._block = _BLOCKS[size.block]
        self._channels = size.width
        self.conv1 = nn.Conv2d(3, size.width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(size.width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        strides = _stage_strides(image_size, patch_grid)
        for index, (depth, stride) in enumerate(zip(size.depths, strides, strict=True)):
            setattr(self, f"layer{index + 1}", self._stage(size.width * 2**index, depth, stride))
        self.channels = self._channels
        self.reset_parameters()

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute the feature map."""
        features: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(pixels))))
        for stage in self._stages():
            features = stage(features)
        return features

    def _stages(self) -> Iterator[nn.Module]:
        return (self.get_submodule(f"layer{index}") for index in range(1, 5))

    def _stage(self, planes: int, depth: int, stride: int) -> nn.Sequential:
        blocks = [self._make_block(planes, stride if index == 0 else 1) for index in range(depth)]
        return nn.Sequential(*blocks)

    def _make_block(self, planes: int, stride: int) -> nn.Module:
        out = planes * self._block.expansion
        downsample = None
        if stride != 1 or self._channels != out:
            downsample = nn.Sequential(
                nn.Conv2d(self._channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out)
            )
        block: nn.Module = self._block(self._channels, planes, stride, downsample)
        self._channels = out
        return block

    def reset_parameters(self) -> None:
        """Draw the weights anew; every block begins as the identity."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, BasicBlock):
                nn.init.zeros_(module.bn2.weight)
            elif isinstance(module, Bottleneck):
                nn.init.zeros_(module.bn3.weight)


def size_of(weights: Mapping[str, Tensor]) -> ResNetSize:
    """Read the size off weights in torchvision's naming. Raises ArtifactError for other weights."""
    stages = [
        {name.split(".")[1] for name in weights if name.startswith(f"layer{index}.")} for index in range(1, 5)
    ]
    if "conv1.weight" not in weights or not all(stages):
        raise ArtifactError(
            "these are not ResNet weights",
            got=f"names such as {', '.join(list(weights)[:3])}",
            expected="torchvision's names: conv1.weight, layer1.0.conv1.weight, …",
        )
    block = "bottleneck" if "layer1.0.conv3.weight" in weights else "basic"
    depths = cast("tuple[int, int, int, int]", tuple(len(blocks) for blocks in stages))
    return ResNetSize(block, depths, weights["conv1.weight"].shape[0])


def _stage_strides(image_size: int, patch_grid: int) -> tuple[int, ...]:
    reduction = image_size // patch_grid // _STEM_STRIDE
    halvings = {1: 0, 2: 1, 4: 2, 8: 3}.get(reduction)
    if halvings is None or image_size % patch_grid:
        raise ConfigurationError(
            "a ResNet cannot give this patch grid",
            got=f"{image_size} px and {patch_grid} × {patch_grid}",
            expected="an image of 4, 8, 16 or 32 pixels a patch",
        )
    return (1, *(2 if index < halvings else 1 for index in range(3)))
