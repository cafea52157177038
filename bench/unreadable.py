"""Images of a dataset that can't be read: all of them are named at once, and left out where that is asked for."""

from __future__ import annotations

from bench.codec import BenchError
from bench.datasets import Dataset, ImageRef
from bench.images import SourceImage

NAMED = 10
"""Most images that a sentence names."""

OPTION = "--skip-unreadable"


class Unreadable:
    """Reads the images of a dataset one by one, and notes those that can't be.

    Attributes:
        reasons: why not, a few words by file name, in the dataset's order.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.reasons: dict[str, str] = {}

    def load(self, ref: ImageRef) -> SourceImage | None:
        """An image, or None where it can't be read; raises BenchError where it is the only one of the dataset."""
        try:
            return ref.load()
        except BenchError as error:
            if len(self.dataset) == 1:
                raise
            why = str(error).removeprefix(f"{ref.path}: ").rstrip(".").partition("; ")[0]  # without advice
            # Names of images are unique, those of files in several folders are not.
            name = ref.path.name if [one.path.name for one in self.dataset].count(ref.path.name) == 1 else ref.name
            self.reasons[name] = why.partition(" (")[0].removeprefix("the image file is ").removeprefix("the image ")
            return None

    def text(self) -> str:
        """Those noted so far: ``a.png (damaged or cut short), b.jpg (...)``, and how many more."""
        named = [f"{name} ({why})" for name, why in list(self.reasons.items())[:NAMED]]
        more = len(self.reasons) - len(named)
        return ", ".join(named) + (f", and {more} more" if more else "")

    def check(self, skip: bool) -> None:
        """Raise BenchError where images could not be read: any, or with ``skip`` all of them."""
        bad, every = len(self.reasons), len(self.dataset)
        if not bad or (skip and bad < every):
            return
        advice = "Choose another folder with --dataset." if bad == every else f"Remove them, or add {OPTION}."
        advice = advice.replace("them", "it") if bad == 1 else advice
        raise BenchError(f"{bad} of {every} images in {self.dataset.name} can't be read: {self.text()}. {advice}")
