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
# # IAT, Table 2: fine control of the rate
#
# Cai et al. move the level L in steps of 0.001 and print ten neighbouring points at either end; every step moves rate
# and quality, from which they conclude "at least 1000 effective points".

# %%
import pandas as pd

from bench import published, results


def steps(points, name):
    """Between neighbours: how far rate and PSNR go, and how often both rise."""
    rows = []
    for end, part in points.groupby(points["bpp"] > points["bpp"].mean()):
        part = part.sort_values("bpp")
        rate, psnr = part["bpp"].diff().dropna(), part["psnr"].diff().dropna()
        row = {
            "points": name,
            "end": "high" if end else "low",
            "from bpp": part["bpp"].min(),
            "to bpp": part["bpp"].max(),
        }
        row |= {
            "mean step bpp": rate.mean(),
            "largest": rate.max(),
            "smallest": rate.min(),
            "mean step dB": psnr.mean(),
        }
        rows.append(row | {"both rise": f"{((rate > 0) & (psnr > 0)).sum()} of {len(rate)}"})
    return pd.DataFrame(rows)


theirs = published.load("iat2022", "kodak")
tables = [steps(theirs, "published:iat2022")]
if "iat-table2" in results.made():
    means = results.means("iat-table2")
    tables.append(steps(means, "ours"))
pd.concat(tables, ignore_index=True).round(5)

# %% [markdown]
# The published steps are of nearly one size within each end: 0.3 % of the rate at the low end, 0.2 % at the high one.
# Rate and PSNR rise in every one of them.

# %%
if "iat-table2" in results.made():
    fine = means.sort_values("quality")
    print(f"Ours: {len(fine)} levels give {fine['bpp'].nunique()} rates, means over {fine['images'].iloc[0]} images.")
    each = results.table("iat-table2").sort_values(["image", "quality"])
    each = each.assign(end=each["quality"] > 0.5).groupby(["image", "end"])[["bpp", "psnr"]].diff().dropna()
    print(f"Image by image, rate and PSNR rise in {(each > 0).all(axis=1).sum()} of {len(each)} steps.")
else:
    print("Our own twenty levels are not measured yet: python -m bench.results iat-table2 (480 encodings of IAT).")
    coarse = results.means("rd")
    coarse = coarse[coarse["system"] == "iat"].sort_values("quality")
    rises = ((coarse["bpp"].diff() > 0) & (coarse["psnr"].diff() > 0)).sum()
    print(f"In steps of 0.1, rate and PSNR rise together {rises} of {len(coarse) - 1} times.")
