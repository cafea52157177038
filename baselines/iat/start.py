"""A good start for IAT: an orthonormal block transform and a quantiser gain that already follows the quality level."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.iat.activation import ActivationTransform
from baselines.iat.model import IAT
from baselines.inn.start import orthonormal_start, quantiser_gain
from baselines.learned.lagrangian import TAU, THETA


@torch.no_grad()
def start(model: IAT, blocks: Tensor, lagrangian: float = THETA) -> None:
    """Initialise the transform.

    Args:
        model: changed in place.
        blocks: (K, 3, 16, 16) training blocks in [0, 1].
        lagrangian: Lambda at L = 0.
    """
    mixes = [level.mix for level in model.transform.levels]
    orthonormal_start(mixes, blocks, model.config.latent)  # type: ignore[arg-type]
    mixes[3].weight.mul_(quantiser_gain(lagrangian))  # type: ignore[union-attr, operator]
    for module in model.transform.activations:
        set_gain(module, TAU / 2 / len(model.transform.activations))  # type: ignore[arg-type]


@torch.no_grad()
def set_gain(module: ActivationTransform, rate: float) -> None:
    """Make ``module`` multiply its features by exp(rate L) and shift them by nothing."""
    for conv in (module.mlp_shared[0], module.mlp_gamma[0], module.mlp_beta[0]):
        assert isinstance(conv, nn.Conv2d)
        middle, taps = conv.kernel_size[0] // 2, conv.kernel_size[0]
        centre = conv.weight[:, :, middle, middle].clone() * taps
        conv.weight.zero_()
        conv.weight[:, :, middle, middle] = centre
    first = module.mlp_shared[0]
    assert isinstance(first, nn.Conv2d)
    assert first.bias is not None
    middle = first.kernel_size[0] // 2
    first.weight[:, :, middle, middle] = torch.where(torch.arange(len(first.weight)) % 2 == 0, 2.0, -2.0)[:, None]
    first.bias.copy_(-first.weight[:, 0, middle, middle] * torch.linspace(0, 1, len(first.weight)))
    levels = torch.linspace(0, 1, 201)
    shared = module.mlp_shared(levels.reshape(-1, 1, 1, 1))
    features = module.mlp_gamma[:-1](shared).flatten(1).double()
    target = torch.expm1(rate * levels.double())[:, None]
    features = torch.cat((features, torch.ones_like(target)), 1)
    ridge = 1e-8 * len(levels) * torch.eye(features.shape[1], dtype=torch.float64)
    solution = torch.linalg.solve(features.T @ features + ridge, features.T @ target)[:, 0].float()
    last, shift = module.mlp_gamma[-1], module.mlp_beta[-1]
    assert isinstance(last, nn.Conv2d)
    assert isinstance(shift, nn.Conv2d)
    assert last.bias is not None
    assert shift.bias is not None
    last.weight.copy_(solution[None, :-1, None, None].expand_as(last.weight))
    last.bias.fill_(float(solution[-1]))
    shift.weight.zero_()
    shift.bias.zero_()
