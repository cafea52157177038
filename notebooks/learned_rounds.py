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
# # Five rounds of the learned systems
#
# IAT, Xie et al., A-INN and Song et al., each with its shipped compact checkpoint at one setting of about 0.5 to 0.65
# bpp, five times on Kodak, from real streams and 8-bit pixels. Classical codecs at a similar rate lie beside them.

# %%
import json

import pandas as pd
from IPython.display import display

from bench import plots, results
from bench.generation_loss import loss_table, with_change
from bench.rd import common_images, generation_means

SHOWN = ["system", "bpp_1", "bpp_N", "psnr_1", "psnr_N", "drop", "drop_ms_ssim_db", "fixed_point", "delta_e"]
there = "learned-five" in results.made()
if there:
    learned = results.table("learned-five")
    beside = results.table("fifty")
    chosen = {"iat": "quality:0.5", "jpeg": "quality:30", "webp": "quality:40", "jpeg2000": "quality:0.8"}
    beside = beside[(beside["codec"].map(chosen) == beside["schedule"]) & (beside["generation"] <= 5)]
    records = common_images(pd.concat([learned, beside], ignore_index=True)).records
    display(plots.generations(with_change(generation_means(records)), ("psnr", "psnr_change", "bpp")))
else:
    print("Not measured yet: python -m bench.results learned-five")

# %% [markdown]
# ## In numbers

# %%
if there:
    display(loss_table(records)[SHOWN].round(3).sort_values("drop"))

# %% [markdown]
# Re-encoding costs Xie et al. 0.04 dB in five rounds, IAT 0.08 dB and A-INN 0.13 dB, less with every round, and no more
# in fifty (see the notebook of the fifty rounds). Song et al.
# loses 0.9 dB, more with every round. That is what Cai et al. say of the two kinds: the first three decode by the
# inverse of their analysis, up to what is rounded; the fourth by another network, which only comes near it, and its
# error is made again every time. How far it comes near is a matter of training too, which was 28 minutes here.
#
# A-INN's separate decoder networks (denoising, refinement) are no inverse of its analysis either, and Xie et al.'s
# attention begins as nothing: with so little training the small losses say more about where the systems begin than
# about their designs.
#
# ## What these models are
#
# Budgets differ, and with them the level of each curve; how much a system loses from round to round says more than
# where it begins. Iterations and minutes of each checkpoint's own training, without those it was started from:

# %%
rows = []
for path in sorted((results.FOLDER.parent / "baselines" / "checkpoints").glob("*.json")):
    training = json.loads(path.read_text())["training"]
    kept = {key: training[key] for key in ("iterations", "minutes", "device")}
    rows.append({"checkpoint": path.stem} | kept | {"begins with": training["start"].partition(" (sha256")[0]})
pd.DataFrame(rows)
