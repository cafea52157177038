"""How to train, and for how long."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from bench.codec import BenchError

SHARES = {"entropy_first", "decay", "again", "uniform", "ema", "curriculum", "curriculum_from"}
"""Options that lie between 0 and 1."""

MOST = {"batch": 4096, "crop": 4096, "pool": 1 << 20}
"""What no memory holds more of, and so a slip of the hand."""

NAMES = {"lagrangian": "--lambda"}
"""Options that are called otherwise on the command line."""


@dataclass(frozen=True)
class TrainingOptions:
    """How to train; all of it goes into the card.

    Attributes:
        batch, crop: images a step and their side in pixels (a multiple of 64). At 128 the entropy model learns what
            zero padding does to 2 x 2 hyper-latents, and loses on whole images what it gains on such crops.
        lr_entropy, lr_transform, lr_mix: peak Adam rates of the entropy model, the transform's networks and the
            invertible 1x1 matrices (which start as a good basis and need small steps) with the model's other
            ``careful_parts``.
        warmup: iterations of linear learning-rate warm-up; the transform's begins with its first own iteration.
        entropy_first: share of the budget, at its start, that trains the entropy model alone, on latents of a pool:
            such an iteration costs a small part of a full one, and the transform's gradients mean little before.
        decay: share of the budget, at its end, over which the rates fall as a cosine to a twentieth.
        entropy_extra: further such iterations after every full one.
        pool: crops whose latents are kept for them.
        reuse: how often latents are learned from, on average, while the entropy model is trained alone.
        again: share of the pool that comes from images coded once before; see ``training.pool``.
        balance: see ``losses.rate_distortion``.
        uniform: share of uniform quality maps.
        curriculum: share of the budget, at its start, over which levels widen from ``curriculum_from`` alone to all of
            0 to 1, linearly: see ``training.maps.narrowed``. 0 takes all of them from the start.
        curriculum_from: the level that they widen from.
        clip: norm that longer gradients are shortened to; 0 leaves them.
        ema: decay of the averaged weights, which are what is evaluated and shipped.
        bfloat16: the transform's small networks in bfloat16; what carries the image, the entropy model, parameters and
            sums stay in float32 (``baselines.inn.precision``). By default where the device has instructions for it.
        seed: of crops, maps and initial weights.
        lagrangian: lambda of a single-rate model, ``--lambda``; 0 trains a variable-rate one on quality maps.
        distortion: ``mse`` of the reconstruction from rounded latents, or ``jacobian``: see ``learned.jacobian``.
        identity: weight, in bits a squared step, of what latents deviate by when the decoded image is coded again: see
            ``learned.identity``. 0 leaves the second coding out.
        only: what is trained, as beginnings of names of parameters, separated by commas; empty: everything.
    """

    batch: int = 2
    crop: int = 256
    lr_entropy: float = 1e-3
    lr_transform: float = 5e-4
    lr_mix: float = 3e-5
    warmup: int = 100
    entropy_first: float = 0.3
    decay: float = 0.4
    entropy_extra: int = 3
    pool: int = 512
    reuse: int = 4
    again: float = 0.25
    balance: float = 0.4
    uniform: float = 0.7
    curriculum: float = 0.0
    curriculum_from: float = 0.5
    clip: float = 5.0
    ema: float = 0.998
    bfloat16: bool = True
    seed: int = 0
    lagrangian: float = 0.0
    distortion: str = "mse"
    identity: float = 0.0
    only: str = ""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            least = 1 if name in ("batch", "crop", "warmup", "pool", "reuse") else 0
            if not isinstance(value, int | float):
                continue
            option = NAMES.get(name, "--" + name.replace("_", "-"))
            if not least <= value < math.inf:
                raise BenchError(f"{option} must be a number of at least {least}, got {value}.")
            if name in SHARES and value > 1:
                raise BenchError(f"{option} is a share and must lie between 0 and 1, got {value}.")
            if (most := MOST.get(name, math.inf)) < value:
                raise BenchError(f"{option} must be at most {most}, got {value}.")


@dataclass(frozen=True)
class Budget:
    """Where training ends: whichever comes first.

    Attributes:
        minutes: of wall time.
        iterations: for models that are to be compared, whatever machine each was trained on.
        seconds_before, iterations_before: what was used of both when the training was stopped.
    """

    minutes: float = math.inf
    iterations: float = math.inf
    seconds_before: float = 0.0
    iterations_before: int = 0

    def spent(self, seconds: float, iterations: int) -> float:
        """The share of it that is used up, with what was used before."""
        return max(
            (self.seconds_before + seconds) / (60 * self.minutes),
            (self.iterations_before + iterations) / self.iterations,
        )
