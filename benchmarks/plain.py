"""IAT and its codec written the obvious way, on the weights of a model of ours: what ``bench_coding`` compares with.

float32 NCHW throughout, quality-map networks evaluated on a full map in both directions, 1x1 inverses taken at every
call, and the latents coded in raster order, one position at a time, by the encoder as by the decoder (crop 5x5, masked
convolution, parameter network, M symbols), as CompressAI's JointAutoregressiveHierarchicalPriors does. The symbols go
through constriction's range coder, which is quicker than CompressAI's lists and tables.
"""

from __future__ import annotations

from typing import Any

import constriction
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from baselines.entropy.gaussian import SCALE_MAX, SCALE_MIN
from baselines.entropy.latents import HYPER_BOUND
from baselines.entropy.prior import compress_range, expand_range
from baselines.iat.activation import guard_scale
from baselines.iat.model import IAT

Integers = NDArray[np.int32]


def conv(layer: Any, x: Tensor) -> Tensor:
    return F.conv2d(x, layer.weight.contiguous(), layer.bias, layer.stride, layer.padding)


def chain(layers: Any, x: Tensor) -> Tensor:
    """A Sequential of convolutions and activations, NCHW."""
    for layer in layers:
        x = conv(layer, x) if isinstance(layer, torch.nn.Conv2d) else layer(x)
    return x


def squeeze(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    x = x.view(n, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 1, 2, 4)
    return x.reshape(n, 4 * c, h // 2, w // 2)


def unsqueeze(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    x = x.view(n, 2, 2, c // 4, h, w).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(n, c // 4, 2 * h, 2 * w)


def dense(block: Any, x: Tensor) -> Tensor:
    features = [x]
    for name in ("conv1", "conv2", "conv3", "conv4"):
        features.append(F.leaky_relu(conv(getattr(block, name), torch.cat(features, 1)), 0.2))
    return conv(block.conv5, torch.cat(features, 1))


def enhance(network: Any, x: Tensor) -> Tensor:
    first, one, middle, other, last = network.layers
    return x + 0.2 * dense(last, conv(other, conv(middle, conv(one, dense(first, x)))))


def subnet(network: Any, x: Tensor) -> Tensor:
    x = F.leaky_relu(conv(network.conv1, x), 0.2)
    return conv(network.conv3, F.leaky_relu(conv(network.conv2, x), 0.2))


def gain(network: Any, x: Tensor) -> Tensor:
    return torch.exp(2 * torch.sigmoid(subnet(network, x)) - 1)


class Plain:
    """The codec; encode and decode in one object.

    Args:
        model: ours, whose weights are used.
        level: quality level, one for the image.
    """

    def __init__(self, model: IAT, level: float) -> None:
        self.model, self.level, self.entropy = model, level, model.entropy
        self.log = model.config.domain == "log"
        tables = model.entropy.bottleneck.tables(HYPER_BOUND)
        self.hyper_models = [constriction.stream.model.Categorical(row, perfect=False) for row in tables]
        self.family = constriction.stream.model.QuantizedGaussian(-4095, 4095)
        prediction = model.entropy.context_prediction
        self.masked = (prediction.weight * prediction.mask).contiguous()

    def modulation(self, index: int, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        networks: Any = self.model.transform.activations[index]
        full = torch.full((1, 1, size[0] << index + 1, size[1] << index + 1), self.level)
        shared = chain(networks.mlp_shared, F.adaptive_avg_pool2d(full, size))
        return guard_scale(1 + chain(networks.mlp_gamma, shared)), chain(networks.mlp_beta, shared)

    def analysis(self, x: Tensor) -> Tensor:
        """(1, 3, H, W) in [0, 1] -> latents, not quantised."""
        transform: Any = self.model.transform
        x = enhance(transform.enhance, x)
        for i, level in enumerate(transform.levels):
            x = F.conv2d(squeeze(x), level.mix.weight[:, :, None, None])
            for c in level.couplings:
                x1, x2 = x[:, : c.split], x[:, c.split :]
                x1 = x1 * gain(c.G2, x2) + subnet(c.H2, x2)
                x2 = x2 * gain(c.G1, x1) + subnet(c.H1, x1)
                x = torch.cat((x1, x2), 1)
            if i == 3:
                x = x.view(1, -1, transform.latent, *x.shape[2:]).mean(1)
            scale, shift = self.modulation(i, (x.shape[2], x.shape[3]))
            x = x * scale + shift
        return x

    def synthesis(self, y: Tensor) -> Tensor:
        """Latents -> (1, 3, H, W), not clamped."""
        transform: Any = self.model.transform
        x = y
        for i in (3, 2, 1, 0):
            scale, shift = self.modulation(i, (x.shape[2], x.shape[3]))
            x = (x - shift) / scale
            if i == 3:
                x = x.repeat(1, 768 // transform.latent, 1, 1)
            level = transform.levels[i]
            for c in reversed(level.couplings):
                x1, x2 = x[:, : c.split], x[:, c.split :]
                x2 = (x2 - subnet(c.H1, x1)) / gain(c.G1, x1)
                x1 = (x1 - subnet(c.H2, x2)) / gain(c.G2, x2)
                x = torch.cat((x1, x2), 1)
            inverse = torch.inverse(level.mix.weight.double()).float()
            x = unsqueeze(F.conv2d(x, inverse[:, :, None, None]))
        return enhance(transform.restore, x)

    def compress(self, y: Tensor) -> tuple[Any, Any]:
        """Latents (1, M, h, w), not quantised -> the coded hyper-latents and latents."""
        medians = self.entropy.bottleneck.medians[:, None, None]
        z = chain(self.entropy.h_a, compress_range(y) if self.log else y)[0]
        symbols = torch.round(z - medians).clamp(-HYPER_BOUND, HYPER_BOUND)
        hyper = constriction.stream.queue.RangeEncoder()
        for channel, family in zip(symbols.numpy().astype(np.int32), self.hyper_models, strict=True):
            hyper.encode(channel.ravel() + HYPER_BOUND, family)
        coder = constriction.stream.queue.RangeEncoder()
        rounded = torch.round(y)

        def code(i: int, j: int, mean: NDArray[Any], scale: NDArray[Any]) -> Tensor:
            here = rounded[0, :, i, j]
            coder.encode(here.numpy().astype(np.int32), self.family, mean, scale)
            return here

        self._raster(symbols + medians, code)
        return hyper.get_compressed(), coder.get_compressed()

    def decompress(self, hyper_data: Any, data: Any, height: int, width: int) -> Tensor:
        """The inverse, for latents of ``height`` x ``width``: quantised latents."""
        hyper = constriction.stream.queue.RangeDecoder(hyper_data)
        count = height // 4 * (width // 4)
        z = np.stack([hyper.decode(family, count) - HYPER_BOUND for family in self.hyper_models])
        z_hat = torch.from_numpy(z.reshape(-1, height // 4, width // 4)).float()
        coder = constriction.stream.queue.RangeDecoder(data)

        def code(i: int, j: int, mean: NDArray[Any], scale: NDArray[Any]) -> Tensor:
            return torch.from_numpy(coder.decode(self.family, mean, scale)).float()

        return self._raster(z_hat + self.entropy.bottleneck.medians[:, None, None], code)

    def _raster(self, z_hat: Tensor, code: Any) -> Tensor:
        """Quantised latents, position by position; ``code`` takes (row, column, mean, scale) and gives the symbols."""
        features = chain(self.entropy.h_s, z_hat[None])
        height, width = features.shape[2:]
        seen = torch.zeros(1, self.model.config.latent, height + 4, width + 4)
        y_hat = torch.zeros(1, self.model.config.latent, height, width)
        for i in range(height):
            for j in range(width):
                crop = seen[:, :, i : i + 5, j : j + 5]
                context = F.conv2d(crop, self.masked, self.entropy.context_prediction.bias)
                found = torch.cat((features[:, :, i : i + 1, j : j + 1], context), 1)
                scale, mean = chain(self.entropy.entropy_parameters, found)[0, :, 0, 0].chunk(2)
                if self.log:
                    scale, mean = torch.exp(scale.clamp(-2.2073, 5.5452)), expand_range(mean.clamp(-7.6, 7.6))
                scale = scale.clamp(SCALE_MIN, SCALE_MAX)
                symbols = code(i, j, mean.double().numpy(), scale.double().numpy())
                y_hat[0, :, i, j] = symbols
                seen[0, :, i + 2, j + 2] = compress_range(symbols) if self.log else symbols
        return y_hat
