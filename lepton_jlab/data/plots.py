"""Small pictures of samples and labels, as SVG that saved and untrusted notebooks still show."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The tones of runs/views/curve.py, from which nothing is imported here: at least 3:1 on white and
# on #111, because a picture cannot see the page's theme.
INK = "#7d858f"
COLOURS = ("#2b87d1", "#d9752b", "#2e9e5b", "#b455b6", "#d9453d", "#1f93a8", "#a8851e", "#7468d9")

LINE_SIZE = (150, 64)  # px, of the picture of one sample
MOST_POINTS = 150
BINS = 30
NAMED = 16  # as many classes have a bar with their name each
LONGEST_NAME = 18  # characters


def line(sample: NDArray[Any], low: float, high: float) -> str:
    """Draw a sample of shape ``(length, curves)`` as curves between `low` and `high`."""
    width, height = LINE_SIZE
    span = (high - low) or 1.0
    parts = [
        f'<path d="M0 {height - 0.5}H{width}M0.5 0V{height}" stroke="{INK}" stroke-opacity=".35"/>'
    ]
    for course, colour in zip(sample.T, COLOURS, strict=False):
        xs, ys = _thinned(course.astype(np.float64))
        if not len(xs):
            continue
        across = 2 + (width - 4) * xs / max(1, len(course) - 1)
        down = height - 4 - (height - 8) * (np.clip(ys, low, high) - low) / span
        points = "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(across, down, strict=True))
        parts.append(
            f'<path d="M{points}" fill="none" stroke="{colour}" stroke-width="1.3" '
            'stroke-linejoin="round"/>'
        )
    return _image("".join(parts), "values of a sample", width, height)


def limits(samples: NDArray[Any]) -> tuple[float, float]:
    """Return the lowest and the highest of the finite values, 0 and 1 if there are none."""
    finite = samples[np.isfinite(samples)] if samples.dtype.kind == "f" else samples.reshape(-1)
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)


def class_bars(counts: Sequence[int], names: Sequence[str], title: str) -> str:
    """Draw how many samples each class has, with names where there is room."""
    if len(counts) > NAMED:
        return _columns(counts, title, names[0], names[-1])
    shown = [name if len(name) <= LONGEST_NAME else f"{name[:17]}…" for name in names]
    left = 14 + round(6.4 * max(len(name) for name in shown))
    room, height = 200, 24 + 17 * len(counts)
    width, most = left + room + 58, max(1, *counts)
    parts = [_title(title)]
    for row, (name, count) in enumerate(zip(shown, counts, strict=True)):
        y, long = 24 + 17 * row, room * count / most
        parts.append(
            f'<text x="{left - 6}" y="{y + 10}" fill="{INK}" text-anchor="end">'
            f"{escape(name)}</text>"
            f'<rect x="{left}" y="{y + 1}" width="{long:.1f}" height="11" rx="2" '
            f'fill="{COLOURS[0]}"/>'
            f'<text x="{left + long + 6:.1f}" y="{y + 10}" fill="{INK}">{count:,}</text>'
        )
    return _image("".join(parts), _told(title, names, counts), width, height)


def histogram(values: NDArray[Any], title: str) -> str:
    """Draw how numbers are distributed; NaN and infinities are left out."""
    finite = values[np.isfinite(values)].astype(np.float64)
    if not len(finite) or finite.min() == finite.max():
        return ""
    counts, edges = np.histogram(finite, BINS)
    return _columns(counts.tolist(), title, f"{edges[0]:.4g}", f"{edges[-1]:.4g}")


def _columns(counts: Sequence[int], title: str, first: str, last: str) -> str:
    """Draw upright bars between two words; the largest count is written at its height."""
    left, top, room, tall = 56, 24, 270, 84
    step, most = room / len(counts), max(1, *counts)
    thick = max(step - 1.5, step * 0.7)
    base = top + tall
    parts = [
        _title(title),
        f'<path d="M{left} {top + 0.5}h{room}M{left} {base + 0.5}h{room}" stroke="{INK}" '
        'stroke-opacity=".35"/>',
        f'<text x="{left - 6}" y="{top + 4}" fill="{INK}" text-anchor="end">{most:,}</text>',
        f'<text x="{left - 6}" y="{base + 4}" fill="{INK}" text-anchor="end">0</text>',
        f'<text x="{left}" y="{base + 15}" fill="{INK}">{escape(first[:LONGEST_NAME])}</text>',
        f'<text x="{left + room}" y="{base + 15}" fill="{INK}" text-anchor="end">'
        f"{escape(last[:LONGEST_NAME])}</text>",
    ]
    for place, count in enumerate(counts):
        high = tall * count / most
        parts.append(
            f'<rect x="{left + place * step:.1f}" y="{base - high:.1f}" width="{thick:.1f}" '
            f'height="{high:.1f}" fill="{COLOURS[0]}"/>'
        )
    alt = f"{title}: from {first} to {last}, at most {most:,}"
    return _image("".join(parts), alt, left + room + 6, base + 22)


def _title(text: str) -> str:
    return f'<text x="0" y="12" fill="{INK}" font-weight="600">{escape(text)}</text>'


def _told(title: str, names: Sequence[str], counts: Sequence[int]) -> str:
    told = ", ".join(f"{name} {count:,}" for name, count in zip(names, counts, strict=True))
    return f"{title}: {told}"


def _thinned(course: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return positions and values of the finite points; of many, the extremes of each stretch."""
    xs = np.flatnonzero(np.isfinite(course))
    if len(xs) <= MOST_POINTS:
        return xs, course[xs]
    kept = []
    for stretch in np.array_split(xs, MOST_POINTS // 2):
        values = course[stretch]
        kept += sorted({stretch[values.argmin()], stretch[values.argmax()]})
    chosen = np.array(kept)
    return chosen, course[chosen]


def _image(body: str, alt: str, width: int, height: int) -> str:
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="system-ui,sans-serif" font-size="11">'
        f"{body}</svg>"
    )
    data = b64encode(svg.encode()).decode()  # inline SVG would be taken away by sanitisers
    return (
        f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(alt)}" '
        f'width="{width}" height="{height}">'
    )
