"""Stacks of 3x3 convolutions a band of rows at a time: what one layer writes, the next reads from the cache.

On a whole image the layers of a dense block write and read gigabytes. Here a layer works on the rows for which
the layer before it has made the row below. The sums are those of the whole image, bit by bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from baselines.inn.dense import convolved
from baselines.inn.pointwise import coding

BAND = 48
"""Rows at a time."""


def in_bands(x: Tensor) -> bool:
    """Whether to take images (N, C, H, W) band by band: when coding on a CPU, one image that is not small."""
    return coding(x) and len(x) == 1 and x.shape[2] > 2 * BAND and x.shape[2] * x.shape[3] > 1 << 16


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
        self.kept: list[_Rows] = []
        """The last rows of all these but the last."""

    def __call__(self, rows: Tensor) -> Tensor | None:
        """The next rows of the input (1, C, K, W), channels-last -> the next rows of the output, if there are any."""
        self._keep(0, rows).copy_(rows)
        for layer, convolution in enumerate(self.convolutions):
            done, have = self.made[layer + 1], self.made[layer]
            end = have if have == self.height else have - 1
            if end <= done:
                return None
            top, bottom = max(0, done - 1), min(self.height, end + 1)
            seen = [kept.between(top, bottom) for kept in self.kept[: layer + 1]]
            # rows of zeros stand at the image's edges only: elsewhere what they give is cut off
            edge = int(done == 0 or end == self.height)
            out = convolved(seen, convolution, edge)[:, :, done - top + edge - 1 :][:, :, : end - done]
            if layer + 1 < len(self.convolutions):
                torch.ops.aten.leaky_relu.out(out, 0.2, out=self._keep(layer + 1, out))
        self.made[-1] = end
        return out

    def _keep(self, layer: int, rows: Tensor) -> Tensor:
        """Room for the next rows of a layer, which are to be kept."""
        if layer == len(self.kept):
            # a layer is as many rows behind another as there are layers between, and needs one row above
            self.kept.append(_Rows(rows, 2 * len(self.made)))
        self.made[layer] += rows.shape[2]
        return self.kept[layer].next(rows.shape[2], max(0, self.made[-1] - 1))


class _Rows:
    """The last rows of a layer, from the first that is still needed, in memory that is used again and again."""

    def __init__(self, like: Tensor, spare: int) -> None:
        n, c, h, w = like.shape
        self.memory = torch.empty(n, h + spare, w, c).permute(0, 3, 1, 2)
        self.first, self.end = 0, 0

    def next(self, count: int, needed: int) -> Tensor:
        """Room for ``count`` more rows; those before row ``needed`` of the image may go."""
        keep = self.end - needed
        if keep + count > self.memory.shape[2]:
            n, c, _, w = self.memory.shape
            larger = torch.empty(n, keep + count, w, c).permute(0, 3, 1, 2)
            larger[:, :, :keep] = self.between(needed, self.end)
            self.memory = larger
        elif needed > self.first:
            self.memory[:, :, :keep] = self.between(needed, self.end).clone()
        self.first, self.end = needed, self.end + count
        return self.memory[:, :, keep : keep + count]

    def between(self, top: int, bottom: int) -> Tensor:
        """Rows ``top`` to ``bottom`` of the image, as a view."""
        return self.memory[:, :, top - self.first : bottom - self.first]
