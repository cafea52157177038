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

from baselines.costs import costs
from baselines.iat.config import COMPACT, PAPER
from baselines.xie.config import PRESETS
from bench import plots_rd, published, results
from bench.plots import family_of

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
# Ours, beside the published baseline and the published ends of IAT's curve.

# %%
means = results.means("rd")
ours = means[means["system"].map(family_of).isin(["iat", "xie"])]
plots_rd.rd(ours, published.load(["xie2021-invcompress", "iat2022"], "kodak"), until=1.7)

# %%
names = sorted(ours["system"].unique())
print("Measured of ours:", ", ".join(names))
if not any("scalar" in name for name in names):
    print("The scalar variant is not measured: no checkpoint of it is shipped (baselines.train iat --level scalar).")
if not any(family_of(name) == "xie" for name in names):
    print(
        "The single-rate baseline is not measured: no checkpoint of it is shipped (baselines.train xie --lambda ...)."
    )

# %% [markdown]
# With only the map variant at hand, nothing can be said about what the map gains. In the published points, IAT at its
# two ends and Xie 2021 lie on one curve: one variable-rate model does as well as eight single-rate ones.
