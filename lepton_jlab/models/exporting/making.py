"""The part of an export that needs TensorFlow, in a process of its own: convert, ask both sides."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lepton_jlab.errors import LeptonError
from lepton_jlab.models.apart import Progress
from lepton_jlab.models.version import Tensor

CHECKED, CALIBRATION, ANSWERS = "checked.npz", "calibration.npz", "answers.npz"

_BATCH = 64  # samples asked at a time
_PARTS = ("saved_model.pb", "fingerprint.pb", "variables", "assets")


def make(
    model: str,
    inputs: Sequence[Tensor],
    form: str,
    quantize: str,
    file: str,
    work: str,
    progress: Progress,
) -> None:
    """Write the export, and what the model and the export answer to the samples.

    Parameters
    ----------
    model
        Folder of the SavedModel.
    form : {"litert", "onnx", "savedmodel"}
        What to make.
    file
        Where.
    work
        Folder with the samples, which gets the answers.
    """
    from lepton_jlab.models import signature

    source, made, folder = Path(model), Path(file), Path(work)
    checked = _load(folder / CHECKED)
    calibrating = folder / CALIBRATION
    progress(0, 0, f"Converting to {form}")
    if form == "litert":
        from lepton_jlab.models.exporting import litert

        calibration = _load(calibrating) if calibrating.exists() else None
        litert.convert(source, made, quantize, calibration)
        runner: Callable[[Any], Any] = litert.Runner(made)
    elif form == "onnx":
        from lepton_jlab.models.exporting import onnx

        onnx.convert(source, made, inputs)
        runner = onnx.Runner(made)
    else:
        for part in _PARTS:
            if (source / part).is_dir():
                shutil.copytree(source / part, made / part)
            elif (source / part).exists():
                made.mkdir(exist_ok=True)
                shutil.copyfile(source / part, made / part)
        copied = signature.open_signature(made)

        def runner(batch: Any) -> Any:
            return signature.run(copied, batch)

    function = signature.open_signature(source)
    original = _ask(lambda batch: signature.run(function, batch), checked, "The model", progress)
    export = _ask(runner, checked, "The export", progress)
    answers: dict[str, Any] = {f"original/{name}": values for name, values in original.items()}
    answers |= {f"export/{name}": values for name, values in export.items()}
    np.savez(folder / ANSWERS, **answers)


def _ask(
    runner: Callable[[Any], Mapping[str, Any]],
    samples: Mapping[str, Any],
    who: str,
    progress: Progress,
) -> dict[str, Any]:
    """Return all answers to samples, asked a batch at a time."""
    count = len(next(iter(samples.values())))
    parts: dict[str, list[Any]] = {}
    for start in range(0, count, _BATCH):
        progress(start, count, f"{who} answers samples")
        batch = {name: values[start : start + _BATCH] for name, values in samples.items()}
        try:
            answers = runner(batch)
        except Exception as error:
            first = next(iter(str(error).splitlines()), type(error).__name__)[:300]
            raise LeptonError(f"{who} fails on samples: {first}") from error
        for name, values in answers.items():
            parts.setdefault(name, []).append(np.array(values))
    return {name: np.concatenate(values) for name, values in parts.items()}


def _load(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return {n: v.astype(object) if v.dtype.kind in "SU" else v for n, v in arrays.items()}
