"""A-INN's parts, as the codec and the trainer find them."""

from __future__ import annotations

from baselines.ainn.config import PRESETS, AINNConfig
from baselines.ainn.model import AINN, start
from baselines.ainn.official import read
from baselines.learned.system import System

SYSTEM = System("ainn", AINNConfig, PRESETS, AINN, read, start, variable_rate=False)
