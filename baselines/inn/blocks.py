"""The invertible building blocks: squeeze, invertible 1x1 convolution, affine coupling.

Sources: Xie et al. 2021 ("Enhanced Invertible Encoding for Learned Image Compression"), which takes them from
RealNVP (Dinh et al. 2017) and Glow (Kingma and Dhariwal 2018). All tensors are NCHW; channels-last memory is kept.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.inn.pointwise import Conv1x1, convolve
from baselines.inn.precision import exact


def squeeze(x: Tensor) -> Tensor:
    """Space to depth: (N, C, H, W) -> (N, 4C, H/2, W/2), output channels in the order (dy, dx, c). H, W even."""
    n, c, h, w = x.shape
    x = x.permute(0, 2, 3, 1).reshape(n, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(n, h // 2, w // 2, 4 * c).permute(0, 3, 1, 2)


def unsqueeze(x: Tensor) -> Tensor:
    """Depth to space, the inverse of ``squeeze``: (N, 4C, H, W) -> (N, C, 2H, 2W)."""
    n, c, h, w = x.shape
    x = x.permute(0, 2, 3, 1).reshape(n, h, w, 2, 2, c // 4).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(n, 2 * h, 2 * w, c // 4).permute(0, 3, 1, 2)


def channel_squeeze(x: Tensor, latent: int) -> Tensor:
    """Mean over channel groups: (N, G*latent, H, W) -> (N, latent, H, W). Where the INN loses information."""
    n, c, h, w = x.shape
    y = x.permute(0, 2, 3, 1).reshape(n, h, w, c // latent, latent).mean(3)
    return y.permute(0, 3, 1, 2)


def channel_expand(y: Tensor, channels: int) -> Tensor:
    """Repeat the latent over the channel groups: (N, latent, H, W) -> (N, channels, H, W)."""
    n, m, h, w = y.shape
    x = y.permute(0, 2, 3, 1).unsqueeze(3).expand(n, h, w, channels // m, m)
    return x.reshape(n, h, w, channels).permute(0, 3, 1, 2)


class Invertible1x1(nn.Module):
    """A free C x C matrix applied at every position, initialised orthogonal (QR of a Gaussian)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linalg.qr(torch.randn(channels, channels))[0])
        self._inverse: tuple[int, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        with exact(x.device):
            return convolve(x, self.weight[:, :, None, None])

    def inverse(self, y: Tensor) -> Tensor:
        with exact(y.device):
            return convolve(y, self._inverse_weight()[:, :, None, None])

    def _inverse_weight(self) -> Tensor:
        """W^-1, taken in float64. In training it is differentiable and fresh; otherwise computed once per weight."""
        if torch.is_grad_enabled() and self.weight.requires_grad:
            return torch.linalg.inv(self.weight.double()).to(self.weight.dtype)
        version = self.weight._version
        if self._inverse is None or self._inverse[0] != version or self._inverse[1].device != self.weight.device:
            self._inverse = (version, torch.linalg.inv(self.weight.detach().double()).to(self.weight.dtype))
        return self._inverse[1]


class Subnet(nn.Module):
    """The G and H of a coupling: conv k, LeakyReLU 0.2, conv 1, LeakyReLU 0.2, conv k (zero at the start)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, hidden: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, hidden, kernel, padding=kernel // 2)
        self.conv2 = Conv1x1(hidden, hidden)
        self.conv3 = nn.Conv2d(hidden, outputs, kernel, padding=kernel // 2)
        for conv in (self.conv1, self.conv2):
            nn.init.xavier_normal_(conv.weight)
            conv.weight.data.mul_(0.1)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.conv3.weight)
        nn.init.zeros_(self.conv3.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        inner = F.leaky_relu(convolve(x, self.conv1.weight, self.conv1.bias), 0.2, inplace=True)
        inner = F.leaky_relu(self.conv2(inner), 0.2, inplace=True)
        return convolve(inner, self.conv3.weight, self.conv3.bias).to(x.dtype)


def log_scale(x: Tensor) -> Tensor:
    """s(x) = 2 sigmoid(x) - 1, the bounded log-scale of a coupling."""
    return torch.tanh(0.5 * x)


class AffineCoupling(nn.Module):
    """y1 = x1 exp(s(G2(x2))) + H2(x2); y2 = x2 exp(s(G1(y1))) + H1(y1), the first quarter of the channels as x1.

    Args:
        channels: C; x1 has C/4 channels, x2 has 3C/4.
        kernel: of the subnets' outer convolutions.
        hidden: width of the subnets towards x1 and towards x2; None takes their output widths, as published.
    """

    def __init__(self, channels: int, kernel: int, hidden: tuple[int, int] | None = None) -> None:
        super().__init__()
        a, b = channels // 4, channels - channels // 4
        ha, hb = hidden or (a, b)
        self.split = a
        self.G1 = Subnet(a, b, kernel, hb)
        self.G2 = Subnet(b, a, kernel, ha)
        self.H1 = Subnet(a, b, kernel, hb)
        self.H2 = Subnet(b, a, kernel, ha)

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x1, x2 = x[:, : self.split], x[:, self.split :]
        return (
            x1.contiguous(memory_format=torch.channels_last),
            x2.contiguous(memory_format=torch.channels_last),
        )

    def forward(self, x: Tensor) -> Tensor:
        x1, x2 = self._parts(x)
        y1 = torch.addcmul(self.H2(x2), x1, torch.exp(log_scale(self.G2(x2))))
        y2 = torch.addcmul(self.H1(y1), x2, torch.exp(log_scale(self.G1(y1))))
        return torch.cat((y1, y2), 1)

    def inverse(self, y: Tensor) -> Tensor:
        y1, y2 = self._parts(y)
        x2 = (y2 - self.H1(y1)) * torch.exp(-log_scale(self.G1(y1)))
        x1 = (y1 - self.H2(x2)) * torch.exp(-log_scale(self.G2(x2)))
        return torch.cat((x1, x2), 1)
