"""Exports of the quickstart's model: accuracy lost, differences, sizes, and memory at the edge."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.fresh import in_new_process
from benchmarks.report import TIMES, Figure, Result

_WISHES = (
    *(("litert", "none"), ("litert", "dynamic"), ("litert", "int8")),
    *(("onnx", "none"), ("savedmodel", "none"), ("edge", "int8")),
)
_PEAK = "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"


def measure(rounds: int, quick: bool) -> Result:  # noqa: ARG001 - nothing here is timed
    """Train it, export it in every form, and compare on test pictures."""
    exports, small, whole = in_new_process(_exported, quick)
    figures = []
    for name, check, size in exports:
        lost = 100 * check["loss"]
        figures.append(Figure(f"{name}: accuracy lost, in points", lost, "%", at_most=1.0))
        figures.append(Figure(f"{name}: size", size / 1e3, "kB"))
    share = small / whole
    figures.append(Figure("edge folder: memory against TensorFlow's", share, TIMES, at_most=0.2))
    check = exports[0][1]
    notes = [
        f"Accuracy of the model {check['accuracy']:.2%} on {check['samples']:,} test pictures of "
        "Fashion-MNIST; an export beyond its bound would have been refused. Largest differences: "
        + ", ".join(f"{name} {check['difference']:.2g}" for name, check, _ in exports)
        + f". Peaks of memory: edge {small / 1024:.0f} MiB, TensorFlow {whole / 1024:.0f} MiB."
    ]
    return Result(figures, {}, notes)


def _exported(quick: bool) -> tuple[list[tuple[str, Any, int]], int, int]:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import lepton_jlab as lepton
    from benchmarks.training_data import build

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        ds = lepton.import_dataset("fashion-mnist", path / "fashion.zarr")
        model = build()
        batches = ds.batches(64, shuffle=True)
        model.fit(batches.take(200) if quick else batches, epochs=1 if quick else 3, verbose=0)
        version = lepton.save_model(model, "quickstart", samples=ds["test"]).version()
        made = []
        for to, quantize in _WISHES:
            out = path / to if to in ("edge", "savedmodel") else None
            facts = lepton.export_model("quickstart", to, quantize=quantize, out=out)
            made.append((facts["name"], facts["check"], facts["bytes"]))
        edge = f"from model import Model; m = Model(); m.predict(m.samples()); {_PEAK}"
        tensorflow = (
            "import numpy as np, tensorflow as tf; "
            f"served = tf.saved_model.load({str(version.folder)!r}).signatures['serving_default']; "
            f"served(x=tf.constant(np.ones((16, 28, 28, 1), 'float32'))); {_PEAK}"
        )
        return made, _peak(edge, path / "edge"), _peak(tensorflow, path)


def _peak(code: str, folder: Path) -> int:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    return int(done.stdout)
