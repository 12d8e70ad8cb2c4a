"""What was fused, as it is told and taken apart again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lepton_jlab.data.dataset import Dataset
from lepton_jlab.data.describe import disk_bytes
from lepton_jlab.data.store import is_url
from lepton_jlab.errors import UsageError

SHOWN = 1000  # conflicts that a report lists


@dataclass(frozen=True)
class Fusion:
    """What was fused, and what of it was counted.

    Attributes
    ----------
    dataset
        The result.
    sources
        For each: name, path, samples, duplicates (samples that are in an earlier one), left_out
        (of classes mapped to nothing), kept, and classes, old to new names.
    overlap, union
        Samples of later sources that an earlier one has; and how many there are without them:
        the sum of all less the overlap.
    conflicts
        Samples of two sources that are the same and have different labels.
    alignment
        For each array what is done to that of each source.
    """

    dataset: Dataset
    sources: list[dict[str, Any]]
    overlap: int
    union: int
    conflicts: list[dict[str, Any]]
    alignment: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return it as ``data fuse --json`` prints it."""
        own = disk_bytes(Path(self.dataset.path))
        theirs = [disk_bytes(Path(s["path"])) for s in self.sources if not is_url(s["path"])]
        return {
            "path": self.dataset.path,
            "sources": self.sources,
            "overlap": self.overlap,
            "union": self.union,
            "samples": len(self.dataset),
            "conflicts": len(self.conflicts),
            "conflicting": self.conflicts[:SHOWN],
            "classes": self.dataset.classes,
            "arrays": self.alignment,
            "stored_bytes": own,
            "source_bytes": sum(theirs),
            "notes": self.notes,
        }

    def __repr__(self) -> str:
        from lepton_jlab.data.fuse.report import text

        return text(self)

    def _repr_html_(self) -> str:
        from lepton_jlab.data.fuse.report import html

        return html(self)


def by_source(dataset: Dataset) -> dict[str, Dataset]:
    """Return the parts of a fused dataset by the names of its sources, to be weighed in training.

    Examples
    --------
    >>> parts = [part.batches(64) for part in by_source(ds).values()]     # doctest: +SKIP
    >>> model.fit(lepton.mix(parts, [0.7, 0.3]))                          # doctest: +SKIP
    """
    fused = dataset._schema.get("fused")
    if fused is None or "source" not in dataset.arrays:
        raise UsageError(f"{dataset.path} is not fused of others.")
    where = dataset.arrays["source"][:]
    parts = {}
    for number, source in enumerate(fused["sources"]):
        own = np.flatnonzero(where == number)
        if len(own):
            parts[source["name"]] = dataset.select(own)
    return parts
