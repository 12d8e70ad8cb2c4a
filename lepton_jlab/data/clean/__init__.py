"""Cleaning: looks for faults in a dataset, lists them, and writes it without them."""

from __future__ import annotations

from lepton_jlab.data.clean.cleaning import clean
from lepton_jlab.data.clean.findings import KINDS, Finding, Findings

__all__ = ["KINDS", "Finding", "Findings", "clean"]
