"""The parts of Song et al.'s system, as the codec and the trainer find them."""

from __future__ import annotations

from baselines.learned.system import System
from baselines.sft.config import PRESETS, SFTConfig
from baselines.sft.model import SFT
from baselines.sft.official import read
from baselines.sft.start import start

SYSTEM = System("sft", SFTConfig, PRESETS, SFT, read, start, variable_rate=True, in_bfloat16=False)
