"""Small pictures of quantities: bars, and strips of their last minutes.

Live, they are inline SVG in the colours of the page's theme; in a saved notebook they are images,
which no sanitiser takes away (FRONTEND: an inline ``<svg>`` is stripped).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from lepton_jlab.runs.views.curve import COLOURS, image

BLUE, ORANGE, GREEN, VIOLET, RED, TEAL = COLOURS[:6]
WIDTH, HEIGHT = 196, 34
_MOST = 120  # points of a strip

Values = Sequence[float | None]


def strip(
    values: Values,
    label: str,
    colour: str = BLUE,
    *,
    across: int | None = None,
    ceiling: float | None = None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    still: bool = False,
) -> str:
    """Draw the course of a quantity as a filled line; nothing where it was not known.

    Parameters
    ----------
    values
        One a moment, the newest last.
    label
        What it is, for those who cannot see it.
    across
        How many values the width has room for; by default as many as there are.
    ceiling
        The value at the upper edge; without it the greatest of `values`.
    still
        For a saved notebook: an image.
    """
    width, height = size
    group = max(math.ceil((across or len(values)) / _MOST), 1)
    places = math.ceil((across or len(values)) / group)
    thinned = _thinned(values, group)
    known = [v if v is not None and math.isfinite(v) else None for v in thinned]
    top = ceiling or max((v for v in known if v is not None), default=0.0) or 1.0
    step = width / max(places - 1, 1)
    parts = [
        f'<path d="M0 {height - 0.5}H{width}" stroke="{colour}" stroke-opacity=".35"/>',
        *(_line(piece, top, colour, height) for piece in _pieces(known, step, width)),
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
    drawn = f'viewBox="0 0 {width} {height}" preserveAspectRatio="none">{"".join(parts)}</svg>'
    if still:
        return image(f"{head} {drawn}", label, width, height)
    return f'{head} role="img" aria-label="{escape(label)}" {drawn}'


def bar(share: float | None, label: str, colour: str = BLUE, *, scarce: bool = False) -> str:
    """Draw how much is in use; of what is `scarce` it turns red where little is left."""
    if share is None:
        return ""
    shown = min(max(share, 0.0), 1.0)
    if scarce and shown > 0.92:
        colour = RED
    return (
        f'<span role="img" aria-label="{escape(label)}" style="display:block;height:5px;'
        'border-radius:3px;background:rgba(128,128,128,.22);overflow:hidden">'
        f'<span style="display:block;height:5px;width:{shown:.1%};background:{colour}"></span>'
        "</span>"
    )


def _thinned(values: Values, group: int) -> Values:
    """Keep the greatest value of each group; the newest group is whole."""
    groups = (values[max(end - group, 0) : end] for end in range(len(values), 0, -group))
    return [max((v for v in g if v is not None), default=None) for g in groups][::-1]


def _pieces(values: Values, step: float, width: int) -> list[list[tuple[float, float]]]:
    """Return the known stretches as points (x, value); the newest is at the right edge."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append((width - (len(values) - 1 - place) * step, value))
    return [piece for piece in pieces if len(piece) > 1]


def _line(piece: Sequence[tuple[float, float]], top: float, colour: str, height: int) -> str:
    spots = [(x, height - 1 - min(max(y / top, 0.0), 1.0) * (height - 3)) for x, y in piece]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in spots)
    return (
        f'<path d="M{spots[0][0]:.1f} {height}L{path}L{spots[-1][0]:.1f} {height}Z" '
        f'fill="{colour}" fill-opacity=".16"/>'
        f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.5" '
        'stroke-linejoin="round"/>'
    )
