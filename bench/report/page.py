"""The page: one HTML file with its style, its modules and its data inside, since a page opened from disk may read
nothing else but pictures."""

from __future__ import annotations

import base64
import html
import json
from importlib import resources
from typing import Any


def page(data: dict[str, Any]) -> str:
    """The HTML of a report; ``data`` as from ``bench.report.payload``, with its list of pictures."""
    assets = resources.files(__package__) / "assets"
    modules = {
        f"viewer/{file.name.removesuffix('.mjs')}": _data_url(file.read_bytes())
        for file in sorted(assets.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".mjs")
    }
    parts = {
        "title": html.escape(str(data["title"])),
        "style": (assets / "style.css").read_text("utf-8"),
        "modules": json.dumps({"imports": modules}, indent=0),
        # "</script>" or "<!--" inside a name must not end the element.
        "data": json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False).replace("<", "\\u003c"),
    }
    text = (assets / "page.html").read_text("utf-8")
    for name, part in parts.items():
        before, mark, after = text.partition(f"<!--{name}-->")
        if not mark:
            raise ValueError(f"page.html has no place for {name}")
        text = before + part + after
    return text


def _data_url(source: bytes) -> str:
    return "data:text/javascript;base64," + base64.b64encode(source).decode()
