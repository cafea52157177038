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

from baselines.entropy.fixedpoint import ONE, FixedSequence
from baselines.entropy.parameters import Parameters, Sweep
from baselines.entropy.prior import LatentPrior
from baselines.entropy.tables import LATENT_BITS, Tables
from baselines.entropy.wavefront import wavefronts
from bench.codec import BitstreamError

HYPER_BOUND = 127
"""Hyper-latents are clamped to +-127."""

CHUNK = 2048
"""Positions that the entropy coder is handed at once; bounds its memory."""

SLACK = 0.02
"""By how much the coder's integer probabilities may make the hyper-latents cheaper than their tables say."""


class LatentCoder:
    """Codes the latents of one entropy model.

    Args:
        model: trained; it is copied into fixed point here.
        device: where the networks are evaluated.
    """

    def __init__(self, model: LatentPrior, device: torch.device) -> None:
        self.config, self.device = model.config, device
        self.h_s = FixedSequence(model.h_s, device)
        self.parameters, self.tables = Parameters(model, device), Tables(model.config.domain, device)
        self.medians = torch.round(model.bottleneck.medians.detach().double().to(device) * ONE)
        tables = model.bottleneck.tables(HYPER_BOUND)
        self.hyper_models = [constriction.stream.model.Categorical(row, perfect=False) for row in tables]
        self.least_bits = float(sum(-np.log2(max(row)) for row in tables))
        """No position of the hyper-latents costs less, whatever they are."""

    def hyper_features(self, z: NDArray[np.int32]) -> Tensor:
        """Integer hyper-latents (N, h/4, w/4) -> features of h_s, (C, h, w)."""
        values = torch.from_numpy(z.astype(np.float64)).to(self.device) * ONE + self.medians[:, None, None]
        return self.h_s(values[None])[0]

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
        """All latents are known: every position is evaluated at once."""
        m, height, width = y.shape
        seen = self.tables.seen(torch.from_numpy(y).to(self.device), False) if self.config.context else None
        raw = self.parameters.everywhere(self.hyper_features(z), seen)
        scale, mean = (part.cpu().numpy() for part in self.tables.scale_and_mean(raw))
        flat = y.reshape(m, -1).T
        order = np.concatenate(wavefronts(height, width, self.config.context))
        chunks = np.array_split(order, -(-len(order) // CHUNK))
        return [(flat[chunk], mean[chunk], scale[chunk]) for chunk in chunks]

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
        features, m = self.hyper_features(z), self.config.latent
        order = wavefronts(height, width, self.config.context)
        y: NDArray[Any] = np.empty((height * width, m), np.float64 if centred else np.int32)

        def answer(positions: NDArray[np.int64], raw: Tensor) -> NDArray[Any]:
            scale, mean = (part.cpu().numpy() for part in self.tables.scale_and_mean(raw))
            symbols = code(positions, mean, scale)
            y[positions] = found = symbols + mean if centred else symbols
            return found

        if self.config.context:
            sweep = Sweep(self.parameters, features)
            for step, positions in enumerate(order):
                found = torch.from_numpy(answer(positions, sweep.at(step))).to(self.device)
                sweep.reveal(step, self.tables.seen(found, centred))
        else:
            raw = self.parameters.everywhere(features, None)
            for positions in np.array_split(order[0], -(-height * width // CHUNK)):
                answer(positions, raw[:, positions[0] : positions[-1] + 1])
        return np.ascontiguousarray(y.T).reshape(m, height, width)


_Integers = NDArray[np.int32]
_Symbols = tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]
"""Symbols, means and scales of some positions, each (K, M)."""


def _gaussian(bits: int) -> constriction.stream.model.QuantizedGaussian:
    bound = max(1, (1 << bits) - 1)
    return constriction.stream.model.QuantizedGaussian(-bound, bound)
