"""What the ways of streaming are called in results, tables and plots."""

from __future__ import annotations

FLOOR = "floor"
LEPTON = "Lepton"
LEPTON_FIRST = "Lepton, first epoch"
TENSORSTORE = "tensorstore"
ZARR = "zarr-python by chunk"
RECORDS = "TFRecord"
GZIP = "TFRecord, GZIP"
MEMORY = "tf.data from memory"
MEMORY_FIRST = "tf.data from memory, first epoch"
GATHERED = "tf.data from memory, gathered by batch"
NAIVE = "generator of single samples"

STORED = (LEPTON, LEPTON_FIRST, TENSORSTORE, ZARR)  # those that read Zarr, of each layout
OTHERS = (RECORDS, GZIP, MEMORY_FIRST, MEMORY, GATHERED)


def named(kind: str, way: str, layout: str = "") -> str:
    """Return the name under which an epoch in this way is kept."""
    return f"{kind}: {way}; {layout}" if layout else f"{kind}: {way}"
