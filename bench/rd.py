"""From per-image records to means by generation and rate-distortion curves.

Averages are means over images of per-image values, as in the papers; PSNR of the mean MSE would be another number.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.bd import Curve
from bench.codec import BenchError
from bench.metrics import ms_ssim_db_of
from bench.tables import only_means

METRICS = ("psnr", "ms_ssim_db")
AVERAGE = "mean of per-image values"

MEANS = (
    *(
        "quality",
        "target_bpp",
        "encodes",
        "miss",
        "bytes",
        "bpp",
        "mse",
        "psnr",
        "ms_ssim",
        "ms_ssim_db",
        "psnr_step",
        "psnr_first",
    ),
    *("delta_e", "shift_r", "shift_g", "shift_b", "shift_max", "encode_s", "decode_s", "fixed_point"),
)
"""Columns that ``generation_means`` averages. ``shift_max`` is the largest channel shift of an image without its sign,
which does not cancel between images; ``fixed_point`` becomes the share of images at a fixed point or in a cycle."""

POINT = ["dataset", "system", "schedule"]
"""What names an operating point: one point of a curve at a given generation."""


class Common(NamedTuple):
    """Records of the images that every system of a dataset has, and what was left out to get there.

    Attributes:
        records: the rows kept.
        dropped: one row for each image or whole operating point left out: dataset, image ("" for all), system,
            schedule (who lacked it), reason.
    """

    records: pd.DataFrame
    dropped: pd.DataFrame


def systems(records: pd.DataFrame) -> pd.Series:
    """What a row's curve is named after: its codec, and whatever else must not be mixed on one curve.

    A carrier other than uint8 and a protocol other than a fixed quality follow in brackets: ``iat [float]``,
    ``jpeg [bpp]`` (rate control), ``jpeg [drift:1:0.5]``. Where one codec occurs with several identities (another
    version, another checkpoint) each carries its own: ``iat [3f2a91c0]``. A hand-over between codecs is named by its
    schedule instead of a codec: ``chain:jpeg:75,webp:80 [float]``.

    Raises:
        BenchError: one image was handed over between the same codecs in several versions.
    """
    hand_over = records["schedule"].str.startswith("chain:")
    marks = zip(
        records["carrier"].where(records["carrier"] != "uint8", ""),
        records["schedule"].map(_protocol).where(~hand_over, ""),
        _versions(records, hand_over),
        strict=True,
    )
    inside = [", ".join(filter(None, mark)) for mark in marks]
    named = records["codec"].where(~hand_over, records["schedule"])
    names = [f"{name} [{mark}]" if mark else name for name, mark in zip(named, inside, strict=True)]
    return pd.Series(names, index=records.index, dtype="str")


def _versions(records: pd.DataFrame, hand_over: pd.Series) -> pd.Series:
    """The codec's identity where a dataset has several of it, else ""; those of all its codecs for a hand-over."""
    several = records.groupby(["dataset", "codec"])["codec_id"].transform("nunique") > 1
    found = records["codec_id"].where(several, "")
    if not (hand_over.any() and several.any()):
        return found
    chain = ["dataset", "image", "schedule", "carrier"]
    # A codec that is handed over to itself has one identity in a chain, and every row tells it.
    turns = hand_over & (records.groupby(chain)["codec"].transform("nunique") > 1)
    rows = records.assign(version=found)[turns]
    again = rows[rows.duplicated([*chain, "generation"])]
    if len(again):
        first = again.iloc[0]
        raise BenchError(
            f"These tables hold {first['schedule']} on {first['image']} by several versions of its codecs, and do not "
            "tell which of them took turns: name only one of the tables."
        )
    together = rows.groupby(chain)["version"].transform(lambda ids: ", ".join(sorted(set(ids) - {""})))
    found[turns] = together.to_numpy()
    return found


def _protocol(schedule: str) -> str:
    """A schedule's text without the operating point: "" for a fixed quality, "bpp" for a fixed rate, else all of it."""
    match = re.fullmatch(r"(quality|bpp|point):[-+]?[\d.]+(?:e[-+]?\d+)?(.*)", schedule, re.DOTALL)
    if match is None:
        return schedule
    kind, rest = match.groups()
    return ("bpp" if kind == "bpp" else "") + rest


def labels(points: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """What operating points, (system, schedule), are called beside each other: what ``label`` says, or the system where
    two would have one name, as of two lists in files of one name."""
    points = list(dict.fromkeys(points))
    names = {point: label(*point) for point in points}
    counts = Counter(names.values())
    return {point: name if counts[name] == 1 else point[0] for point, name in names.items()}


def label(system: str, schedule: str) -> str:
    """What an operating point is called: ``jpeg, quality 75``; what the system's name holds of a schedule already is
    not repeated, nor are the digits of a named list."""
    if schedule not in system:
        rules = _protocol(schedule).removeprefix("bpp")
        asked = schedule.removesuffix(rules) if rules in system else schedule
        return f"{system}, {asked.replace(':', ' ')}"
    return re.sub(r"(list:(?!(?:quality:)?\d+@).*?)@[0-9a-f]{8}(?=[],+]|$)", r"\1", system).replace("[list:", "[")


def by_point(table: pd.DataFrame, keys: Sequence[str] = POINT) -> list[tuple[tuple[str, ...], pd.DataFrame]]:
    """``keys`` (the last one the schedule) and the rows of every operating point, in the order that people count in:
    quality 5 before quality 10."""
    return sorted(table.groupby([*keys]), key=lambda point: (*point[0][:-1], _counted(point[0][-1])))


def _counted(text: str) -> list[tuple[str, float]]:
    """A text as words with the numbers that follow them."""
    return [(word, float(number or 0)) for word, number in re.findall(r"(\D*)(\d*\.?\d*(?:e[-+]?\d+)?)", text)]


def left_out(dropped: pd.DataFrame, reasons: bool = True) -> list[str]:
    """A sentence for each image, or operating point, and reason why it has no part in the means; ``dropped`` of Common.

    Without ``reasons``, for failed chains whose reasons are told elsewhere, it ends before them.
    """
    if dropped.empty:
        return []
    sentences = []
    for (dataset, image, reason), rows in dropped.groupby(["dataset", "image", "reason"], sort=False):
        names = [label(system, schedule) for system, schedule in rows[["system", "schedule"]].to_numpy()]
        who = names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")
        if image:
            what = f"Left out for all codecs: {image} of {dataset}, because of {who}"
        else:
            what = f"Left out on every image of {dataset}: {who}"
        sentences.append(f"{what}: {reason}" if reasons else f"{what}, which failed.")
    return sentences


def common_images(records: pd.DataFrame, generation: int | None = None, metric: str = "psnr") -> Common:
    """Keep the images that all systems of a dataset have, so that their means can be compared.

    An image whose chain failed, is missing, ends before others of its operating point, or has no ``metric`` or no bpp
    at one operating point is dropped for all of them. An operating point that has no image at all (a rate out of the
    codec's reach) is dropped as a point instead. Systems of which there are means only (``bench.tables.only_means``)
    take no part in this: nobody knows their images.

    Args:
        records: as from ``bench.tables.read``.
        generation: chains need to be whole up to here; None: as far as they were run.
        metric: "psnr" or "ms_ssim_db".
    """
    records = records.assign(system=systems(records))
    rows = records if generation is None else records[records["generation"] == generation]
    lacks = pd.Series(np.where(rows["bpp"].isna(), "no bpp", f"no {metric}"), rows.index)
    bad = (rows["status"] != "ok") | rows[metric].isna() | rows["bpp"].isna()
    why = rows["reason"].where(rows["reason"] != "", rows["status"].where(rows["status"] != "ok", lacks))
    if generation is None:  # joined tables may hold chains of one point that were run to different lengths
        ends = rows.groupby([*POINT, "image"])["generation"].transform("max")
        short = ends < rows.groupby(POINT)["generation"].transform("max")
        why = why.where(bad | ~short, "its chain ends at generation " + ends.astype(str))
        bad |= short
    given = only_means(records)
    chains = (
        rows.assign(bad=bad, why=why.where(bad, ""), given=given)
        .sort_values(["bad", "generation"], ascending=[False, True], kind="stable")
        .groupby([*POINT, "image"], sort=True)[["bad", "why", "given"]]
        .first()
    )
    dropped, keep_images, keep_points = [], [], []
    for (*point, _), mean in chains[chains["given"]].iterrows():
        if mean["bad"]:
            dropped.append((point[0], "", *point[1:], mean["why"]))
        else:
            keep_points.append(tuple(point))
    for dataset, part in chains[~chains["given"]].groupby(level="dataset"):
        state = part.droplevel("dataset")["bad"].unstack("image").astype("boolean")
        good = ~state.fillna(True).astype(bool)  # a chain that isn't there is as good as failed
        whole = good.any(axis=1)
        for system, schedule in good.index[~whole]:
            reason = part.loc[(dataset, system, schedule)]["why"].iloc[0]
            dropped.append((dataset, "", system, schedule, reason))
        for system, schedule in good.index[whole]:
            keep_points.append((dataset, system, schedule))
            for image in good.columns[~good.loc[(system, schedule)]]:
                there = (dataset, system, schedule, image) in part.index
                reason = part.loc[(dataset, system, schedule, image), "why"] if there else "not in the tables"
                dropped.append((dataset, image, system, schedule, reason))
        keep_images += [(dataset, image) for image in good.columns[good[whole].all(axis=0) & whole.any()]]
    by_image = pd.MultiIndex.from_frame(records[["dataset", "image"]]).isin(keep_images) if keep_images else False
    by_point = pd.MultiIndex.from_frame(records[POINT]).isin(keep_points) if keep_points else False
    kept = records[np.broadcast_to((by_image | given.to_numpy()) & by_point, len(records))]
    return Common(kept, pd.DataFrame(dropped, columns=["dataset", "image", "system", "schedule", "reason"]))


def generation_means(records: pd.DataFrame) -> pd.DataFrame:
    """Means over images at every generation of every operating point.

    Args:
        records: rows with status "ok"; take them through ``common_images`` first where systems are compared.

    Returns:
        One row for each dataset, system, schedule and generation: codec, images (how many), the columns MEANS (a
        value missing for one image makes the mean missing, except for times), ms_ssim_db_of_mean (dB of the mean
        MS-SSIM, the average published points use), those of ``_lossy`` (missing unless a mean is infinite), and
        average, which says how the means were formed.
    """
    table = records[records["status"] == "ok"]
    if "system" not in table:
        table = table.assign(system=systems(table))
    shift = table[["shift_r", "shift_g", "shift_b"]].abs().max(axis=1, skipna=False)
    table = table.assign(shift_max=shift, fixed_point=table["fixed_point"].astype("float64"))
    groups = table.groupby([*POINT, "generation"], sort=True)
    means = pd.DataFrame({name: _mean(groups, name) for name in MEANS})
    means["ms_ssim_db_of_mean"] = ms_ssim_db_of(means["ms_ssim"])
    means.insert(0, "images", groups["image"].nunique())
    means.insert(0, "codec", groups["codec"].first())
    means = means.assign(**_lossy(table), average=AVERAGE)
    return means.reset_index()


def without_counts(table: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """A table of means whose numbers of images are missing where ``records``, of which it is, hold means only."""
    given = records.loc[only_means(records), ["dataset", "system"]].drop_duplicates()
    if given.empty or table.empty:
        return table
    unknown = pd.MultiIndex.from_frame(table[["dataset", "system"]]).isin(pd.MultiIndex.from_frame(given))
    counts = [name for name in ("images", "drop_images") if name in table]
    return table.assign(**{name: table[name].astype("Int64").mask(unknown) for name in counts})


def _mean(groups: pd.api.typing.DataFrameGroupBy, name: str) -> pd.Series:
    mean = groups[name].mean().astype("float64")  # of whole numbers too, whose missing values are no numbers
    # Generations that were filled in took no time; any other gap must show.
    return mean if name in ("encode_s", "decode_s") else mean.where(groups[name].count() == groups.size())


def _lossy(table: pd.DataFrame) -> dict[str, pd.Series | float]:
    """What stands in for the change of a mean since generation 1 where an image, and so the mean, is lossless at either
    end: the mean of the changes of the other images, or where there are none of all (0 where both ends are lossless).

    Returns:
        By generation of every operating point lossy_psnr_change and lossy_ms_ssim_db_change (dB), lossy_images (how
        many images the first is of), and lossy_psnr and lossy_ms_ssim_db, means (dB) over the images that are not
        lossless there; missing where no mean is infinite.
    """
    names = [f"lossy_{name}{what}" for name in METRICS for what in ("_change", "")]
    found: dict[str, pd.Series | float] = dict.fromkeys([*names, "lossy_images"], float("nan"))
    if not np.isinf(table[[*METRICS]].to_numpy(np.float64)).any():
        return found
    rows = table.sort_values("generation", kind="stable")
    for metric in METRICS:
        name = f"lossy_{metric}_change"
        now, at_first = rows[metric], rows[metric].where(rows["generation"] == 1)
        first = at_first.groupby([rows[key] for key in (*POINT, "image")]).transform("first")
        change, infinite = (now - first).mask(now == first, 0.0), np.isinf(now) | np.isinf(first)
        parts = rows.assign(change=change, lossy=change.mask(infinite), infinite=infinite)
        groups = parts.groupby([*POINT, "generation"])
        with np.errstate(invalid="ignore"):  # an image that became lossless and one that is no longer: no mean
            of_all = groups["change"].mean()
        found[name] = groups["lossy"].mean().fillna(of_all).where(groups["infinite"].any())
        here = rows.assign(finite=now.mask(np.isinf(now)), infinite=np.isinf(now)).groupby([*POINT, "generation"])
        found[f"lossy_{metric}"] = here["finite"].mean().where(here["infinite"].any())
        if metric == METRICS[0]:
            count = groups["lossy"].count()
            found["lossy_images"] = count.where(count > 0, groups["change"].count()).where(groups["infinite"].any())
    return found


def curve(means: pd.DataFrame, dataset: str, system: str, generation: int = 1, metric: str = "psnr") -> Curve:
    """The rate-distortion curve of a system at a generation: all its operating points.

    Args:
        means: as from ``generation_means``, or published points (``bench.published.load``).
        metric: a column in dB: "psnr", "ms_ssim_db" or "ms_ssim_db_of_mean".

    Raises:
        BenchError: the means have no such metric.
    """
    if metric not in means:
        raise BenchError(f"The table has no column {metric!r}; metrics are {', '.join(METRICS)}.")
    here = (means["dataset"] == dataset) & (means["system"] == system) & (means["generation"] == generation)
    points = means[here].sort_values("bpp")
    return Curve.of(points["bpp"], points[metric])
