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
# # Hand-over: from platform to platform
#
# IAT's motive is an image that is downloaded from one platform and sent through another. Here it goes through JPEG
# 75, WebP 80, AVIF 75 and IAT 0.5 in turn, five times round, on Kodak.

# %%
import pandas as pd

from bench import plots, results
from bench.generation_loss import with_change
from bench.plots_frame import legend_below

METRICS = ("psnr", "ms_ssim_db", "bpp")
means = with_change(results.means("handover"))
figure = plots.generations(means, METRICS)
figure.legends[0].remove()
marks = {}
for panel, metric in zip(figure.axes, METRICS, strict=True):
    panel.get_lines()[0].set(color="lightgrey", marker="")
    for codec, part in means.groupby("codec"):
        look = plots.style(codec).line() | {"linestyle": "none"}
        (marks[codec],) = panel.plot(part["generation"], part[metric], **look)
legend_below(figure, marks, len(marks))
figure

# %% [markdown]
# The rate goes up and down with the turn. Quality does not go down evenly:

# %%
turns = means[["generation", "codec", "bpp", "psnr", "psnr_step", "delta_e"]].set_index("generation")
turns.assign(lost=-turns["psnr"].diff()).round(2).T

# %% [markdown]
# `psnr_step` is what one encoding does to the image it is given, `lost` what that costs against the source, in dB. By
# codec, after the first round:

# %%
later = turns.assign(lost=-turns["psnr"].diff()).loc[5:]
later.groupby("codec")[["psnr_step", "lost"]].mean().round(2).sort_values("lost")

# %%
first, last = means.iloc[0], means.iloc[-1]
print(f"{first['psnr']:.2f} dB after one encoding, {last['psnr']:.2f} dB after {last['generation']}.")
print(f"{last['fixed_point']:.0%} of the chains have settled.")
alone = results.means("fifty")
alone = alone[alone["generation"] == last["generation"]].set_index(["system", "schedule"])["psnr"]
pd.DataFrame({f"PSNR after {last['generation']} encodings by this codec alone, dB": alone.round(2)})
