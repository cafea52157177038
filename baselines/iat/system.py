"""IAT's parts, as the codec and the trainer find them."""

from __future__ import annotations

from baselines.iat.config import PRESETS, IATConfig
from baselines.iat.model import IAT
from baselines.iat.official import read
from baselines.iat.start import start
from baselines.learned.system import System

SYSTEM = System("iat", IATConfig, PRESETS, IAT, read, start, variable_rate=True)
