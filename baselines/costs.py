"""What the learned systems cost, part by part: parameters, and multiplications a pixel.

    python -m baselines.costs          the table of baselines/README.md

Counted on shapes alone (PyTorch's meta device), every part run once over the image; the context model counts what its
mask lets through in whole kernel rows. A uniform quality map costs nothing: its networks see 7 x 7 positions.
"""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from baselines.learned.config import ModelConfig
from baselines.learned.system import SYSTEMS, system
from bench.cli import OK, Parser, run

SIDE = 256

PUBLISHED = {
    "iat": ("49.57", "1,116 in all", "IAT"),
    "xie": ("50.03", "1,049 in all", "Xie et al."),
    "sft": ("27.57", "analysis 790, synthesis 420", "Song et al."),
    "ainn": ("210 to 216", "encoding 778, decoding 2,029", "A-INN"),
}
"""Parameters (millions), kMAC per pixel, and the name, as the papers and the authors' code have them."""

DECODER = ("restore", "unattend", "g_s", "compose", "refine", "refine_again", "denoise")
"""Names of the modules that only the synthesis uses."""

Part = tuple[float, float]
"""Parameters in millions, thousands of multiplications a pixel."""


def parts(name: str, config: ModelConfig) -> dict[str, Part]:
    """Cost of each part of a system.

    Args:
        name: of the system, such as "iat".
        config: its shapes.

    Returns:
        each part, and ``all``: what a forward pass of training runs. The parameters of an INN, which both directions
        use, stand at ``analysis``.
    """
    with torch.device("meta"):
        model: Any = system(name).build(config).eval()
        entropy = model.entropy
        x = torch.rand(1, 3, SIDE, SIDE)
        prepared = model.prepare(0.5, (SIDE, SIDE))
        analysis, y = kilomacs(lambda: model.analysis(x, prepared))
        hyper, z = kilomacs(lambda: model.hyper_analysis(y, prepared))
        hyper_synthesis = kilomacs(lambda: entropy.h_s(z))[0]
        parameters = kilomacs(lambda: entropy.parameters_of(y, z))[0]
        synthesis = kilomacs(lambda: model.synthesis(y, z, prepared))[0]
        context = kilomacs(lambda: entropy.context_prediction(y))[0] if entropy.config.context else 0.0
    behind = [entropy.h_s, entropy.entropy_parameters, entropy.bottleneck]
    seen = [entropy.context_prediction] if entropy.config.context else []
    decoder = [child for key, child in model.named_children() if key in DECODER]
    decoder += [child for key, child in getattr(model, "transform", nn.Module()).named_children() if key in DECODER]
    total = millions(model)
    hyper_size = millions(entropy) - sum(map(millions, [*behind, *seen]))
    found = {
        "analysis": (total - millions(entropy) - sum(map(millions, decoder)), analysis),
        "hyper-analysis": (hyper_size, hyper),
        "hyper-synthesis": (millions(entropy.h_s), hyper_synthesis),
        "context": (sum(map(millions, seen)), context),
        "parameters": (millions(entropy.entropy_parameters), parameters - hyper_synthesis - context),
        "z density": (millions(entropy.bottleneck), 0.0),
        "synthesis": (sum(map(millions, decoder)), synthesis),
    }
    return {**found, "all": (total, sum(cost for _, cost in found.values()))}


def costs(name: str, config: ModelConfig) -> dict[str, float]:
    """Size and cost of a model.

    Returns:
        parameters (millions), encode and decode (kMAC per pixel: one transform and all entropy networks, the
        hyper-analysis with the encoder).
    """
    found = parts(name, config)
    entropy = sum(found[part][1] for part in ("hyper-synthesis", "context", "parameters"))
    encode = found["analysis"][1] + found["hyper-analysis"][1]
    return {"parameters": found["all"][0], "encode": encode + entropy, "decode": found["synthesis"][1] + entropy}


def millions(module: nn.Module) -> float:
    """Number of parameters."""
    return sum(each.numel() for each in module.parameters()) / 1e6


def kilomacs(work: Callable[[], Any]) -> tuple[float, Any]:
    """Thousands of multiplications a pixel of ``work``, and its result."""
    # with gradients: without, 1x1 convolutions go to oneDNN, which the counter does not know
    with FlopCounterMode(display=False) as counter:
        result = work()
    return counter.get_total_flops() / 2 / SIDE**2 / 1e3, result


def table() -> str:
    """All systems and presets in Markdown."""
    found = {(name, size): parts(name, system(name).presets[size]) for name in SYSTEMS for size in ("paper", "compact")}
    names = list(next(iter(found.values())))
    lines = [
        "| system | preset | " + " | ".join(names) + " | published |",
        "|---" * (len(names) + 3) + "|",
    ]
    for (name, size), costs in found.items():
        cells = [f"{count:.2f} M, {cost:.1f}" if count + cost else "–" for count, cost in costs.values()]
        count_known, cost_known, title = PUBLISHED[name]
        said = f"{count_known} M; {cost_known}" if size == "paper" else ""
        lines.append(f"| {title} | {size} | " + " | ".join(cells) + f" | {said} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; return 0."""
    Parser(
        prog="python -m baselines.costs", description=__doc__, formatter_class=RawDescriptionHelpFormatter
    ).parse_args(argv)
    print(table())
    return OK


if __name__ == "__main__":
    run(main)
