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
# # IAT, Figure 7: does a quality map help against one number?
#
# Cai et al. train three models on the same budget: the activation transform driven by a map of levels (IAT), by one
# scalar level (channel-wise weights only), and the single-rate baseline, a model for every rate. Their curves are in
# the figure only; the baseline is Xie et al. 2021, whose points are public.

# %%
from dataclasses import replace

import pandas as pd
from IPython.display import display
from scipy.interpolate import PchipInterpolator

from baselines.costs import costs
from baselines.iat.config import COMPACT, PAPER
from baselines.xie.config import PRESETS
from bench import plots_rd, published, results
from bench.compare import Pair, compare

MAP, SCALAR = "iat[checkpoint=iat-context]", "iat[checkpoint=iat-scalar]"

# %% [markdown]
# ## What the three cost
#
# Counted on the models themselves, in kMAC per pixel. The map costs what its small networks cost, the scalar a little
# less: a difference in rate and distortion at equal budget is not one of size.

# %%
models = {
    "map, compact": ("iat", COMPACT),
    "scalar, compact": ("iat", replace(COMPACT, level="scalar")),
    "single rate (xie), compact": ("xie", PRESETS["compact"]),
    "map, paper": ("iat", PAPER),
}
table = pd.DataFrame({name: costs(*model) for name, model in models.items()}).T
table.rename(columns={"parameters": "parameters, M", "encode": "encode, kMAC/px", "decode": "decode, kMAC/px"}).round(1)

# %% [markdown]
# ## What they reach
#
# Map and scalar are two checkpoints of the compact preset with one transform: the scalar takes the networks of the map
# as they act on a uniform one, and each had twelve minutes of its own for the entropy model. The single-rate baseline
# is Xie et al. with four checkpoints, whose transform had twenty minutes (and a borrowed entropy model) where IAT's
# had 83: it says nothing here.

# %%
there = "iat-variants" in results.made()
if there:
    ours = results.means("iat-variants")
    ours = ours[ours["system"].str.contains("context|scalar")]
    ours = ours.assign(system=ours["system"].map({MAP: "iat-map", SCALAR: "iat-scalar"}))
    xie = results.means("rd").query("system == 'xie'")
    both = pd.concat([ours, xie], ignore_index=True)
    display(plots_rd.rd(both, published.load(["xie2021-invcompress", "iat2022"], "kodak"), until=1.7))
else:
    print("The variants are not measured: python -m bench.results iat-variants")

# %%
if there:
    shown = ours.set_index(["quality", "system"])[["bpp", "psnr", "ms_ssim_db"]].unstack()
    display(shown.round(4))
    print(
        compare(ours, [Pair("kodak", "iat-scalar", 1, "iat-map", 1)])[["bd_rate", "bd_psnr"]]
        .round(2)
        .to_string(index=False)
    )

# %% [markdown]
# At a uniform level the two are one transform but for the border of the image, and so are their curves. What the
# paper gains from the map it must gain in training, from maps that vary within an image; that needs both trained from
# the start.
#
# ## One model against eight, as published
#
# dB by which the published points of IAT lie above the curve of Xie 2021 at their rate, at either end:

# %%
points = published.load(["iat2022", "xie2021-invcompress"], "kodak").sort_values("bpp")
iat, xie = (part for _, part in points.groupby("system"))
rows = {}
for metric in ("psnr", "ms_ssim_db_of_mean"):
    above = iat[metric] - PchipInterpolator(xie["bpp"], xie[metric])(iat["bpp"])
    rows[metric] = above.groupby(iat["bpp"] > 0.6).mean().rename({False: "low end", True: "high end"})
pd.DataFrame(rows).T.round(3)

# %% [markdown]
# In PSNR they differ by less than 0.1 dB, IAT being below at the low end and above at the high one; in MS-SSIM they are
# level at the low end, and IAT is a quarter of a dB above at the high one. So one variable-rate model does about as
# well as eight single-rate ones.
