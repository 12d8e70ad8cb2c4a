"""Serving cells: functions of a notebook's cell, or of a file, as typed HTTP handlers."""

from lepton_jlab.models.serving.cells.marks import batched
from lepton_jlab.models.serving.cells.putting import serve_cell

__all__ = ["batched", "serve_cell"]
