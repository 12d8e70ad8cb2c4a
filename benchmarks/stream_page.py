"""The table and the plot of streaming; `python -m benchmarks.stream_page` makes them anew."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import page
from benchmarks.rounds import Samples, ratio
from benchmarks.stream_data import CODECS, KINDS, SHARDS
from benchmarks.stream_names import FLOOR, LEPTON, NAIVE, OTHERS, STORED, named

PLOT = page.DOCS / "streaming.png"

_LAYOUTS = [name + suffix for name in CODECS.values() for suffix in SHARDS.values()]
_COLOURS = {LEPTON: "#2563c9", STORED[2]: "#e9a23b", STORED[3]: "#c9b79c"}
_GREYS = ("#6f7680", "#9aa1aa", "#4d8a78", "#4d8a78", "#4d8a78")  # of those that read no Zarr
_SHORT = ("TFRecord", "TFRecord\nGZIP", "memory\n1st epoch", "memory\nlater", "memory\ngathered")


def write(samples: Samples) -> None:
    """Put the table into the page and the plot beside it."""
    page.put("stream", _lines(samples))
    draw(samples, PLOT)


def _rate(samples: Samples, kind: str, way: str, layout: str = "") -> float:
    """Return MB/s of decoded samples."""
    size = KINDS[kind].samples * KINDS[kind].sample_bytes
    return size / statistics.median(samples[named(kind, way, layout)]) / 1e6


# ---- the table


def _lines(samples: Samples) -> Iterator[str]:
    for kind, about in KINDS.items():
        rate = partial(_rate, samples, kind)
        rows = [[way, *(f"{rate(way, one):,.0f}" for one in _LAYOUTS)] for way in (FLOOR, *STORED)]
        shares = [
            ratio(samples, named(kind, FLOOR, one), named(kind, LEPTON, one)) for one in _LAYOUTS
        ]
        rows.insert(2, ["Lepton, share of the floor", *(f"{share:.2f}" for share in shares)])
        yield ""
        yield from page.table([f"{about.title}, MB/s", *_LAYOUTS], rows)
    yield ""
    head = ["without Zarr, MB/s", *(kind.title for kind in KINDS.values())]
    rows = [[way, *(_few(_rate(samples, kind, way)) for kind in KINDS)] for way in (*OTHERS, NAIVE)]
    rows[-1][0] += " (reads Blosc-lz4)"
    yield from page.table(head, rows)
    yield ""


def _few(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


# ---- the plot


def draw(samples: Samples, path: Path) -> None:
    """Draw a row of bars for each kind of samples; the floor is a line over each layout."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 9), layout="constrained")
    for axes, kind in zip(figure.subplots(len(KINDS), 1), KINDS, strict=True):
        _draw_kind(axes, samples, kind)
    figure.axes[0].legend(
        loc="upper right", ncols=4, frameon=False, fontsize=9, bbox_to_anchor=(1.0, 1.17)
    )
    figure.savefig(path, dpi=130)


def _draw_kind(axes: Any, samples: Samples, kind: str) -> None:
    rate = partial(_rate, samples, kind)
    width = 0.84 / len(_COLOURS)
    for number, layout in enumerate(_LAYOUTS):
        for place, (way, colour) in enumerate(_COLOURS.items()):
            at, height = number - 0.42 + (place + 0.5) * width, rate(way, layout)
            axes.bar(at, height, width * 0.94, color=colour, label=None if number else way)
            if way == LEPTON:  # within the bar, or it would meet the line of the floor
                _write(axes, at, height, -4, va="top", rotation=90, color="white", weight="bold")
        label = None if number else "floor: decode and copy"
        ends = number - 0.45, number + 0.45
        axes.hlines(rate(FLOOR, layout), *ends, color="black", lw=1.6, label=label)
    places = [len(_LAYOUTS) + 0.3 + 0.7 * number for number in range(len(OTHERS))]
    for at, way, colour in zip(places, OTHERS, _GREYS, strict=True):
        axes.bar(at, rate(way), 0.5, color=colour)
        _write(axes, at, rate(way), 2, va="bottom")
    axes.axvline(len(_LAYOUTS) - 0.3, color="#bbbbbb", lw=0.8, ls=":")
    names = [*(one.replace(", ", "\n") for one in _LAYOUTS), *_SHORT]
    axes.set_xticks([*range(len(_LAYOUTS)), *places], names, fontsize=8.5)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.6, places[-1] + 0.45)
    axes.margins(y=0.09)
    axes.set_ylabel("MB/s decoded")
    title = f"{KINDS[kind].title}, {KINDS[kind].sample_bytes:,} bytes a sample"
    axes.set_title(title, loc="left", fontsize=10.5, fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _write(axes: Any, at: float, height: float, points: int, **how: Any) -> None:
    """Write the height of a bar, so many points above its end."""
    where = {"xytext": (0, points), "textcoords": "offset points", "ha": "center"}
    axes.annotate(f"{height:,.0f}", (at, height), **where, fontsize=7.5, **how)


if __name__ == "__main__":
    kept = json.loads((Path(__file__).parent / "results.json").read_text())
    write(kept["stream"]["samples"])
