"""bench.failures: one sentence however many images."""

from __future__ import annotations

from bench.failures import sentences

TYPE = "ba: encode returned bytearray instead of bytes."


def test_equal_reasons_are_one_sentence() -> None:
    failed = [("ba", "quality:50", f"im{n}", TYPE) for n in range(4)]
    assert sentences(failed, 4) == ["ba, quality 50, on all 4 images: encode returned bytearray instead of bytes."]
    assert sentences(failed[:1], 1) == ["ba, quality 50, on im0: encode returned bytearray instead of bytes."]
    assert sentences(failed[1:3], 4) == [
        "ba, quality 50, on 2 of 4 images (im1, im2): encode returned bytearray instead of bytes."
    ]


def test_many_images_are_not_all_named() -> None:
    (said,) = sentences([("ba", "bpp:0.5", f"im{n}", TYPE) for n in range(12)], 24)
    names = ", ".join(f"im{n}" for n in range(10))
    assert said.startswith(f"ba, bpp 0.5, on 12 of 24 images ({names}, and 2 more): encode returned")


def test_other_reasons_points_and_codecs_are_sentences_of_their_own() -> None:
    """In the order in which they come; a hand-over is called as in tables, and says which codec it was."""
    failed = [
        ("own", "quality:1", "a", "own: no odd widths (451)."),
        ("own", "quality:2", "a", "own: no odd widths (451)."),
        ("own", "quality:1", "b", "own: no odd widths (7)."),
        ("own", "quality:1", "c", "own: no odd widths (451)."),
        ("own", "chain:own:1,jpeg:75", "a", "own: no."),
        ("own", "chain:own:1,jpeg:75", "b", "jpeg: no."),
        ("jpeg", "list:0.9,0.8,dataset", "a", "No quality for the set: jpeg: out of reach."),
    ]
    assert sentences(failed, 4) == [
        "own, quality 1, on 2 of 4 images (a, c): no odd widths (451).",
        "own, quality 2, on 1 of 4 images (a): no odd widths (451).",
        "own, quality 1, on 1 of 4 images (b): no odd widths (7).",
        "chain:own:1,jpeg:75, on 1 of 4 images (a): own: no.",
        "chain:own:1,jpeg:75, on 1 of 4 images (b): jpeg: no.",
        "jpeg, list 0.9,0.8,dataset, on 1 of 4 images (a): No quality for the set: jpeg: out of reach.",
    ]
