"""Preprocessing: recipes that are applied to batches in training and in serving alike."""

from __future__ import annotations

from lepton_jlab.data.prepare.recipe import Recipe

__all__ = ["Recipe"]
