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
from IPython.display import display

from baselines.costs import costs
from baselines.iat.config import COMPACT
from bench import plots_rd, published, results
from bench.compare import Pair, compare
from bench.rd import common_images, generation_means

NAMES = {f"iat[checkpoint=iat-{name}]": f"iat-{name}" for name in ("neither", "attention", "context")}

models = {
    "neither": replace(COMPACT, context=False),
    "attention": replace(COMPACT, context=False, non_local=True),
    "context": COMPACT,
}
table = pd.DataFrame({name: costs("iat", config) for name, config in models.items()}).T
table.rename(columns={"parameters": "parameters, M", "encode": "encode, kMAC/px", "decode": "decode, kMAC/px"}).round(1)

# %% [markdown]
# In multiplications the context model is cheap. What it costs is order: the decoder needs each position's neighbours
# first. The authors' code goes position by position and takes 233 s an image by their paper, at the published size.
# Ours codes a wavefront at a time. The times below are those of the compact preset, which has a seventh of that
# computation, so they must not be divided by each other; `benchmarks/` compares both ways at one size.

# %%
there = "iat-variants" in results.made()
if there:
    records = results.table("iat-variants")
    records = records[records["codec"].isin(NAMES)].replace({"codec": NAMES})
    times = records.groupby("codec")[["encode_s", "decode_s"]].mean()
    display(times.rename(columns={"encode_s": "encode, s an image", "decode_s": "decode, s an image"}).round(2))
else:
    print("The variants are not measured: python -m bench.results iat-variants")

# %% [markdown]
# (Kodak, 768x512, one thread of a CPU that did other work as well: an order of magnitude, no benchmark.)
#
# ## What they reach
#
# Three checkpoints of the compact preset with one transform, that of `iat-compact`; each had twelve minutes of one core
# for its own entropy model. PSNR is the same in all three by construction: only the rate differs.

# %%
if there:
    ours = generation_means(common_images(records).records)
    display(plots_rd.rd(ours, published.load(["iat2022"], "kodak"), until=1.9))

# %%
if there:
    display(ours.pivot(index="quality", columns="system", values="bpp").round(4))
    pairs = [Pair("kodak", name, 1, "iat-neither", 1) for name in ("iat-attention", "iat-context")]
    display(compare(ours, pairs)[["codec", "anchor", "bd_rate"]].round(2))
