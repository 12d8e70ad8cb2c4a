"""Fusing: several datasets as one without copying them, by union or by keys."""

from __future__ import annotations

from lepton_jlab.data.fuse.fusing import fuse
from lepton_jlab.data.fuse.fusion import Fusion, by_source
from lepton_jlab.data.fuse.joining import join

__all__ = ["Fusion", "by_source", "fuse", "join"]
