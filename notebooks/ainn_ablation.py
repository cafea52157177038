# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A-INN: ablation
#
# Gao et al. take modules out of A-INN: the denoising modules PDM (U-Net, residual, dense, or none), the refinement
# CFRM, and the frequency decomposition FDSM. The results are in the paper only; none is public as numbers. Here is
# what each variant costs, counted on the models, and what has been measured.

# %%
from dataclasses import replace

import pandas as pd

from baselines.ainn.config import COMPACT, PAPER
from baselines.costs import costs
from bench import results
from bench.plots import family_of

variants = {
    "A-INN": COMPACT,
    "PDM residual": replace(COMPACT, pdm="residual"),
    "PDM dense": replace(COMPACT, pdm="dense"),
    "without PDM": replace(COMPACT, pdm="none"),
    "without CFRM": replace(COMPACT, cfrm=False),
    "without FDSM": replace(COMPACT, fdsm=False),
    "A-INN, as published": PAPER,
}
table = pd.DataFrame({name: costs("ainn", config) for name, config in variants.items()}).T
table.rename(columns={"parameters": "parameters, M", "encode": "encode, kMAC/px", "decode": "decode, kMAC/px"}).round(1)

# %% [markdown]
# All but the last are the compact preset. The modules sit in the decoder, which costs more than the encoder. The
# dense PDM costs most. CFRM holds a third of the parameters.

# %%
means = results.means("rd")
found = sorted(name for name in means["system"].unique() if family_of(name) == "ainn")
print("Measured variants:", ", ".join(found) or "none, no checkpoint of A-INN is shipped (baselines.train ainn)")
