"""Start of an INN as an orthonormal block transform: the first iteration is a working transform codec.

The squeezes and invertible 1x1 matrices of levels 1 to 3 become Walsh-Hadamard packets (level 1 with a colour
rotation), the matrix of level 4 turns those into the Karhunen-Loeve basis of 16 x 16 x 3 training blocks, strongest
component first, arranged so that the mean over channel groups keeps the strongest ``latent`` coefficients exactly.
Couplings start as the identity and play no part.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from baselines.inn.blocks import Invertible1x1, squeeze

RATE_DISTORTION_STEP = 4e-4
"""The step Delta that is best at high rate for bpp + lambda 255^2 MSE obeys Delta^2 = 4e-4 / lambda: the derivative of
3 log2(1/Delta) bits a pixel against lambda 255^2 Delta^2 / 12."""

HADAMARD = 0.5 * torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], dtype=torch.float64)
"""2 x 2 Walsh-Hadamard transform over positions (dy, dx) = (0,0), (0,1), (1,0), (1,1); row 0 is the mean."""


def quantiser_gain(lagrangian: float) -> float:
    """What an orthonormal transform is to be multiplied by before rounding, for a Lagrangian."""
    return math.sqrt(lagrangian / RATE_DISTORTION_STEP)


def karhunen_loeve(blocks: Tensor) -> Tensor:
    """Basis of 16 x 16 x 3 blocks, strongest component first.

    Args:
        blocks: (K, 3, 16, 16) in [0, 1].

    Returns:
        (768, 768) float64; row k is the k-th eigenvector of the covariance, pixels in the order (c, y, x).
    """
    x = blocks.double().reshape(len(blocks), -1)
    _, vectors = torch.linalg.eigh(torch.cov(x.T))
    return vectors.T.flip(0)


def packet_matrices() -> list[Tensor]:
    """Orthogonal 1x1 matrices of levels 1, 2, 3 (12, 48, 192 channels): Hadamard over the four squeezed positions."""
    return [torch.kron(HADAMARD, torch.eye(c, dtype=torch.float64)) for c in (3, 12, 48)]


def group_rotation(groups: int) -> Tensor:
    """Orthogonal (groups, groups) matrix whose first column is constant (DCT-II transposed), float64."""
    k = torch.arange(groups, dtype=torch.float64)
    dct = torch.cos(torch.pi * (k[None] + 0.5) * k[:, None] / groups) * (2 / groups) ** 0.5
    dct[0] /= 2**0.5
    return dct.T.contiguous()


@torch.no_grad()
def orthonormal_start(mixes: Sequence[Invertible1x1], blocks: Tensor, latent: int) -> None:
    """Set the four 1x1 matrices so that squeeze, mix, ..., channel mean gives the strongest KLT coefficients.

    Args:
        mixes: the 1x1 layers of levels 1 to 4 (12, 48, 192, 768 channels).
        blocks: (K, 3, 16, 16) training blocks in [0, 1], K well above 768.
        latent: M; the mean over 768/M groups returns coefficient m in channel m.
    """
    packets = packet_matrices()
    for mix, matrix in zip(mixes[:3], packets, strict=True):
        mix.weight.copy_(matrix)
    # the levels' response to each unit block gives the orthogonal change of basis from pixels to level-4 input
    x = torch.eye(768, dtype=torch.float64).reshape(768, 3, 16, 16)
    for matrix in packets:
        x = torch.einsum("oc,nchw->nohw", matrix, squeeze(x))
    to_packets = squeeze(x).reshape(768, 768).T
    coefficients = karhunen_loeve(blocks) @ to_packets.T
    groups = 768 // latent
    # groups.reshape: row block j holds the coefficients j*latent ... ; each channel group is a rotation of the blocks,
    # scaled so that the mean over groups is the first block itself
    rotation = torch.kron(group_rotation(groups) * groups**0.5, torch.eye(latent, dtype=torch.float64))
    mixes[3].weight.copy_(rotation @ coefficients)
