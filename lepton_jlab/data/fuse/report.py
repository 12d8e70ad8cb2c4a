"""What a fusion counted and changed, for people."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from lepton_jlab.data import preview

if TYPE_CHECKING:
    from lepton_jlab.data.fuse.fusion import Fusion

LINES = 5


def text(fusion: Fusion) -> str:
    """Write counts, what is done to arrays, how classes are mapped, and conflicts."""
    return "\n".join(_lines(fusion))


def html(fusion: Fusion) -> str:
    """Return the same, and samples of the result."""
    lines = "".join(f"<div>{escape(line)}</div>" for line in _lines(fusion))
    return f'{preview.STYLE}<div class="lepton-ds">{lines}</div>{fusion.dataset._repr_html_()}'


def _lines(fusion: Fusion) -> list[str]:
    width = max(len(one["name"]) for one in fusion.sources)
    lines = [
        f"{one['name']:<{width}} {one['samples']:>9,} samples, {one['duplicates']:,} of them in "
        f"an earlier source{_left(one['left_out'])}; {one['kept']:,} taken"
        for one in fusion.sources
    ]
    total = sum(one["samples"] - one["left_out"] for one in fusion.sources)
    lines.append(f"union {fusion.union:,} = {total:,} - {fusion.overlap:,} in common")
    lines.append(f"{fusion.dataset.name}: {len(fusion.dataset):,} samples")
    for array in fusion.alignment:
        changed = {name: steps for name, steps in array["steps"].items() if steps}
        for name, steps in changed.items():
            lines.append(f"{array['name']} of {name}: {'; '.join(steps)}")
    for one in fusion.sources:
        renamed = [
            f"{old} → {new or 'left out'}" for old, new in one["classes"].items() if old != new
        ]
        if renamed:
            lines.append(f"classes of {one['name']}: {', '.join(renamed)}")
    if fusion.conflicts:
        lines.append(f"{len(fusion.conflicts):,} samples have different labels:")
        lines += [
            f"  {c['index']} of {c['source']} is {c['label']}, "
            f"{c['other_index']} of {c['other_source']} is {c['other_label']}"
            for c in fusion.conflicts[:LINES]
        ]
    return lines + fusion.notes


def _left(count: int) -> str:
    return f", {count:,} of classes that are left out" if count else ""
