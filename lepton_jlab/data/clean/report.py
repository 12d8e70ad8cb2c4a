"""Findings as a person reads them: counts and reasons, with pictures where there are images."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data import preview
from lepton_jlab.data.clean.scan import inputs_of, picture_of, texts_of
from lepton_jlab.errors import LeptonError

if TYPE_CHECKING:
    from lepton_jlab.data.clean.findings import Finding, Findings

EXAMPLES = 8  # of each kind
LINES = 3
MEANS = {
    "label": "labels that are probably wrong",
    "duplicate": "the same as an earlier sample",
    "near-duplicate": "nearly the same as an earlier sample",
    "leakage": "also in a dataset inside, such as test",
    "nonfinite": "values that are NaN or infinite",
    "constant": "nothing but one value",
    "broken": "noise, a part missing, no text, lost characters",
    "outlier": "far from all others (kept by apply unless asked for)",
    "schema": "values that break a rule",
}
STYLE = """<style>.lepton-ds .found{margin:10px 0 2px}.lepton-ds .found b{margin-right:6px}
.lepton-ds figure.pair{width:148px}.lepton-ds figure.pair img{display:inline-block}
.lepton-ds .reason{white-space:normal;font-size:10px;line-height:1.3}</style>"""


def text(findings: Findings) -> str:
    """Write the counts, and of each kind the first few."""
    count, about = len(findings), len(findings.indices())
    name = findings.dataset.name
    lines = [
        f"{name}: {count:,} findings about {about:,} of {len(findings.dataset):,} samples"
        if count
        else f"{name}: nothing found in {len(findings.dataset):,} samples"
    ]
    width = max(map(len, MEANS))
    for kind, number in findings.counts.items():
        lines.append(f"  {kind:<{width}} {number:>7,}  {MEANS[kind]}")
        lines += [f"  {'':<{width}} {'':>7}  · {_line(one)}" for one in findings.of(kind)[:LINES]]
    return "\n".join([*lines, *findings.notes])


def _line(one: Finding) -> str:
    place = "" if one.index is None else f"{one.index}: "
    return f"{place}{one.reason} ({one.score:.2f})"


def html(findings: Findings) -> str:
    """Return the same with pictures of the first of each kind."""
    dataset = findings.dataset
    about = f"{len(findings):,} findings about {len(findings.indices()):,} samples"
    of_all = f"{about} of {len(dataset):,}"
    parts = [f'<div><b>{escape(dataset.name)}</b> <span class="dim">{of_all}</span></div>']
    for kind, number in findings.counts.items():
        head = f'<b>{kind}: {number:,}</b><span class="dim">{escape(MEANS[kind])}</span>'
        parts.append(f'<div class="found">{head}</div>')
        if number:
            try:
                parts.append(_examples(findings, findings.of(kind)[:EXAMPLES]))
            except LeptonError as error:  # a broken chunk must not hide the rest
                parts.append(f'<div class="dim">{escape(str(error))}</div>')
    parts += [f'<div class="dim">{escape(note)}</div>' for note in findings.notes]
    return f'{preview.STYLE}{STYLE}<div class="lepton-ds">{"".join(parts)}</div>'


def _examples(findings: Findings, some: Sequence[Finding]) -> str:
    picture = picture_of(findings.dataset)
    if not picture:
        return _table(findings, some)
    figures = []
    for one in some:
        if one.index is None:
            figures.append(f'<div class="reason">{escape(one.reason)}</div>')
            continue
        dataset = findings.dataset
        shown = [dataset.arrays[picture][one.index]]
        if one.other is not None:
            place: Any = dataset
            for name in filter(None, one.part.split("/")):
                place = place[name]
            shown.append(place.arrays[picture][one.other])
        kind = "pair" if len(shown) > 1 else "single"
        drawn = "".join(_image(image) for image in shown)
        caption = f"<figcaption>{one.index} · {one.score:.2f}</figcaption>"
        reason = f'<div class="reason">{escape(one.reason)}</div>'
        figures.append(f'<figure class="{kind}">{drawn}{caption}{reason}</figure>')
    return f'<div class="pictures">{"".join(figures)}</div>'


def _image(image: Any) -> str:
    finite = image[np.isfinite(image)]
    low, high = (0.0, 255.0) if image.dtype == np.uint8 else (0.0, 1.0)
    if image.dtype != np.uint8 and len(finite):
        low, high = float(finite.min()), float(finite.max())
    src = base64.b64encode(preview.png(image, low, high)).decode()
    return f'<img src="data:image/png;base64,{src}" alt="">'


def _table(findings: Findings, some: Sequence[Finding]) -> str:
    """Show values instead of pictures."""
    dataset = findings.dataset
    names = list(dict.fromkeys([*inputs_of(dataset), *texts_of(dataset)]))
    header = "".join(f"<th>{escape(name)}</th>" for name in ["sample", *names, "reason", "score"])
    rows = [f"<tr>{header}</tr>"]
    for one in some:
        values = [""] * len(names)
        if one.index is not None:
            values = [preview.values(dataset.arrays[name][one.index]) for name in names]
        number = "" if one.index is None else f"{one.index:,}"
        cells = [number, *values, one.reason, f"{one.score:.2f}"]
        rows.append(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>")
    return f"<table>{''.join(rows)}</table>"
