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
# # A-INN: the BD-rate table
#
# Gao et al. give BD-rates against VTM. The table below is of the same kind, on Kodak, PSNR: against BPG 4:4:4, our own
# run and CompressAI's published points, against the published VTM points (which are too high), and against our own
# AVIF 4:4:4. Negative is better.

# %%
import pandas as pd

from bench import published, results
from bench.compare import Pair, compare
from bench.plots import family_of

means = results.means("rd")
known = pd.concat([means, published.load(published.RIVALS, "kodak")], ignore_index=True)
anchors = ["bpg", "published:bpg_444_x265_ycbcr", "published:vtm", "avif-444[tune=psnr]"]
pairs = [Pair("kodak", name, 1, anchor, 1) for anchor in anchors for name in known["system"].unique() if name != anchor]
table = compare(known, pairs)
table.pivot(index="codec", columns="anchor", values="bd_rate")[anchors].sort_values(anchors[0]).round(2)

# %% [markdown]
# ## The same for MS-SSIM
#
# As dB of the mean wherever one side is published. AVIF at its default tuning overtakes AVIF tuned for PSNR.

# %%
structure = compare(known, pairs, "ms_ssim_db")
structure.pivot(index="codec", columns="anchor", values="bd_rate")[anchors].sort_values(anchors[0]).round(2)

# %% [markdown]
# ## What was refused or is doubtful
#
# A value is missing where curves overlap too little or fold back, flagged where two interpolations differ by more
# than a point.

# %%
doubtful = pd.concat([table, structure])
doubtful = doubtful[doubtful["flagged"] | doubtful["bd_rate"].isna()]
doubtful[["codec", "anchor", "metric", "bd_rate", "bd_rate_akima", "reason"]].round(2)

# %%
print("A-INN", "is" if "ainn" in set(means["system"].map(family_of)) else "is not", "among them.")
