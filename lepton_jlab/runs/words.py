"""How sizes, durations and numbers are written wherever a person reads them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any


def size(count: int) -> str:
    """Write a number of bytes.

    >>> size(47_040_080), size(312)
    ('47.0 MB', '312 bytes')
    """
    if count < 1000:
        return f"{count} bytes"
    amount = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        amount /= 1000
        if amount < 999.95 or unit == "TB":
            break
    return f"{amount:.1f} {unit}"


def duration(seconds: float) -> str:
    """Write a time span in the two units that matter.

    >>> duration(0.84), duration(75), duration(7500)
    ('0.8 s', '1 min 15 s', '2 h 05 min')
    """
    if seconds < 59.95:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def number(value: Any) -> str:
    """Write a metric or a parameter with as many digits as a comparison needs.

    >>> number(0.312345), number(1e-05), number(12), number("relu")
    ('0.3123', '1e-05', '12', 'relu')
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.4g}"


def numbers(values: Sequence[Any]) -> list[str]:
    """Write the values of one column, all with as many decimals as the one that needs most.

    >>> numbers([0.325, 0.34041, ""]), numbers([1e-05, 0.5])
    (['0.3250', '0.3404', ''], ['1e-05', '0.5'])
    """
    texts = [number(value) for value in values]
    floats = {i for i, v in enumerate(values) if isinstance(v, float) and math.isfinite(v)}
    decimals = max((len(texts[i].partition(".")[2]) for i in floats), default=0)
    if decimals > 6 or any("e" in texts[i] for i in floats):
        return texts
    return [f"{values[i]:.{decimals}f}" if i in floats else text for i, text in enumerate(texts)]


def moment(when: float, now: float) -> str:
    """Write a time as the clock shows it, with the date unless it is today's."""
    there, here = datetime.fromtimestamp(when), datetime.fromtimestamp(now)
    return f"{there:%H:%M}" if there.date() == here.date() else f"{there:%Y-%m-%d %H:%M}"


def shortened(text: str, width: int) -> str:
    """Cut `text` to `width` characters, with an ellipsis for what is gone."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"
