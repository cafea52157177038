"""The stream coder of the learned codecs: quantised latents to bytes and back, by ANS with constriction.

Straight quantisation: y is rounded to integers and the mean only moves the density. Centred quantisation: the symbols
are round(y - mean), and y_hat = symbol + mean lies on the fixed-point grid. Everything that the probabilities depend on
is computed in fixed point (``fixedpoint``), so encoder and decoder agree whatever the device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import constriction
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.entropy.fixedpoint import ACTIVATION_LIMIT, ONE, FixedConv, FixedSequence, leaky_relu
from baselines.entropy.gaussian import SCALE_MAX, SCALE_MIN
from baselines.entropy.hyperprior import CONTEXT_KERNEL
from baselines.entropy.prior import LatentPrior
from baselines.entropy.wavefront import wavefronts
from bench.codec import BitstreamError

LATENT_BITS = 12
"""Latents are clamped to +-(2^12 - 1)."""

HYPER_BOUND = 127
"""Hyper-latents are clamped to +-127."""

CHUNK = 2048
"""Positions whose parameters the encoder evaluates at once; bounds its memory."""

SLACK = 0.02
"""By how much the coder's integer probabilities may make the hyper-latents cheaper than their tables say."""

SEEN_STEPS = 64
"""In the log domain, the context model sees centred latents rounded to 1/64: a table keeps the logarithm exact."""


class LatentCoder:
    """Codes the latents of one entropy model.

    Args:
        model: trained; it is copied into fixed point here.
        device: where the networks are evaluated.
    """

    def __init__(self, model: LatentPrior, device: torch.device) -> None:
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
        tables = model.bottleneck.tables(HYPER_BOUND)
        self.hyper_models = [constriction.stream.model.Categorical(row, perfect=False) for row in tables]
        least = sum(-np.log2(max(row)) for row in tables)
        self.least_bits = float(least)
        """No position of the hyper-latents costs less, whatever they are."""
        self.seen_table, self.scale_table, self.mean_table = (table.to(device) for table in self._tables())

        self.seen_fine: Tensor | None = None

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

    def _seen(self, y_hat: Tensor, centred: bool) -> Tensor:
        """Context inputs (steps of 1/1024) of quantised latents."""
        if not centred:
            return self.seen_table[y_hat.long() + ((1 << LATENT_BITS) - 1)]
        if self.config.domain == "linear":
            return (y_hat * ONE).clamp(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)
        bound = SEEN_STEPS * ((1 << LATENT_BITS) + int(np.expm1(self.mean_limit / ONE)) + 1)
        if self.seen_fine is None:
            steps = torch.arange(-bound, bound + 1, dtype=torch.float64) / SEEN_STEPS
            self.seen_fine = torch.round(torch.sign(steps) * torch.log1p(steps.abs()) * ONE).to(self.device)
        return self.seen_fine[torch.floor(y_hat * SEEN_STEPS + 0.5).clamp(-bound, bound).long() + bound]

    def encode(self, y: NDArray[Any], z: NDArray[np.int32], centred: bool = False) -> tuple[bytes, int]:
        """Code latents.

        Args:
            y: (M, h, w); h and w multiples of 4. Straight: integers within +-(2^12 - 1). Centred: not quantised.
            z: (N, h/4, w/4), within +-127.
            centred: code round(y - mean) instead of y.

        Returns:
            the bytes, and the number of bits that bounds the symbols' magnitude (the decoder needs it).
        """
        coder = constriction.stream.stack.AnsCoder()
        parts = self._centred_symbols(y, z) if centred else self._straight_symbols(y, z)
        bits = max(int(np.abs(symbols).max()) for symbols, _, _ in parts).bit_length()
        model = _gaussian(bits)
        for symbols, mean, scale in reversed(parts):
            coder.encode_reverse(symbols.ravel(), model, mean.ravel(), scale.ravel())
        for channel in reversed(range(len(z))):
            coder.encode_reverse(z[channel].ravel() + HYPER_BOUND, self.hyper_models[channel])
        return coder.get_compressed().astype("<u4").tobytes(), bits

    def _straight_symbols(self, y: NDArray[np.int32], z: NDArray[np.int32]) -> list[_Symbols]:
        """All latents are known: every position is evaluated at once, chunk by chunk."""
        m, height, width = y.shape
        hyper = self.hyper_features(z)
        order = np.concatenate(wavefronts(height, width, self.config.context))
        flat = np.ascontiguousarray(y.reshape(m, -1).T)
        plane, at, offsets = (
            self._plane(height, width) if self.config.context else (None, torch.from_numpy(order), None)
        )
        if plane is not None:
            plane[at] = self._seen(torch.from_numpy(flat).to(self.device), False)
        parts = []
        for chunk in np.array_split(order, -(-len(order) // CHUNK)):
            p = torch.from_numpy(chunk).to(self.device)
            scale, mean = self._rows(hyper[p], plane, at[p], offsets)
            parts.append((flat[chunk], mean.cpu().numpy(), scale.cpu().numpy()))
        return parts

    def _centred_symbols(self, y: NDArray[np.float64], z: NDArray[np.int32]) -> list[_Symbols]:
        """Where there is a context, what is coded next depends on what was: the encoder sweeps as the decoder does."""
        m, height, width = y.shape
        flat, bound = np.ascontiguousarray(y.reshape(m, -1).T).astype(np.float64), (1 << LATENT_BITS) - 1
        parts: list[_Symbols] = []

        def code(positions: NDArray[np.int64], mean: NDArray[np.float64], scale: NDArray[np.float64]) -> _Integers:
            symbols = np.clip(np.round(flat[positions] - mean), -bound, bound).astype(np.int32)
            parts.append((symbols, np.zeros_like(mean), scale))
            return symbols

        self._sweep(z, height, width, True, code)
        return parts

    def decode(self, data: bytes, bits: int, height: int, width: int, centred: bool = False) -> NDArray[Any]:
        """The inverse of ``encode``: y (M, height, width); integers, or multiples of 1/1024 where ``centred``.

        Raises:
            BitstreamError: the data don't fit this model.
        """
        return self.decode_both(data, bits, height, width, centred)[0]

    def decode_both(
        self, data: bytes, bits: int, height: int, width: int, centred: bool = False
    ) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """As ``decode``, with z (N, height/4, width/4) beside y."""
        if len(data) % 4 or not 0 <= bits <= LATENT_BITS:
            raise BitstreamError("The stream's latents are cut or damaged.")
        count = height // 4 * (width // 4)
        if count * self.least_bits * (1 - SLACK) > 8 * len(data) + 64:
            raise BitstreamError(f"The stream's {len(data)} bytes of latents are too few for the size it announces.")
        model = _gaussian(bits)

        def code(positions: NDArray[np.int64], mean: NDArray[np.float64], scale: NDArray[np.float64]) -> _Integers:
            if coder.is_empty():  # it would go on for ever with the least likely symbols
                raise BitstreamError("The stream's latents end too soon.")
            centre = np.zeros_like(mean) if centred else mean
            return coder.decode(model, centre.ravel(), scale.ravel()).reshape(mean.shape)

        try:
            coder = constriction.stream.stack.AnsCoder(np.frombuffer(data, "<u4").astype(np.uint32))
            z = np.stack([coder.decode(hyper, count) - HYPER_BOUND for hyper in self.hyper_models])
            z = z.reshape(-1, height // 4, width // 4)
            y = self._sweep(z, height, width, centred, code)
        except (ValueError, AssertionError) as error:
            raise BitstreamError(f"The stream's latents are damaged: {error}.") from error
        if not coder.is_empty():
            raise BitstreamError(
                "The stream's latents are damaged, or were made by another checkpoint or library version."
            )
        return y, z

    def _sweep(
        self,
        z: NDArray[np.int32],
        height: int,
        width: int,
        centred: bool,
        code: Callable[[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]], _Integers],
    ) -> NDArray[Any]:
        """Quantised latents (M, height, width), position after position in wavefronts.

        Args:
            code: (positions, mean, scale) -> the symbols there, each (K, M); reads or writes them.
        """
        hyper = self.hyper_features(z)
        m = self.config.latent
        y: NDArray[Any] = np.zeros((height * width, m), np.float64 if centred else np.int32)
        plane, at, offsets = self._plane(height, width)
        for step in wavefronts(height, width, self.config.context):
            # without context the one step is all positions: bounded memory all the same
            for part in np.array_split(step, -(-len(step) // CHUNK)):
                p = torch.from_numpy(part).to(self.device)
                used = (plane, at[p], offsets) if self.config.context else (None, p, None)
                scale, mean = (t.cpu().numpy() for t in self._rows(hyper[p], *used))
                symbols = code(part, mean, scale)
                y[part] = symbols + mean if centred else symbols
                if self.config.context:
                    plane[at[p]] = self._seen(torch.from_numpy(y[part]).to(self.device), centred)
        return np.ascontiguousarray(y.T).reshape(m, height, width)


_Integers = NDArray[np.int32]
_Symbols = tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]
"""Symbols, means and scales of some positions, each (K, M)."""


def _gaussian(bits: int) -> constriction.stream.model.QuantizedGaussian:
    bound = max(1, (1 << bits) - 1)
    return constriction.stream.model.QuantizedGaussian(-bound, bound)


def _bias(conv: torch.nn.Conv2d) -> Tensor:
    return conv.bias if conv.bias is not None else torch.zeros(conv.out_channels)
