"""What the program in an edge folder says of answers."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

import lepton_jlab


def test_of_equal_scores_the_first_class_is_named_as_argmax_does():
    pytest.importorskip("ai_edge_litert")
    files = Path(lepton_jlab.__file__).parent / "models" / "exporting" / "edge" / "files"
    model = object.__new__(runpy.run_path(str(files / "model.py"))["Model"])
    model.facts = {"classes": [f"class {i}" for i in range(20)]}
    scores = np.repeat([[0.1, 0.5], [0.5, 0.5]], 10, axis=1).astype("f4")
    first = [[best["class"] for best in row] for row in model.describe(scores)]
    assert first == [["class 10", "class 11", "class 12"], ["class 0", "class 1", "class 2"]]
