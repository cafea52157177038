"""The training loop: boxed by time or iterations, resumable to the exact state, the same on CPU and GPU."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from baselines.learned.lagrangian import level_of
from baselines.learned.model import LatentModel
from baselines.training.data import Photographs
from baselines.training.evaluation import evaluate
from baselines.training.live import LiveLine, averaged
from baselines.training.losses import rate, rate_distortion
from baselines.training.maps import narrowed, quality_maps
from baselines.training.options import Budget, TrainingOptions
from baselines.training.pool import LatentPool, coded_once
from baselines.training.state import save
from bench.codec import BenchError
from bench.interrupt import signals_to

VALIDATION = 256
"""Side in pixels of the crops that training is evaluated on, where a photograph is as large; else at most --crop."""

MOST_SKIPPED = 100
"""Steps in a row without a finite gradient that end a training."""


class Trainer:
    """Trains one model.

    Args:
        model: see ``baselines.learned.model``.
        photographs: training data, on the device.
        held_back: photographs for the evaluation during training.
        folder: where the state, the log and the options go.
        options: see ``TrainingOptions``.

    Attributes:
        progress: the share of the budget that is used up, for the curriculum; 1 outside ``run``.
        began: what the weights were at first, for the card; see ``training.beginning``.
    """

    def __init__(
        self,
        model: LatentModel,
        photographs: Photographs,
        held_back: Photographs,
        folder: Path,
        options: TrainingOptions,
    ) -> None:
        self.options, self.folder, self.data = options, folder, photographs
        self.device = photographs.pixels.device
        self.model = model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        parts = tuple(options.only.split(","))
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name.startswith(parts))
        self._learning()
        self.statistics = [
            buffer
            for module in self.model.modules()
            if isinstance(module, nn.BatchNorm2d)
            for buffer in module.buffers(recurse=False)
            if buffer.is_floating_point()
        ]
        self.average = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.optimizer = torch.optim.Adam(self._groups(), betas=(0.9, 0.99), eps=1e-9, fused=True)
        self.generator = torch.Generator().manual_seed(options.seed)
        self.iteration, self.joint, self.images, self.seconds = 0, 0, 0, 0.0
        self.skipped, self.in_a_row = 0, 0
        self.progress = 1.0
        self.pool, self.worn = LatentPool(options.pool), 0
        self.history: list[dict[str, Any]] = []
        self.began: dict[str, Any] = {}
        self.stopped = False
        self.validation = self._validation(held_back).to(self.device)

    def _validation(self, held_back: Photographs) -> Tensor:
        """Crops (16, 3, side, side), of what size the photographs allow; raises BenchError where that is too small."""
        side, least = held_back.side(VALIDATION), self.model.smallest_side
        if side < VALIDATION:
            side = min(side, self.options.crop)
        if side < least:
            raise BenchError(
                f"None of the photographs held back for evaluation ({len(held_back.offsets)} of those in the folder of "
                f"--data) is {least} pixels a side: add larger ones."
            )
        return held_back.crops(16, side, torch.Generator().manual_seed(1), flip=False)

    def _learning(self) -> None:
        """Training mode, but for normalisations that are not trained: their statistics stay."""
        self.model.train()
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm2d) and not any(p.requires_grad for p in module.parameters()):
                module.eval()

    def _groups(self) -> list[dict[str, Any]]:
        groups: dict[str, list[nn.Parameter]] = {"entropy": [], "mix": [], "transform": []}
        for name, parameter in self.model.named_parameters():
            if not parameter.requires_grad:
                continue
            careful = ".mix." in name or name.startswith(self.model.careful_parts)
            kind = "mix" if careful else "entropy" if name.startswith("entropy.") else "transform"
            groups[kind].append(parameter)
        o = self.options
        rates = {"entropy": o.lr_entropy, "mix": o.lr_mix, "transform": o.lr_transform}
        used = {kind: parameters for kind, parameters in groups.items() if parameters}
        return [{"params": p, "lr": rates[k], "peak": rates[k], "entropy": k == "entropy"} for k, p in used.items()]

    def _set_rates(self, progress: float) -> None:
        o = self.options
        tail = max(0.0, (progress - (1 - o.decay)) / o.decay) if o.decay else 0.0
        factor = 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, tail)))
        for group in self.optimizer.param_groups:
            done = self.iteration if group["entropy"] else self.joint
            group["lr"] = group["peak"] * factor * min(1.0, (done + 1) / o.warmup)

    def step(self, rate_only: bool = False) -> tuple[float, float, float]:
        """One iteration, of the entropy model alone where ``rate_only``; returns loss, bpp and mean squared error.

        A step with a non-finite gradient is skipped and counted.
        """
        before = [buffer.clone() for buffer in self.statistics]
        loss, bpp, error = self._rate() if rate_only else self._rate_and_distortion()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.model.hold_gradients()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.options.clip or math.inf)
        if bool(torch.isfinite(norm)):
            self.optimizer.step()
            # a fused step does not count as a change of the parameters, by which what is kept of them is told to be old
            torch.autograd.graph.increment_version(p for g in self.optimizer.param_groups for p in g["params"])
            self._update_average()
            self.in_a_row = 0
        else:
            for buffer, value in zip(self.statistics, before, strict=True):
                buffer.copy_(value)
            self.skipped += 1
            self.in_a_row += 1
        self.iteration += 1
        self.joint += not rate_only
        return float(loss.detach()), float(bpp.detach().mean()), float(error.detach().mean())

    def _rate_and_distortion(self) -> tuple[Tensor, Tensor, Tensor]:
        o = self.options
        x, level = self._batch()
        with self._autocast():
            result = self.model(x, level, distortion=o.distortion, identity=o.identity > 0)
        self.pool.add(result.y, level)
        bits = result.y_bits + result.z_bits
        deviation = None if result.deviation is None else o.identity * result.deviation
        return rate_distortion(x, result.x_hat.float(), bits, level, o.balance, result.noise_power, deviation)

    def _rate(self) -> tuple[Tensor, Tensor, Tensor]:
        """The rate of latents of the pool, which is filled up as these wear out."""
        o = self.options
        if self.worn >= o.reuse or len(self.pool) < min(o.pool, 8 * o.batch):
            self._refill()
        self.worn += 1
        y, level = self.pool.draw(o.batch, self.generator)
        z = self.model.hyper_analysis(y, level)
        y_bits, z_bits = self.model.entropy.bits_given(z, y, torch.round(y), noise=True)
        loss, bpp = rate(y_bits + z_bits, o.crop**2, level, o.balance)
        return loss, bpp, torch.zeros_like(bpp)

    @torch.no_grad()
    def _refill(self) -> None:
        """Add the latents of one batch, in float32: latents near whole numbers must stay there."""
        x, level = self._batch()
        self.model.eval()  # a decoder that is not trained here: its normalisations stay as they are
        again = len(self.pool) > 0 and self.pool.short_of(self.options.again, len(x))
        if again:
            y, level = coded_once(self.model, x, level, self.generator, shift=not self.options.lagrangian)
        else:
            y = self.model.analysis(x, self.model.prepare(level, (x.shape[2], x.shape[3])))
        self._learning()
        self.pool.add(y, level, again)
        if not len(self.pool):
            raise BenchError("The latents of these weights are not finite: begin with others by --weights.")
        self.worn = 0

    def _batch(self) -> tuple[Tensor, Tensor]:
        """Crops (B, 3, crop, crop) and their quality maps (B, 1, crop, crop)."""
        o = self.options
        x = self.data.crops(o.batch, o.crop, self.generator).contiguous(memory_format=torch.channels_last)
        self.images += o.batch
        return x, self._levels().to(self.device)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.options.bfloat16)

    def _levels(self) -> Tensor:
        """Quality maps (B, 1, crop, crop) of one step."""
        o = self.options
        if o.lagrangian:
            return torch.full((o.batch, 1, o.crop, o.crop), level_of(o.lagrangian))
        maps = quality_maps(o.batch, o.crop, self.generator, o.uniform, (1 - o.uniform) / 2)
        if self.progress >= o.curriculum:
            return maps
        return narrowed(maps, self.progress / o.curriculum, o.curriculum_from)

    def _rate_only(self, progress: float) -> bool:
        o = self.options
        return progress < o.entropy_first or self.iteration % (1 + o.entropy_extra) != 0

    @torch.no_grad()
    def _update_average(self) -> None:
        # a short memory at first, so that the average does not drag the initial weights along
        decay = min(self.options.ema, (1 + self.iteration) / (10 + self.iteration))
        for key, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.average[key].lerp_(value, 1 - decay)

    def evaluate(self) -> dict[str, float]:
        """``evaluation.evaluate`` of the averaged weights on held-back crops."""
        kept = {k: v.clone() for k, v in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        self.model.eval()
        out = evaluate(self.model, self.validation, bool(self.options.lagrangian), self.options.identity > 0)
        self.model.load_state_dict(kept)
        self._learning()
        return out

    def run(self, budget: Budget, evaluate_every: float = 5.0, on_evaluation: Callable[[], None] | None = None) -> None:
        """Train for what is left of ``budget``. The schedule is that of all of it.

        Args:
            budget: where it ends.
            evaluate_every: minutes from one evaluation to the next; there is one at the end.
            on_evaluation: called after each, the state being saved.

        Raises:
            BenchError: no step had a finite gradient, or the weights or an evaluation are not finite any more; nothing
                is written.
        """
        begin, start_seconds, next_evaluation = time.monotonic(), self.seconds, evaluate_every * 60
        losses: list[tuple[float, float, float]] = []
        first, skipped = self.iteration, self.skipped

        def report(last: bool = False) -> None:
            self._check_learning(first, skipped)
            self._report(losses, on_evaluation, last)

        # training ends on Ctrl-C or SIGTERM as at the end of its budget: with the state saved
        with signals_to(self._stop), LiveLine(self.device, self.images) as line:
            while not self.stopped and (progress := budget.spent(time.monotonic() - begin, self.iteration - first)) < 1:
                self.progress = progress
                self._set_rates(progress)
                rate_only = self._rate_only(progress)
                losses.append(self.step(rate_only))
                if self.in_a_row >= MOST_SKIPPED:
                    self._check_learning(first, skipped)
                self.seconds = start_seconds + time.monotonic() - begin
                line.update(progress, self.iteration, losses, self.images, self.history)
                if time.monotonic() - begin > next_evaluation:
                    next_evaluation += evaluate_every * 60
                    report()
                    losses = losses[-20:]
            if self.iteration > first or not self.history:
                report(last=True)

    def _check_learning(self, first: int, skipped: int) -> None:
        """Raise BenchError where nothing was learned since an iteration, or is any more."""
        if (steps := self.iteration - first) and self.skipped - skipped == steps:
            told = f"None of {steps} steps had a finite gradient, and nothing was learned: choose"
        elif self.in_a_row >= MOST_SKIPPED:
            told = f"The last {self.in_a_row} steps had no finite gradient: go on from what was saved by --resume, with"
        else:
            return
        raise BenchError(f"{told} smaller steps by --lr-entropy, --lr-transform and --lr-mix.")

    def _stop(self, *_: object) -> None:
        self.stopped = True

    def _report(self, losses: list[tuple[float, float, float]], then: Callable[[], None] | None, last: bool) -> None:
        points = self.evaluate()
        broken = [name for name, figure in points.items() if not math.isfinite(figure)]
        if broken or not all(torch.isfinite(tensor).all() for tensor in self.model.state_dict().values()):
            raise BenchError(
                f"The training has diverged by iteration {self.iteration} ({', '.join(broken) or 'weights'} not "
                "finite), and nothing was written: go on from what was saved before with --resume and smaller steps by "
                "--lr-entropy, --lr-transform and --lr-mix."
            )
        row: dict[str, Any] = {"iteration": self.iteration, "minutes": round(self.seconds / 60, 2)}
        row |= {"loss": loss} if math.isfinite(loss := averaged(losses)[0]) else {}
        row["skipped"] = self.skipped
        row |= {key: round(value, 4 if key.startswith("bpp") else 3) for key, value in points.items()}
        self.history.append(row)
        tqdm.write(" ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in row.items()))
        problems = []
        for write in (lambda: save(self), then):
            try:  # where there is no room for the state there may be some for the checkpoint, and later for both
                if write:
                    write()
            except (BenchError, OSError) as error:
                problems.append(str(error))
        if problems and last:
            raise BenchError(" ".join(problems))
        for problem in problems:
            tqdm.write(problem)

    def averaged(self) -> dict[str, Tensor]:
        """The weights to ship."""
        return self.average
