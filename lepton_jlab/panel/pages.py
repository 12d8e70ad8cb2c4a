"""Pages of their own in a browser, one ES module each, for a widget and a server to hand out."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_HERE = Path(__file__).parent


def script(page: Literal["labelling", "reviewing"]) -> str:
    """Return a page's module; its default export has ``render``, for anywidget, and it `mount`s."""
    return "\n".join((_HERE / f"{name}.js").read_text() for name in ("samples", page))


def style() -> str:
    """Return the look of all pages."""
    return (_HERE / "pages.css").read_text()
