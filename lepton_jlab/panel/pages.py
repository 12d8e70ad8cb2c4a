"""Pages of their own in a browser, one ES module each, for a widget and a server to hand out."""

from __future__ import annotations

from pathlib import Path

from lepton_jlab.errors import NotFoundError

PAGES = ("labelling", "reviewing")
_HERE = Path(__file__).parent


def script(page: str) -> str:
    """Return a page's module; its default export has ``render``, for anywidget, and it `mount`s.

    Raises
    ------
    NotFoundError
        If there is no such page.
    """
    if page not in PAGES:
        raise NotFoundError(f"There is no page {page!r}. There are: {', '.join(PAGES)}.")
    return "\n".join((_HERE / f"{name}.js").read_text() for name in ("samples", page))


def style() -> str:
    """Return the look of all pages."""
    return (_HERE / "pages.css").read_text()
