"""Curves as SVG pictures that a saved, untrusted notebook still shows, on light and dark pages."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from lepton_jlab.runs.words import number, shortened

# Middle tones: at least 3:1 on white and on #111. A picture cannot see the page's theme.
INK = "#7d858f"
COLOURS = ("#2b87d1", "#d9752b", "#2e9e5b", "#b455b6", "#d9453d", "#1f93a8", "#a8851e", "#7468d9")

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """One curve: points (x, y) in order of x, with how it is named and drawn."""

    label: str
    points: Sequence[Point]
    colour: str = COLOURS[0]
    dashed: bool = False
    faint: bool = False


def image(svg: str, alt: str, width: int, height: int) -> str:
    """Wrap a picture so that no sanitiser takes it away: inline ``<svg>`` would be stripped."""
    data = b64encode(svg.encode()).decode()
    return (
        f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(alt)}" '
        f'width="{width}" height="{height}">'
    )


def span(courses: Iterable[Sequence[float]]) -> Point | None:
    """Return the lowest and the highest of all values, by which curves can be compared."""
    known = [y for course in courses for y in course if math.isfinite(y)]
    return (min(known), max(known)) if known else None


def sparkline(
    values: Sequence[float], colour: str = COLOURS[0], *, within: Point | None = None
) -> str:
    """Draw the course of one metric, small enough for a table's cell.

    `within` is the lowest and the highest value that there is room for; by default its own.
    """
    width, height = 88, 18
    points = _thinned([(float(x), y) for x, y in enumerate(values) if math.isfinite(y)], 44)
    if len(points) < 2:
        return ""
    lowest, highest = within or (min(y for _, y in points), max(y for _, y in points))
    scale = math.log10 if _is_wide(lowest, highest) else float
    low, high = scale(lowest), scale(highest)
    last = points[-1][0] - points[0][0]
    spots = [
        (2 + (width - 6) * (x - points[0][0]) / last, _between(scale(y), low, high, height - 3, 3))
        for x, y in points
    ]
    end = spots[-1]
    body = (
        f'<path d="{_path(spots)}" fill="none" stroke="{colour}" stroke-width="1.4" '
        f'stroke-linejoin="round"/><circle cx="{end[0]:.1f}" cy="{end[1]:.1f}" r="2" '
        f'fill="{colour}"/>'
    )
    alt = f"from {number(points[0][1])} to {number(points[-1][1])}"
    return image(_svg(body, width, height), alt, width, height)


def chart(
    series: Sequence[Series],
    title: str,
    *,
    across: str = "step",
    width: int = 310,
    height: int = 158,
    legend: bool = True,
) -> str:
    """Draw curves over one another, with axes and, if there are several, a legend.

    `across` names what is counted from left to right. The legend comes on top of `width`.

    Returns
    -------
    str
        An ``<img>``, or ``""`` if no curve has two points.
    """
    shown = [
        Series(s.label, _thinned(s.points, 240), s.colour, s.dashed, s.faint)
        for s in series
        if sum(math.isfinite(y) for _, y in s.points) >= 2
    ]
    if not shown:
        return ""
    named = [s for s in shown if not s.faint and s.label]
    left, right, top, bottom = 46, 10, 22, 35
    legend = legend and len(named) > 1
    if legend:
        keys = round(min(max(len(s.label) for s in named), 24) * 6.8 + 34)
        right, width = keys, width - right + keys
    xs = [x for s in shown for x, _ in s.points]
    ys = [y for s in shown for _, y in s.points]
    logarithmic = _is_wide(min(ys), max(ys))
    scale = math.log10 if logarithmic else float
    ticks = _powers(min(ys), max(ys)) if logarithmic else _ticks(min(ys), max(ys))
    low = scale(min(ticks[0], *ys))
    high = scale(max(ticks[-1], *ys))

    def spot(x: float, y: float) -> Point:
        across = _between(x, min(xs), max(xs), left, width - right)
        return across, _between(scale(y), low, high, height - bottom, top)

    parts = [
        f'<text x="{left - 38}" y="12" fill="{INK}" font-weight="600">{escape(title)}</text>',
    ]
    for tick in ticks:
        _, y = spot(xs[0], tick)
        parts.append(
            f'<path d="M{left} {y:.1f}H{width - right:.0f}" stroke="{INK}" stroke-opacity=".28"/>'
            f'<text x="{left - 6}" y="{y + 3.5:.1f}" fill="{INK}" text-anchor="end">'
            f"{number(tick)}</text>"
        )
    parts += [
        f'<text x="{spot(count, ys[0])[0]:.1f}" y="{height - 19}" fill="{INK}" '
        f'text-anchor="middle">{count:,}</text>'
        for count in _counts(min(xs), max(xs))
    ]
    parts.append(
        f'<text x="{(left + width - right) / 2:.1f}" y="{height - 5}" fill="{INK}" '
        f'text-anchor="middle">{escape(across)}</text>'
    )
    back_to_front = sorted(shown, key=lambda s: not s.faint)
    parts += [_curve(s, [spot(x, y) for x, y in s.points]) for s in back_to_front]
    if legend:
        parts += _legend(named, width - right + 10, top)
    ends = ", ".join(
        f"{s.label} from {number(s.points[0][1])} to {number(s.points[-1][1])}" for s in named[:8]
    )
    return image(_svg("".join(parts), width, height), f"{title}: {ends}", width, height)


def _curve(series: Series, spots: Sequence[Point]) -> str:
    dashes = ' stroke-dasharray="5 3"' if series.dashed else ""
    opacity = ' stroke-opacity=".35"' if series.faint else ""
    return (
        f'<path d="{_path(spots)}" fill="none" stroke="{series.colour}" '
        f'stroke-width="{1 if series.faint else 1.8}" stroke-linejoin="round"{dashes}{opacity}/>'
    )


def _legend(series: Sequence[Series], left: float, top: float) -> list[str]:
    parts = []
    for row, s in enumerate(series):
        y = top + 4 + row * 15
        dashes = ' stroke-dasharray="5 3"' if s.dashed else ""
        parts.append(
            f'<path d="M{left:.0f} {y}h14" stroke="{s.colour}" stroke-width="2.4"{dashes}/>'
            f'<text x="{left + 19:.0f}" y="{y + 4}" fill="{INK}">'
            f"{escape(shortened(s.label, 24))}</text>"
        )
    return parts


def _svg(body: str, width: int, height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="system-ui,sans-serif" font-size="11">'
        f"{body}</svg>"
    )


def _path(spots: Sequence[Point]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in spots)


def _between(value: float, low: float, high: float, start: float, end: float) -> float:
    if high == low:
        return (start + end) / 2
    return start + (end - start) * (value - low) / (high - low)


def _thinned(points: Sequence[Point], most: int) -> list[Point]:
    """Keep at most about `most` points, the last among them; a mean stands for those left out."""
    known = [(x, y) for x, y in points if math.isfinite(y)]
    if len(known) <= most:
        return known
    step = math.ceil(len(known) / most)
    groups = [known[i : i + step] for i in range(0, len(known) - 1, step)]
    means = [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]
    return [known[0], *means[1:-1], known[-1]]


def _ticks(low: float, high: float) -> list[float]:
    """Choose three to five round values from `low` to `high`."""
    if low == high:
        return [low]
    rough = (high - low) / 3
    power = 10 ** math.floor(math.log10(rough))
    step = power * min((m for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.99), default=10)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _counts(low: float, high: float) -> list[int]:
    """Choose up to six round whole numbers from `low` to `high`."""
    step = max(high - low, 1) / 5
    power = 10 ** max(math.floor(math.log10(step)), 0)
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= step * 0.99)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [count * step for count in range(first, last + 1)]


def _is_wide(low: float, high: float) -> bool:
    """Tell whether values are so far apart that only their powers of ten can be told apart."""
    return low > 0 and high / low > 100


def _powers(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    step = max(1, math.ceil((last - first) / 4))
    return [10.0**power for power in range(first, last + step, step)]
