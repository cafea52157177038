"""FDSM: frequency decomposition of the image into two streams before the INN, and synthesis after it.

Source: Gao et al., IEEE TIP 2025, and the authors' code. The decomposition is not invertible.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.inn.pointwise import Conv1x1

POOLS = (3, 5, 7)


class _Residual(nn.Module):
    """x + lrelu(conv 3 (lrelu (conv 3 (x)))), slope 0.01, on three channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 3, 3, padding=1)
        self.conv2 = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + F.leaky_relu(self.conv2(F.leaky_relu(self.conv1(x), 0.01)), 0.01)


class Decomposition(nn.Module):
    """FDSM-D: image -> (low, high), each (B, 3, H, W): x + features of its local means, x + features of the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.mix_low, self.mix_high = Conv1x1(9, 3), Conv1x1(9, 3)
        self.low, self.high = _Residual(), _Residual()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        means = [F.avg_pool2d(x, k, 1, k // 2) for k in POOLS]
        low = self.low(F.leaky_relu(self.mix_low(torch.cat(means, 1)), 0.2))
        high = self.high(F.leaky_relu(self.mix_high(torch.cat([x - mean for mean in means], 1)), 0.2))
        return x + low, x + high

    @torch.no_grad()
    def close(self) -> None:
        """Start with both streams equal to the image."""
        for conv in (self.mix_low, self.mix_high):
            conv.weight.zero_()
        for module in (self.mix_low, self.mix_high, self.low.conv1, self.low.conv2, self.high.conv1, self.high.conv2):
            assert module.bias is not None
            module.bias.zero_()


class Synthesis(nn.Module):
    """FDSM-S: m low + (1 - m) high, m in [0, 1] from a small U-Net on both streams.

    Args:
        width: of its first scale (32 as published), doubled twice.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        a, b, c = width, 2 * width, 4 * width
        self.downs = nn.ModuleList([_conv(6, a, 5), _conv(a, b, 5), _conv(b, c, 3)])
        self.middle = _conv(c, c, 3)
        self.ups = nn.ModuleList([_conv(2 * c, c, 3), _conv(c + b, b, 5), _conv(b + a, a, 5)])
        self.last = Conv1x1(a, 1)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        x, skips = torch.cat((low, high), 1), []
        for down in self.downs:
            skips.append(torch.relu(down(x)))
            x = F.max_pool2d(skips[-1], 2)
        x = torch.relu(self.middle(x))
        for up, skip in zip(self.ups, reversed(skips), strict=True):
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = torch.relu(up(torch.cat((x, skip), 1)))
        mask = torch.sigmoid(self.last(x).to(low.dtype))  # with eight bits it and what is left do not add up to one
        return mask * low + (1 - mask) * high


def _conv(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
