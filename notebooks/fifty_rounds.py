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
# # Fifty rounds at one setting
#
# The multi-generation protocol of the field: the same codec at the same setting, 50 times, on Kodak (ICME 2023,
# NeurIPS 2023). All curves are means over the 24 images of real streams and 8-bit pixels.

# %%
import pandas as pd
from IPython.display import display

from bench import plots, results
from bench.generation_loss import loss_table, with_change
from bench.rd import common_images, generation_means

records = common_images(results.table("fifty")).records
means = with_change(generation_means(records))
first = means[means["generation"] == 1].set_index(["system", "schedule"])["bpp"]
SPANS = {"about 0.3 bpp": (0, 0.45), "0.49 to 0.80 bpp": (0.45, 0.95), "1.06 to 1.53 bpp": (0.95, 2)}


def at(span):
    """The operating points whose rate at generation 1 lies in a span."""
    chosen = first[(first >= span[0]) & (first < span[1])].index
    return means[pd.MultiIndex.from_frame(means[["system", "schedule"]]).isin(chosen)]


for name, span in SPANS.items():
    if len(at(span)):
        figure = plots.generations(at(span), ("psnr", "psnr_change", "bpp"))
        figure.suptitle(f"kodak, {name}: mean over {int(means['images'].iloc[0])} images", fontsize=11)
        display(figure)
    else:
        print(f"Nothing at {name} yet: python -m bench.results fifty --missing")

# %% [markdown]
# JPEG and JPEG 2000 nearly stand still, and so do Xie et al., A-INN and IAT, which reach a fixed point on every
# image, by the eleventh round, at high rates by the 35th. Song et al. loses 4.7 dB; yet 21 of its chains reach a
# fixed point and one a cycle of two images, after 13 to 49 rounds.
#
# That of IAT is its decoder's doing, a stable one, trained so that encoding its output again gives the same latents:
# see the notebook of the stable decoders. `iat-compact` has none. At level 0.8 it loses 2.9 dB in the mean, 1.4 in
# the median and 11.6 on the worst image, half of it in the first fifteen rounds. Only 10 of the 24 chains settle, 6
# at a fixed point and 4 in a cycle of two. The part between its two enhancement networks is invertible; these two are
# not each other's inverse. Alone, with nothing rounded, they give kodim20 back at 42.8 dB the first time and 29.1 dB
# the tenth. Coarse steps of the latents seem to round such an error away, fine ones to keep it. Pixels in 8 bits are
# not to blame, they help: in 20 rounds kodim20 loses 3.9 dB with them and 7.8 dB handed on unrounded (`--carrier
# float`).
#
# WebP, AVIF and JPEG XL lose at every round, and few of their chains have settled after 50; AVIF's loss comes with a
# shift of colour (`shift_max` in 8-bit levels, `delta_e` in the table below), and is mostly its library's conversion to
# Y'CbCr, which rounds chroma down. The same AV1 encoder on planes rounded to nearest (`ffmpeg-aom`) loses 1.05 dB
# instead of 11.06, and settles on 14 images, always in a cycle. HEIC and BPG, both HEVC, lose 2 dB in the
# first ten rounds and little after: 14 and 22 of their 24 chains settle, after 37 and 26 rounds in the median, all of
# them in cycles of two, four or six images and none at a fixed point. H.264 and HEVC as they code video, in 4:2:0 at a
# constant QP, lose 1.6 and 2.0 dB and settle on 23 and 21 images.

# %% [markdown]
# ## In numbers
#
# Half-lives are the first generation at which 0.5, 1 or 3 dB of the first one's PSNR are gone; empty where that is
# never.

# %%
columns = ["system", "schedule", "bpp_1", "psnr_1", "psnr_N", "drop", "drop_ms_ssim_db", "half_life_0.5", "half_life_1"]
loss_table(records)[[*columns, "half_life_3", "fixed_point", "shift_max", "delta_e"]].round(3).sort_values("drop")

# %% [markdown]
# `fixed_point` is the share of images that have settled: their pixels no longer change (a fixed point), or go round in
# a cycle of a few images. A chain stays so for ever.

# %%
settled = means.pivot(index="generation", columns=["system", "schedule"], values="fixed_point")
display(settled.loc[[1, 2, 5, 10, 20, 30, 40, 50]].T.round(2))

# %% [markdown]
# How the chains have ended, number of images:

# %%
last = records[records["generation"] == 50]
kind = last["cycle"].map(lambda length: "not settled" if length == 0 else "fixed point" if length == 1 else "cycle")
last.groupby(["system", "schedule", kind.rename("end")]).size().unstack(fill_value=0)

# %% [markdown]
# ## Spread between images
#
# The mean hides that some images suffer more. PSNR lost between generation 1 and 50, image by image:

# %%
ends = records[records["generation"].isin([1, 50])].pivot(
    index="image", columns=["system", "schedule", "generation"], values="psnr"
)
lost = ends.xs(1, axis=1, level="generation") - ends.xs(50, axis=1, level="generation")
lost.describe().loc[["min", "25%", "50%", "75%", "max"]].T.round(2)
