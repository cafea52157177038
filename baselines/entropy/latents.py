"""The stream coder of the learned codecs: quantised latents to bytes and back, by ANS with constriction.

Straight quantisation: y is rounded to integers and the mean only moves the density. Centred quantisation: the symbols
are round(y - mean), and y_hat = symbol + mean lies on the fixed-point grid. Everything that the probabilities depend on
is computed in fixed point (``fixedpoint``), so encoder and decoder agree whatever the device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

    def hyper_features(self, z: Sequence[NDArray[np.int32]]) -> Tensor:
        """Integer hyper-latents of B images, each (N, h/4, w/4) -> features of h_s, (B, h, w, C)."""
        values = torch.from_numpy(np.stack(z).astype(np.float64)).to(self.device).permute(0, 2, 3, 1)
        return self.h_s(values * ONE + self.medians)

    def encode(self, y: NDArray[Any], z: NDArray[np.int32], centred: bool = False) -> tuple[bytes, int]:
        """Code latents.

        Args:
            y: (M, h, w); h and w multiples of 4. Straight: integers within +-(2^12 - 1). Centred: not quantised.
            z: (N, h/4, w/4), within +-127.
            centred: code round(y - mean) instead of y.

        Returns:
            the bytes, and the number of bits that bounds the symbols' magnitude (the decoder needs it).
        """
        return self.encode_many([(y, z)], centred)[0]

    def encode_many(
        self, latents: Sequence[tuple[NDArray[Any], NDArray[np.int32]]], centred: bool = False
    ) -> list[tuple[bytes, int]]:
        """``encode`` of (y, z) of several images of one size, with the same bytes."""
        every = self._centred_symbols(latents) if centred else (self._straight_symbols(*both) for both in latents)
        return [self._written(parts, z) for parts, (_, z) in zip(every, latents, strict=True)]

    def _written(self, parts: list[_Symbols], z: NDArray[np.int32]) -> tuple[bytes, int]:
        coder = constriction.stream.stack.AnsCoder()
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
        seen = None
        if self.config.context:
            seen = self.tables.seen(torch.from_numpy(y).to(self.device).permute(1, 2, 0), False)
        raw = self.parameters.everywhere(self.hyper_features([z])[0], seen)
        scale, mean = (part.cpu().numpy() for part in self.tables.scale_and_mean(raw))
        flat = y.reshape(m, -1).T
        order = np.concatenate(wavefronts(height, width, self.config.context))
        chunks = np.array_split(order, -(-len(order) // CHUNK))
        return [(flat[chunk], mean[chunk], scale[chunk]) for chunk in chunks]

    def _centred_symbols(
        self, latents: Sequence[tuple[NDArray[np.float64], NDArray[np.int32]]]
    ) -> list[list[_Symbols]]:
        """Where there is a context, what is coded next depends on what was: the encoder sweeps as the decoder does."""
        height, width = latents[0][0].shape[1:]
        every: list[list[_Symbols]] = [[] for _ in latents]
        codes = [_writer(y, parts) for (y, _), parts in zip(latents, every, strict=True)]
        self._sweep([z for _, z in latents], height, width, True, codes)
        return every

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
        return self.decode_many([(data, bits)], height, width, centred)[0]

    def decode_many(
        self, coded: Sequence[tuple[bytes, int]], height: int, width: int, centred: bool = False
    ) -> list[tuple[NDArray[Any], NDArray[np.int32]]]:
        """``decode_both`` of several images of one size, (data, bits) each, with the same latents."""
        count = height // 4 * (width // 4)
        try:
            coders = [self._opened(data, bits, count) for data, bits in coded]
            z = [
                np.stack([coder.decode(hyper, count) - HYPER_BOUND for hyper in self.hyper_models]).reshape(
                    -1, height // 4, width // 4
                )
                for coder in coders
            ]
            codes = [_reader(coder, bits, centred) for coder, (_, bits) in zip(coders, coded, strict=True)]
            y = self._sweep(z, height, width, centred, codes)
        except (ValueError, AssertionError) as error:
            raise BitstreamError(f"The stream's latents are damaged: {error}.") from error
        if not all(coder.is_empty() for coder in coders):
            raise BitstreamError(
                "The stream's latents are damaged, or were made by another checkpoint or library version."
            )
        return list(zip(y, z, strict=True))

    def _opened(self, data: bytes, bits: int, count: int) -> constriction.stream.stack.AnsCoder:
        """A decoder of what may be the latents of an image with so many positions of hyper-latents."""
        if len(data) % 4 or not 0 <= bits <= LATENT_BITS:
            raise BitstreamError("The stream's latents are cut or damaged.")
        if count * self.least_bits * (1 - SLACK) > 8 * len(data) + 64:
            raise BitstreamError(f"The stream's {len(data)} bytes of latents are too few for the size it announces.")
        return constriction.stream.stack.AnsCoder(np.frombuffer(data, "<u4").astype(np.uint32))

    def _sweep(
        self, z: Sequence[NDArray[np.int32]], height: int, width: int, centred: bool, codes: Sequence[_Code]
    ) -> list[NDArray[Any]]:
        """Quantised latents (M, height, width) of each image, position after position in wavefronts.

        Args:
            z: of each image.
            codes: of each image, what reads or writes its symbols.
        """
        features, m = self.hyper_features(z), self.config.latent
        order = wavefronts(height, width, self.config.context)
        y: NDArray[Any] = np.empty((len(z), height * width, m), np.float64 if centred else np.int32)

        def answer(images: range, positions: NDArray[np.int64], raw: Tensor) -> NDArray[Any]:
            """The latents (K, M) there, image after image."""
            scale, mean = (part.cpu().numpy() for part in self.tables.scale_and_mean(raw))
            found = np.empty(mean.shape, y.dtype)
            for image, first in zip(images, range(0, len(mean), len(positions)), strict=True):
                its = slice(first, first + len(positions))
                symbols = codes[image](positions, mean[its], scale[its])
                found[its] = symbols + mean[its] if centred else symbols
                y[image, positions] = found[its]
            return found

        if self.config.context:
            sweep = Sweep(self.parameters, features)
            for step, positions in enumerate(order):
                found = torch.from_numpy(answer(range(len(z)), positions, sweep.at(step))).to(self.device)
                sweep.reveal(step, self.tables.seen(found, centred))
        else:
            for image in range(len(z)):
                raw = self.parameters.everywhere(features[image], None)
                for positions in np.array_split(order[0], -(-height * width // CHUNK)):
                    answer(range(image, image + 1), positions, raw[positions[0] : positions[-1] + 1])
        return [np.ascontiguousarray(plane.T).reshape(m, height, width) for plane in y]


_Integers = NDArray[np.int32]
_Symbols = tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]
"""Symbols, means and scales of some positions, each (K, M)."""

_Code = Callable[[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]], _Integers]
"""(positions, mean, scale) -> the symbols there, each (K, M)."""


def _writer(y: NDArray[np.float64], parts: list[_Symbols]) -> _Code:
    """Quantises y (M, h, w) around its means, and appends to ``parts`` what is to be coded."""
    flat, bound = np.ascontiguousarray(y.reshape(len(y), -1).T).astype(np.float64), (1 << LATENT_BITS) - 1

    def code(positions: NDArray[np.int64], mean: NDArray[np.float64], scale: NDArray[np.float64]) -> _Integers:
        symbols = np.clip(np.round(flat[positions] - mean), -bound, bound).astype(np.int32)
        parts.append((symbols, np.zeros_like(mean), scale))
        return symbols

    return code


def _reader(coder: constriction.stream.stack.AnsCoder, bits: int, centred: bool) -> _Code:
    model = _gaussian(bits)

    def code(_: NDArray[np.int64], mean: NDArray[np.float64], scale: NDArray[np.float64]) -> _Integers:
        if coder.is_empty():  # it would go on for ever with the least likely symbols
            raise BitstreamError("The stream's latents end too soon.")
        centre = np.zeros_like(mean) if centred else mean
        return coder.decode(model, centre.ravel(), scale.ravel()).reshape(mean.shape)

    return code


def _gaussian(bits: int) -> constriction.stream.model.QuantizedGaussian:
    bound = max(1, (1 << bits) - 1)
    return constriction.stream.model.QuantizedGaussian(-bound, bound)
