"""CFRM, cascaded feature recovery: refinement of the quantised latents towards the 768 channels of a stream.

Source: Gao et al., IEEE TIP 2025, for ``Refinement``. ``MultiScaleRefinement`` is our design: the paper's figure shows
a multi-scale variant before the inverse of level 3, the released code has none. Ours sees the stream's 192 channels at
three dilations (1, 2, 4) and the latents once more, brought to that resolution by sub-pixel convolution; a 1x1
convolution that starts at zero adds what it makes of them to the stream.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.inn.pointwise import Conv1x1
from baselines.inn.precision import exact

DILATIONS = (1, 2, 4)


class Refinement(nn.Module):
    """(B, M, h, w) -> (B, 768, h, w): dense 3x3 layers of growth M, conv 1, and a conv 1 from the input beside them."""

    def __init__(self, latent: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d((i + 1) * latent, latent, 3, padding=1) for i in range(outputs // latent - 1)
        )
        self.fuse = Conv1x1(outputs, outputs)
        self.skip = Conv1x1(latent, outputs)

    def forward(self, y: Tensor) -> Tensor:
        x = y
        for layer in self.layers:
            x = torch.cat((x, torch.relu(layer(x))), 1)
        with exact(y.device):
            whole = self.skip(y)
        return whole + self.fuse(x)

    @torch.no_grad()
    def close(self, gain: float) -> None:
        """Start by repeating the latents over the channel groups, times ``gain``."""
        latent, outputs = self.skip.in_channels, self.skip.out_channels
        self.skip.weight.copy_(gain * torch.eye(latent).repeat(outputs // latent, 1)[:, :, None, None])
        self.fuse.weight.zero_()
        for conv in (self.skip, self.fuse):
            assert conv.bias is not None
            conv.bias.zero_()


class MultiScaleRefinement(nn.Module):
    """Stream (B, C, 2h, 2w) and latents (B, M, h, w) -> the stream, refined.

    Args:
        latent: M.
        channels: C.
        width: of each branch.
    """

    def __init__(self, latent: int, channels: int, width: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Conv2d(channels, width, 3, padding=d, dilation=d) for d in DILATIONS)
        self.finer = nn.Sequential(Conv1x1(latent, 4 * width), nn.PixelShuffle(2))
        self.fuse = Conv1x1((len(DILATIONS) + 1) * width, channels)
        nn.init.zeros_(self.fuse.weight)
        nn.init.zeros_(self.fuse.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        features = [branch(x) for branch in self.branches] + [self.finer(y)]
        return x + self.fuse(torch.relu(torch.cat(features, 1)))
