"""EfficientNet-Lite2 (Tan and Le, ICML 2019, in the form without squeeze and excitation) up to stride 32.

Tensors and names are those of timm's `efficientnet_lite2`, which takes seconds to import; every batch normalisation is
folded into the convolution before it.
"""

import torch
from torch import nn

STEM = 32  # channels
STAGES = (  # of inverted residuals: widening, side of the depthwise filters, stride, channels, blocks
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 3),
    (6, 5, 2, 48, 3),
    (6, 3, 2, 88, 4),
    (6, 5, 1, 120, 4),
    (6, 5, 2, 208, 5),
    (6, 3, 1, 352, 1),
)


class InvertedResidual(nn.Module):
    """1x1 convolution to more channels, depthwise convolution, 1x1 convolution to fewer; residual where it can be."""

    def __init__(self, before: int, after: int, widening: int, side: int, stride: int):
        super().__init__()
        inner = widening * before
        self.conv_pw = nn.Conv2d(before, inner, 1)
        self.conv_dw = nn.Conv2d(inner, inner, side, stride, side // 2, groups=inner)
        self.conv_pwl = nn.Conv2d(inner, after, 1)
        self.act = nn.ReLU6(inplace=True)
        self.residual = stride == 1 and before == after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        narrowed = self.conv_pwl(self.act(self.conv_dw(self.act(self.conv_pw(x)))))
        return narrowed + x if self.residual else narrowed


class DepthwiseSeparable(nn.Module):
    """The first stage's block, which does not widen: depthwise convolution, 1x1 convolution."""

    def __init__(self, before: int, after: int, side: int):
        super().__init__()
        self.conv_dw = nn.Conv2d(before, before, side, padding=side // 2, groups=before)
        self.conv_pw = nn.Conv2d(before, after, 1)
        self.act = nn.ReLU6(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv_pw(self.act(self.conv_dw(x)))


class EfficientNetLite2(nn.Module):
    """`stem`: pixels (B, 3, S, S) -> (B, 32, S/2, S/2); then each of the seven `blocks`, the stages."""

    def __init__(self):
        super().__init__()
        self.conv_stem = nn.Conv2d(3, STEM, 3, stride=2, padding=1)
        self.act = nn.ReLU6(inplace=True)
        stages, before = [], STEM
        for widening, side, stride, after, count in STAGES:
            blocks = []
            for number in range(count):
                if widening == 1:
                    blocks.append(DepthwiseSeparable(before, after, side))
                else:
                    blocks.append(InvertedResidual(before, after, widening, side, 1 if number else stride))
                before = after
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)

    def stem(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.act(self.conv_stem(pixels))
