"""The parts of Xie et al.'s system, as the codec and the trainer find them."""

from __future__ import annotations

from baselines.learned.system import System
from baselines.xie.config import PRESETS, XieConfig
from baselines.xie.model import Xie, start
from baselines.xie.official import read

SYSTEM = System("xie", XieConfig, PRESETS, Xie, read, start, variable_rate=False)
