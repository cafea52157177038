"""A small run folder for the tests of the viewer: real pixels, figures computed here."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.data import astronaut

from bench.store import Store

KEPT = (0, 1, 2, 5, 10)
LAST = 12
REASON = "fails: the stream is cut <short> & lost."


def photographs(count: int = 2) -> dict[str, np.ndarray]:
    """Small photographs, upright and not square."""
    return {f"im{i}": np.ascontiguousarray(astronaut()[90 * i :, 120 * i :][:96, :144]) for i in range(count)}


def jpeg(image: np.ndarray) -> np.ndarray:
    """JPEG and a little blur, so that every generation is another one."""
    data = io.BytesIO()
    Pillow.fromarray(image).save(data, "JPEG", quality=25)
    decoded = np.asarray(Pillow.open(data).convert("RGB")).astype(int)
    return ((7 * decoded + np.roll(decoded, 1, axis=1)) // 8).astype(np.uint8)


def coarse(image: np.ndarray) -> np.ndarray:
    """A fixed point from generation 1 on."""
    return image & 0xF0


def fails(image: np.ndarray) -> np.ndarray:
    return image ^ 3


CODECS = {"jpeg": jpeg, "coarse": coarse, "fails": fails}


def digest(pixels: np.ndarray) -> str:
    return hashlib.sha256(pixels.tobytes() + str(pixels.shape).encode()).hexdigest()


def chain(codec: str, source: np.ndarray, last: int = LAST) -> list[np.ndarray]:
    """Pixels of generations 0 to last; "fails" ends at generation 2."""
    pixels = [source]
    for _ in range(2 if codec == "fails" else last):
        pixels.append(np.ascontiguousarray(CODECS[codec](pixels[-1])))
    return pixels


def make(root: Path, codecs=("coarse", "fails", "jpeg"), images=None, dataset="tiny", carrier="uint8") -> Store:
    """A finished run folder."""
    store, rows = Store.open(root), []
    for name, source in (images or photographs()).items():
        for codec in codecs:
            pixels = chain(codec, source)
            records = [_record(codec, pixels, n, carrier) for n in range(1, LAST + 1)]
            kept = {n: store.save_snapshot(name, digest(pixels[n]), pixels[n]) for n in KEPT if n < len(pixels)}
            identity = {"codecs": [{"name": codec, "identity": {"codec": codec}}], "image": digest(source)}
            identity |= {"schedule": "quality:25", "generations": LAST, "carrier": carrier}
            store.write(identity, records, kept, 0.1, {})
            rows += [
                record | {"dataset": dataset, "image": name, "image_id": digest(source)[:16]} for record in records
            ]
    store.write_table(rows)
    store.write_run({"when": "2026-01-02T03:04:05+00:00", "status": "finished", "command": "secret-path"})
    return store


def _record(codec: str, pixels: list[np.ndarray], n: int, carrier: str) -> dict:
    height, width, _ = pixels[0].shape
    record = {"codec": codec, "codec_id": f"{codec}-id", "schedule": "quality:25", "carrier": carrier, "generation": n}
    record |= {"width": width, "height": height, "quality": 25.0, "fixed_point": False, "cycle": 0, "filled": False}
    if n >= len(pixels):
        status = "failed" if n == len(pixels) else "not_reached"
        return record | {"status": status, "reason": REASON if status == "failed" else "An earlier generation failed."}
    size = 900 + int(pixels[n].sum()) % 97
    error = float(((pixels[n].astype(float) - pixels[0]) ** 2).mean())
    step = float(((pixels[n].astype(float) - pixels[n - 1]) ** 2).mean())
    first = float(((pixels[n].astype(float) - pixels[1]) ** 2).mean())
    record |= {"bytes": size, "bpp": 8 * size / (width * height), "mse": error, "psnr": _decibels(error)}
    record |= {"psnr_step": _decibels(step), "psnr_first": _decibels(first), "status": "ok", "reason": ""}
    shift = (pixels[n].astype(float) - pixels[0]).mean(axis=(0, 1))
    record |= dict(zip(("shift_r", "shift_g", "shift_b"), map(float, shift), strict=True))
    record["delta_e"] = float(deltaE_ciede2000(rgb2lab(pixels[0]), rgb2lab(pixels[n])).mean())
    settled = n > 1 and np.array_equal(pixels[n], pixels[n - 1])
    return record | {"fixed_point": settled, "cycle": int(settled), "filled": settled and n > 2}


def _decibels(mse: float) -> float:
    return float("inf") if mse == 0 else float(10 * np.log10(255**2 / mse))
