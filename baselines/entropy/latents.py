"""The stream coder of the learned codecs: quantised latents to bytes and back, by ANS with constriction.

Straight quantisation: y is rounded to integers and the mean only moves the density. Everything that the probabilities
depend on is computed in fixed point (``fixedpoint``), so encoder and decoder agree whatever the device.
"""

from __future__ import annotations

import constriction
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.entropy.fixedpoint import ONE, FixedConv, FixedSequence, leaky_relu
from baselines.entropy.gaussian import SCALE_MAX, SCALE_MIN
from baselines.entropy.hyperprior import CONTEXT_KERNEL, EntropyModel
from baselines.entropy.wavefront import wavefronts
from bench.codec import BitstreamError

LATENT_BITS = 12
"""Latents are clamped to +-(2^12 - 1)."""

HYPER_BOUND = 127
"""Hyper-latents are clamped to +-127."""

CHUNK = 2048
"""Positions whose parameters the encoder evaluates at once; bounds its memory."""


class LatentCoder:
    """Codes the latents of one entropy model.

    Args:
        model: trained; it is copied into fixed point here.
        device: where the networks are evaluated.
    """

    def __init__(self, model: EntropyModel, device: torch.device) -> None:
        self.config, self.device = model.config, device
        self.h_s = FixedSequence(model.h_s, device)
        layers = [m for m in model.entropy_parameters if isinstance(m, torch.nn.Conv2d)]
        self.parameters = [FixedConv(m.weight, _bias(m)).to(device).matrix() for m in layers]
        if self.config.context:
            conv = model.context_prediction
            taps = CONTEXT_KERNEL**2 // 2
            weight = conv.weight.detach().flatten(2)[:, :, :taps, None]
            self.context = FixedConv(weight, _bias(conv)).to(device).matrix()
        self.medians = torch.round(model.bottleneck.medians.detach().double().to(device) * ONE)
        self.hyper_models = [
            constriction.stream.model.Categorical(row, perfect=False) for row in model.bottleneck.tables(HYPER_BOUND)
        ]
        self.seen_table, self.scale_table, self.mean_table = (table.to(device) for table in self._tables())

    def _tables(self) -> tuple[Tensor, Tensor, Tensor]:
        """Look-up tables in float64: latent -> context input, raw scale and raw mean (1/1024) -> scale and mean."""
        bound = (1 << LATENT_BITS) - 1
        latent = torch.arange(-bound, bound + 1, dtype=torch.float64)
        if self.config.domain == "log":
            seen = torch.round(torch.sign(latent) * torch.log1p(latent.abs()) * ONE)
            raw = torch.arange(self.scale_limits[0], self.scale_limits[1] + 1, dtype=torch.float64) / ONE
            # rounded to float32: no difference in the last bit of exp between two machines survives
            scale = torch.exp(raw).clamp(SCALE_MIN, SCALE_MAX).float().double()
            raw = torch.arange(-self.mean_limit, self.mean_limit + 1, dtype=torch.float64) / ONE
            mean = torch.round(torch.sign(raw) * torch.expm1(raw.abs()) * ONE) / ONE
            return seen, scale, mean
        return latent * ONE, torch.empty(0), torch.empty(0)

    scale_limits = (round(np.log(SCALE_MIN) * ONE), round(np.log(SCALE_MAX) * ONE))
    mean_limit = round(7.6 * ONE)

    def hyper_features(self, z: NDArray[np.int32]) -> Tensor:
        """Integer hyper-latents (N, h/4, w/4) -> features of h_s at every position, (h*w, C)."""
        values = torch.from_numpy(z.astype(np.float64)).to(self.device) * ONE + self.medians[:, None, None]
        return self.h_s(values[None])[0].flatten(1).T.contiguous()

    def _rows(self, hyper: Tensor, padded: Tensor | None, at: Tensor, offsets: Tensor | None) -> tuple[Tensor, Tensor]:
        """(scale, mean) of the latents at some positions, each (K, M) float64.

        Args:
            hyper: (K, C) features of h_s.
            padded: (rows of the padded plane, M) context inputs.
            at: (K,) index of each position in the padded plane.
            offsets: (12,) where the context's taps lie from there.
        """
        x = hyper
        if padded is not None and offsets is not None:
            taps = padded[at[:, None] + offsets].flatten(1)
            x = torch.cat((x, self.context.rows(taps)), 1)
        for i, layer in enumerate(self.parameters):
            x = layer.rows(leaky_relu(x) if i else x)
        scale, mean = x.chunk(2, 1)
        if self.config.domain == "log":
            low, high = self.scale_limits
            scale = self.scale_table[(scale.clamp(low, high) - low).long()]
            return scale, self.mean_table[(mean.clamp(-self.mean_limit, self.mean_limit) + self.mean_limit).long()]
        return (scale / ONE).clamp(SCALE_MIN, SCALE_MAX), mean / ONE

    def _plane(self, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """An empty padded plane, the index in it of every position, and the offsets of the context's taps."""
        half = CONTEXT_KERNEL // 2
        stride = width + 2 * half
        plane = torch.zeros((height + half) * stride, self.config.latent, dtype=torch.float64, device=self.device)
        flat = torch.arange(height * width)
        at = (flat // width + half) * stride + flat % width + half
        taps = torch.arange(CONTEXT_KERNEL**2 // 2)
        offsets = (taps // CONTEXT_KERNEL - half) * stride + taps % CONTEXT_KERNEL - half
        return plane, at.to(self.device), offsets.to(self.device)

    def encode(self, y: NDArray[np.int32], z: NDArray[np.int32]) -> tuple[bytes, int]:
        """Code integer latents.

        Args:
            y: (M, h, w), within +-(2^12 - 1); h and w multiples of 4.
            z: (N, h/4, w/4), within +-127.

        Returns:
            the bytes, and the number of bits that bounds |y| (the decoder needs it).
        """
        m, height, width = y.shape
        bits = int(np.abs(y).max()).bit_length()
        hyper = self.hyper_features(z)
        order = np.concatenate(wavefronts(height, width, self.config.context))
        symbols = np.ascontiguousarray(y.reshape(m, -1).T[order])
        plane, at, offsets = (
            self._plane(height, width) if self.config.context else (None, torch.from_numpy(order), None)
        )
        if plane is not None:
            flat = torch.from_numpy(np.ascontiguousarray(y.reshape(m, -1).T)).to(self.device).long()
            plane[at] = self.seen_table[flat + ((1 << LATENT_BITS) - 1)]
        positions = torch.from_numpy(order).to(self.device)
        rows = [self._rows(hyper[p], plane, at[p], offsets) for p in positions.split(CHUNK)]
        coder = constriction.stream.stack.AnsCoder()
        for part in reversed(range(len(rows))):
            scale, mean = (t.cpu().numpy().ravel() for t in rows[part])
            coder.encode_reverse(symbols[part * CHUNK : (part + 1) * CHUNK].ravel(), _gaussian(bits), mean, scale)
        for channel in reversed(range(len(z))):
            coder.encode_reverse(z[channel].ravel() + HYPER_BOUND, self.hyper_models[channel])
        return coder.get_compressed().astype("<u4").tobytes(), bits

    def decode(self, data: bytes, bits: int, height: int, width: int) -> NDArray[np.int32]:
        """The inverse of ``encode``: integer y (M, height, width).

        Raises:
            BitstreamError: the data don't fit this model.
        """
        if len(data) % 4 or not 0 <= bits <= LATENT_BITS:
            raise BitstreamError("The stream's latents are cut or damaged.")
        try:
            coder = constriction.stream.stack.AnsCoder(np.frombuffer(data, "<u4").astype(np.uint32))
            count = height // 4 * (width // 4)
            z = np.stack([coder.decode(model, count) - HYPER_BOUND for model in self.hyper_models])
            y = self._decode_latents(coder, z.reshape(-1, height // 4, width // 4), bits, height, width)
        except (ValueError, AssertionError) as error:
            raise BitstreamError(f"The stream's latents are damaged: {error}.") from error
        if not coder.is_empty():
            raise BitstreamError(
                "The stream's latents are damaged, or were made by another checkpoint or library version."
            )
        return y

    def _decode_latents(
        self, coder: constriction.stream.stack.AnsCoder, z: NDArray[np.int32], bits: int, height: int, width: int
    ) -> NDArray[np.int32]:
        hyper = self.hyper_features(z)
        m = self.config.latent
        y = np.zeros((height * width, m), np.int32)
        plane, at, offsets = self._plane(height, width)
        model, bound = _gaussian(bits), (1 << LATENT_BITS) - 1
        for step in wavefronts(height, width, self.config.context):
            # without context the one step is all positions: bounded memory as in the encoder
            for part in np.array_split(step, -(-len(step) // CHUNK)):
                p = torch.from_numpy(part).to(self.device)
                used = (plane, at[p], offsets) if self.config.context else (None, p, None)
                scale, mean = self._rows(hyper[p], *used)
                symbols = coder.decode(model, mean.cpu().numpy().ravel(), scale.cpu().numpy().ravel())
                y[part] = symbols.reshape(-1, m)
                if self.config.context:
                    plane[at[p]] = self.seen_table[torch.from_numpy(y[part]).to(self.device).long() + bound]
        return np.ascontiguousarray(y.T).reshape(m, height, width)


def _gaussian(bits: int) -> constriction.stream.model.QuantizedGaussian:
    bound = max(1, (1 << bits) - 1)
    return constriction.stream.model.QuantizedGaussian(-bound, bound)


def _bias(conv: torch.nn.Conv2d) -> Tensor:
    return conv.bias if conv.bias is not None else torch.zeros(conv.out_channels)
