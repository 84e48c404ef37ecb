"""R3D as convolutions of single frames: the same values, in the form that CPUs are fast at."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import fuse_conv_bn_weights

if TYPE_CHECKING:
    from torchvision.models.video.resnet import BasicBlock

    from trifuse.models.r3d import R3D


class FramewiseR3D(nn.Module):
    """A trained R3D, rewritten for inference: (batch, 3, frames, size, size) to the feature map of `R3D`.

    ONNX Runtime's 3D convolutions copy every neighbourhood, and its 2D convolutions do not
    (docs/decisions/0018).
    """

    def __init__(self, backbone: R3D) -> None:
        super().__init__()
        stages = (backbone.layer1, backbone.layer2, backbone.layer3, backbone.layer4)
        self.stem = _FrameConvolution(backbone.stem)
        self.blocks = nn.Sequential(*map(_FrameBlock, chain.from_iterable(cast("Any", stages))))

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute the feature map."""
        features: Tensor = self.blocks(functional.relu(self.stem(pixels.transpose(1, 2))))
        return features.transpose(1, 2)


class _FrameBlock(nn.Module):
    """torchvision's basic block over (batch, frames, channels, height, width)."""

    def __init__(self, block: BasicBlock) -> None:
        super().__init__()
        self.conv1, self.conv2 = _FrameConvolution(block.conv1), _FrameConvolution(block.conv2)
        self.downsample = _FrameConvolution(block.downsample) if block.downsample else nn.Identity()

    def forward(self, frames: Tensor) -> Tensor:
        changes = self.conv2(functional.relu(self.conv1(frames)))
        return functional.relu(changes + self.downsample(frames))


class _FrameConvolution(nn.Module):
    """A 3D convolution and its batch norm, as a 2D convolution of frames that lie on their neighbours."""

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        conv, norm = cast("nn.Conv3d", layers[0]), cast("nn.BatchNorm3d", layers[1])
        self.depth, self.stride, self.padding = conv.kernel_size[0], conv.stride[0], int(conv.padding[0])
        self.planes = nn.Conv2d(
            conv.in_channels * self.depth,
            conv.out_channels,
            cast("tuple[int, int]", conv.kernel_size[1:]),
            stride=cast("tuple[int, int]", conv.stride[1:]),
            padding=cast("tuple[int, int]", conv.padding[1:]),
        )
        mean, variance = cast("Tensor", norm.running_mean), cast("Tensor", norm.running_var)
        weight, self.planes.bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, mean, variance, norm.eps, norm.weight, norm.bias
        )
        self.planes.weight = nn.Parameter(weight.transpose(1, 2).flatten(1, 2))

    def forward(self, frames: Tensor) -> Tensor:
        padded = functional.pad(frames, (0, 0, 0, 0, 0, 0, self.padding, self.padding))
        count = (padded.shape[1] - self.depth) // self.stride + 1
        span = self.stride * (count - 1) + 1
        stacked = torch.cat(
            [padded[:, start : start + span : self.stride] for start in range(self.depth)], dim=2
        )
        computed: Tensor = self.planes(stacked.flatten(0, 1))
        return computed.view(-1, count, *computed.shape[1:])
