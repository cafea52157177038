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
# what each variant costs, counted on the models, and what five of them do after the same short training.

# %%
from dataclasses import replace

import pandas as pd

from baselines.ainn.config import COMPACT, PAPER
from baselines.costs import costs
from bench import results

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
#
# ## Measured
#
# Five models of the compact preset, each trained for the same 730 iterations from the same start, at one rate (lambda
# 0.0075), and measured on Kodak from real streams. `loss` is what they were trained for: bpp + lambda 255^2 MSE.

# %%
LAGRANGIAN = 0.0075
records = results.table("ainn-ablation")
records["model"] = records["codec"].astype(str).str.extract(r"checkpoint=ainn-([a-z-]+)\]", expand=False)
found = records.groupby("model")[["bpp", "psnr", "ms_ssim_db", "delta_e", "mse"]].mean()
found["loss"] = found["bpp"] + LAGRANGIAN * found.pop("mse")
found["loss against full, %"] = 100 * (found["loss"] / found["loss"]["full"] - 1)
found.sort_values("loss").round(3)

# %% [markdown]
# Three trainings of the whole model differ by 2 and 4 % in loss: after so few steps the frequency decomposition can't
# be told from nothing, and the denoising modules helped in two of three trainings (all three are in
# `baselines/checkpoints/README.md`). Without CFRM alone (`no-cfrm`) the model begins at 10 to 14 dB, as nothing makes
# up for the gain of the denoising modules; `no-pdm-cfrm` against `no-pdm` is the fair comparison, and says 0.1 %. The
# paper has every module help.
