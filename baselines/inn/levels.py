"""One level of an INN on one stream (Xie, IAT): squeeze, invertible 1x1, three couplings."""

from __future__ import annotations

from torch import Tensor, nn

from baselines.inn.blocks import AffineCoupling, Invertible1x1, squeeze, unsqueeze

KERNELS = (5, 5, 3, 3)
CHANNELS = (12, 48, 192, 768)
"""Of the four levels."""

Hidden = tuple[tuple[int, int], ...]
"""Per level, hidden widths of the coupling subnets towards the two parts."""


class Level(nn.Module):
    """(N, C/4, 2H, 2W) -> (N, C, H, W) and back.

    Args:
        channels: C.
        kernel, hidden: see ``AffineCoupling``.
    """

    def __init__(self, channels: int, kernel: int, hidden: tuple[int, int] | None) -> None:
        super().__init__()
        self.mix = Invertible1x1(channels)
        self.couplings = nn.ModuleList(AffineCoupling(channels, kernel, hidden) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.mix(squeeze(x))
        for coupling in self.couplings:
            x = coupling(x)
        return x

    def inverse(self, x: Tensor) -> Tensor:
        for coupling in reversed(self.couplings):
            x = coupling.inverse(x)  # type: ignore[operator]
        return unsqueeze(self.mix.inverse(x))


def levels(hidden: Hidden | None) -> nn.ModuleList:
    """The four levels; ``hidden`` None takes the published widths."""
    widths = hidden or (None,) * 4
    return nn.ModuleList(Level(c, k, h) for c, k, h in zip(CHANNELS, KERNELS, widths, strict=True))
