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
# # IAT, Figure 8: context model and non-local attention
#
# Cai et al. train IAT without context model and attention, with attention in the hyper-analysis, and with the context
# model, and give the time each takes. Their curves are in the figure only and were not published as numbers.

# %%
from dataclasses import replace

import pandas as pd

from baselines.costs import costs
from baselines.iat.config import COMPACT
from bench import plots_rd, published, results
from bench.plots import family_of
from bench.rd import common_images, generation_means

models = {
    "neither": replace(COMPACT, context=False),
    "attention": replace(COMPACT, context=False, non_local=True),
    "context": COMPACT,
}
table = pd.DataFrame({name: costs("iat", config) for name, config in models.items()}).T
table.rename(columns={"parameters": "parameters, M", "encode": "encode, kMAC/px", "decode": "decode, kMAC/px"}).round(1)

# %% [markdown]
# In multiplications the context model is cheap. What it costs is order: the decoder needs each position's neighbours
# first. The authors' code goes position by position, 233 s an image by their paper. Ours codes a wavefront at a time:

# %%
records = results.table("rd")
times = records[records["codec"].str.startswith("iat")].groupby("codec")[["encode_s", "decode_s"]].mean()
times.rename(columns={"encode_s": "encode, s an image", "decode_s": "decode, s an image"}).round(2)

# %% [markdown]
# (Kodak, 768x512, one thread of a CPU that did other work as well: an order of magnitude, no benchmark.)
#
# ## What they reach

# %%
means = generation_means(common_images(records).records)
ours = means[means["system"].map(family_of) == "iat"]
plots_rd.rd(ours, published.load(["iat2022"], "kodak"), until=1.7)

# %%
names = sorted(ours["system"].unique())
print("Measured of ours:", ", ".join(names))
if len(names) < 3:
    print("Of the three variants the figure compares, the others have no shipped checkpoint")
    print("(baselines.train iat --no-context, and with --nonlocal), so what they gain or lose is not known here.")
