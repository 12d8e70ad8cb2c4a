"""Exports a version: makes it, holds it to the model on real samples, then puts it in place."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from lepton_jlab.errors import DataError, MissingDependencyError, UsageError, suggestion
from lepton_jlab.models import apart, places
from lepton_jlab.models.apart import Progress
from lepton_jlab.models.exporting import checking
from lepton_jlab.models.exporting.making import ANSWERS, CALIBRATION, CHECKED
from lepton_jlab.models.feeding import columns_of, ready
from lepton_jlab.models.samples import plain, spread
from lepton_jlab.models.version import EXPORTS, Version

To = Literal["litert", "onnx", "savedmodel", "edge"]
Quantize = Literal["none", "dynamic", "int8"]

_CHECKED = 2000  # samples on which an export is checked, at most
_CALIBRATION = 300  # others, from which int8 learns ranges
_ROOM = 256 << 20  # bytes of samples, at most
_SUFFIX = {"litert": ".tflite", "onnx": ".onnx"}
_NEEDS = {
    "litert": (("ai_edge_litert", "ai-edge-litert, which runs LiteRT models,"),),
    "onnx": (
        ("tf2onnx", "tf2onnx, which writes ONNX models,"),
        ("onnxruntime", "onnxruntime, which runs ONNX models,"),
    ),
}


@dataclass(frozen=True, slots=True)
class _Evidence:
    """Inputs by name to check by, others to calibrate, labels, and where they are from."""

    checked: Mapping[str, Any]
    calibration: Mapping[str, Any] | None
    labels: Any
    source: str


def export_model(
    name: str,
    to: To,
    *,
    version: int | None = None,
    quantize: Quantize = "none",
    samples: Any = None,
    max_loss: float = checking.MAX_LOSS,
    max_difference: float | None = None,
    out: str | os.PathLike[str] | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Export a model, and refuse what answers differently.

    Parameters
    ----------
    name : str
        The model.
    to : {"litert", "onnx", "savedmodel", "edge"}
        A LiteRT or ONNX file, kept with the version unless `out` is given; a folder for TensorFlow
        Serving; a folder that runs with Python, NumPy and the LiteRT runtime alone.
    version : int, optional
        Which; the promoted one when None.
    quantize : {"none", "dynamic", "int8"}
        For LiteRT and edge: weights as 8-bit integers (dynamic), activations too (int8).
    samples : Dataset, path, array or (x, y), optional
        Real samples to check by and, for int8, others to calibrate; labels give the accuracy. By
        default the dataset that the version was saved with, or its few stored samples.
    max_loss : float
        Share of accuracy that may be lost; where labels are not known, of classes that may change.
    max_difference : float, optional
        Largest difference of an answer, as a share of the largest answer. By default 0.001 without
        quantization; with it 0.1 (dynamic) and 0.2 (int8), where classes cannot be told.
    out : path, optional
        Folder for the result; of edge and savedmodel it is the folder itself, by default
        ``NAME-edge`` and ``NAME-savedmodel`` here.
    force : bool
        Replace what an earlier export wrote there.
    progress : callable, optional
        Called with what is being done, as text.

    Returns
    -------
    dict
        ``name`` of the export (``"litert-int8"``), ``file``, ``bytes``, and ``check``: samples,
        difference, changed, accuracy, accuracy_export, loss.

    Raises
    ------
    LeptonError
        If it cannot be converted, or is further from the model than allowed. Nothing is left then.
    MissingDependencyError
        If a converter or runtime is not installed.
    """
    say = progress or apart.silent
    chosen = Version.open(name, version)
    _check_wishes(to, quantize, max_loss)
    _check_installed(to)
    place, final = _place(chosen, to, quantize, out, force)
    evidence = _evidence(chosen, samples, quantize, say)
    with places.working() as work:
        _store(work / CHECKED, evidence.checked)
        if evidence.calibration is not None:
            _store(work / CALIBRATION, evidence.calibration)
        form = "litert" if to == "edge" else to
        result = work / "result"
        result.mkdir()
        file = result / (chosen.name + _SUFFIX[form] if form in _SUFFIX else str(chosen.number))
        say(0, 0, "Starting TensorFlow")
        arguments = {
            "model": str(chosen.folder),
            "inputs": chosen.inputs,
            "form": form,
            "quantize": quantize,
            "file": str(file),
            "work": str(work),
        }
        apart.call("lepton_jlab.models.exporting.making:make", arguments, say)
        with np.load(work / ANSWERS) as answers:
            sides: dict[str, dict[str, Any]] = {"original": {}, "export": {}}
            for key in answers.files:
                side, _, output = key.partition("/")
                sides[side][output] = answers[key]
        check = checking.compare(sides["original"], sides["export"], evidence.labels)
        checking.demand(check, quantize, max_loss, max_difference)
        facts: dict[str, Any] = {
            "name": final,
            "to": to,
            "quantize": quantize,
            "model": chosen.name,
            "version": chosen.number,
            "digest": chosen.digest,
            "created": time.time(),
            "file": file.name,
            "bytes": places.size_of(file) if file.is_dir() else file.stat().st_size,
            "samples": evidence.source,
            "check": check.to_dict(),
            "bounds": {"loss": max_loss, "difference": max_difference},
        }
        if file.is_file():
            facts["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
        if to == "edge":
            from lepton_jlab.models.exporting.edge import write_folder

            facts["file"] = write_folder(result, file, chosen, facts).name
        (result / "export.json").write_text(json.dumps(facts, indent=1) + "\n")
        places.sync(result)
        _put(result, place)
    return {**facts, "folder": str(place), "file": str(place / facts["file"])}


def _check_wishes(to: str, quantize: str, max_loss: float) -> None:
    for value, kind, option in ((to, To, "--to"), (quantize, Quantize, "--quantize")):
        if value not in get_args(kind):
            known = get_args(kind)
            raise UsageError(
                f"{option} {value}: it is one of {', '.join(known)}.{suggestion(value, known)}"
            )
    if quantize != "none" and to not in ("litert", "edge"):
        raise UsageError(f"--quantize is for litert and edge; {to} keeps the model's own numbers.")
    if not 0 <= max_loss <= 1:
        raise UsageError(f"--max-loss {max_loss:g}: it is a share, such as 0.01 for one percent.")


def _check_installed(to: str) -> None:
    form = "litert" if to == "edge" else to
    for module, what in _NEEDS.get(form, ()):
        if importlib.util.find_spec(module) is None:
            raise MissingDependencyError(what, form)
    if importlib.util.find_spec("tensorflow") is None:
        raise MissingDependencyError("TensorFlow, which converts models,", "cpu")


def _place(
    version: Version, to: str, quantize: str, out: str | os.PathLike[str] | None, force: bool
) -> tuple[Path, str]:
    """Return the folder that the export becomes, and what the export is called."""
    kind = to if quantize == "none" else f"{to}-{quantize}"
    if out is None and to in _SUFFIX:
        home = version.folder / EXPORTS
        home.mkdir(exist_ok=True)
        return home / kind, kind  # replaced by whoever exports again
    place = Path(out if out is not None else f"{version.name}-{to}").expanduser().absolute()
    if not place.parent.is_dir():
        raise DataError(f"The folder {place.parent} does not exist; make it first.")
    if place.exists() and any(place.iterdir() if place.is_dir() else [place]):
        if not (place / "export.json").is_file():
            raise DataError(f"{place} exists and is no export. Choose another folder: --out FOLDER")
        if not force:
            raise DataError(f"{place} exists already. Replace it with --force (force=True).")
    return place, kind


def _evidence(version: Version, samples: Any, quantize: str, say: Progress) -> _Evidence:
    """Read samples to check by, and others to calibrate."""
    stored = version.samples
    facts = version.record["samples"]
    source = samples if samples is not None else facts["dataset"]
    if samples is None and (source is None or not Path(source).exists()):
        if quantize == "int8":
            raise UsageError(
                "int8 has to see real samples to learn the ranges of activations. Give some: "
                "--samples DATASET (samples=…)."
            )
        told = "made-up samples" if facts["made_up"] else "the samples kept with the model"
        return _Evidence(stored.inputs, None, stored.labels, told)
    say(0, 0, "Reading samples")
    taken = version.raw_inputs
    found = columns_of(source, taken)
    count = len(found)
    each = sum(np.asarray(c[:1]).nbytes for c in found.columns.values()) if count else 0
    wanted = _CHECKED + (_CALIBRATION if quantize == "int8" else 0)
    rows = spread(max(min(wanted, _ROOM // max(each * 4, 1)), 2), count)
    if len(rows) < 2:
        raise DataError(f"{found.path or 'samples'} has {count} samples; give at least 2.")
    where = found.path or "samples"
    inputs, recipe = version.inputs, version.recipe
    calibration = None
    if quantize == "int8":  # those that it learns from do not judge it
        apart_ = np.zeros(len(rows), bool)
        apart_[spread(min(_CALIBRATION, len(rows) // 2), len(rows))] = True
        calibration = ready(found.rows(rows[apart_]), inputs, recipe, where)
        rows = rows[~apart_]
    checked = ready(found.rows(rows), inputs, recipe, where)
    return _Evidence(checked, calibration, found.labels_of(rows), where)


def _store(path: Path, arrays: Mapping[str, Any]) -> None:
    kept: dict[str, Any] = {name: plain(values) for name, values in arrays.items()}
    np.savez(path, **kept)


def _put(result: Path, place: Path) -> None:
    """Put a finished folder in its place, where it is seen when it is whole."""
    partial, aside = (place.with_name(f".{place.name}.{word}") for word in ("partial", "replaced"))
    for left in (partial, aside):  # by one who was killed
        shutil.rmtree(left, ignore_errors=True)
    shutil.move(result, partial)  # which may be to another disk
    if place.exists():
        place.rename(aside)
    partial.rename(place)
    shutil.rmtree(aside, ignore_errors=True)
