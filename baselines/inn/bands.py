"""Stacks of 3x3 convolutions a band of rows at a time: what one layer writes, the next reads from the cache.

On a whole image the concatenations of a dense block write and read gigabytes. Here a layer works on the rows for which
the layer before it has made the row below. The sums are those of the whole image, bit by bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BAND = 48
"""Rows at a time."""


def in_bands(x: Tensor) -> bool:
    """Whether to take images (N, C, H, W) band by band: when coding on a CPU, one image that is not small."""
    plain = x.device.type == "cpu" and x.dtype == torch.float32 and torch.backends.mkldnn.is_available()
    coding = not torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
    return plain and coding and len(x) == 1 and x.shape[2] > 2 * BAND and x.shape[2] * x.shape[3] > 1 << 16


class Stack:
    """3x3 convolutions with LeakyReLU 0.2 between them; each sees the input and what all before it have made.

    Args:
        convolutions: padded with zeros.
        height: of the image.
    """

    def __init__(self, convolutions: Sequence[nn.Conv2d], height: int) -> None:
        self.convolutions, self.height = convolutions, height
        self.made = [0] * (len(convolutions) + 1)
        """Rows that there have been so far of the input and of each layer's output."""
        self.kept: list[Tensor] = []
        """The last rows of all these but the last."""

    def __call__(self, rows: Tensor) -> Tensor | None:
        """The next rows of the input (1, C, K, W), channels-last -> the next rows of the output, if there are any."""
        self._keep(0, rows)
        for layer, convolution in enumerate(self.convolutions):
            done, have = self.made[layer + 1], self.made[layer]
            end = have if have == self.height else have - 1
            if end <= done:
                return None
            top, bottom = max(0, done - 1), min(self.height, end + 1)
            seen = torch.cat([self._rows(i, top, bottom) for i in range(layer + 1)], 1)
            # rows of zeros stand at the image's edges only: elsewhere what they give is cut off
            edge = int(done == 0 or end == self.height)
            out = _convolved(seen, convolution, edge)[:, :, done - top + edge - 1 :][:, :, : end - done]
            if layer + 1 < len(self.convolutions):
                self._keep(layer + 1, F.leaky_relu(out, 0.2, inplace=True))
        self.made[-1] = end
        return out

    def _keep(self, layer: int, rows: Tensor) -> None:
        self.made[layer] += rows.shape[2]
        if layer == len(self.kept):
            self.kept.append(rows)
        else:
            # a layer is as many rows behind another as there are layers between, and needs one row above
            first = self.made[-1] - 1 - (self.made[layer] - rows.shape[2] - self.kept[layer].shape[2])
            self.kept[layer] = torch.cat((self.kept[layer][:, :, max(0, first) :], rows), 2)

    def _rows(self, layer: int, top: int, bottom: int) -> Tensor:
        kept = self.kept[layer]
        first = self.made[layer] - kept.shape[2]
        return kept[:, :, top - first : bottom - first]


def _convolved(x: Tensor, convolution: nn.Conv2d, rows: int) -> Tensor:
    """Padded with one column on either side and ``rows`` rows."""
    return torch.ops.aten.mkldnn_convolution(x, convolution.weight, convolution.bias, (rows, 1), (1, 1), (1, 1), 1)
