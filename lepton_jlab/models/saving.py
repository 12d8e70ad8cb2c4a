"""Saves a model as a new version: its Keras file, a SavedModel, samples, and a record of it all."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lepton_jlab.errors import DataError, LeptonError, UsageError
from lepton_jlab.models import apart, places, promotion, recipes
from lepton_jlab.models.apart import Progress
from lepton_jlab.models.feeding import Found, columns_of, ready
from lepton_jlab.models.origin import origin_of
from lepton_jlab.models.registry import Model
from lepton_jlab.models.samples import COUNT, Samples, spread
from lepton_jlab.models.version import KERAS, RECORD, Tensor, Version

_TOLD = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "lepton_jlab")  # packages in the record
_FREE = 32  # how long a free axis is in inputs that are made up


def save_model(
    what: Any,
    name: str,
    note: str | None = None,
    samples: Any = None,
    progress: Progress | None = None,
    *,
    value: str | None = None,
    preprocessing: Any = None,
    classes: Sequence[str] | None = None,
    promote: bool = False,
) -> Model:
    """Save a model as a new version of `name`.

    The first version is promoted; a later one when `promote` says so, or by ``Model.promote``.

    Parameters
    ----------
    what : Run, keras.Model, str or path
        A run that kept a model (``--pull model``), its id or name; a Keras model; a ``.keras`` or
        HDF5 file.
    name : str
        What to call it: letters, digits, ``.``, ``_``, ``-``.
    note : str, optional
        A remark to find in listings.
    samples : Dataset, path, array, (x, y) or dict of arrays, optional
        Where a few sample inputs come from, and the names of the classes. When None, those of the
        version before, where they fit; else they are made up.
    progress : callable, optional
        Called with done, of how many (0: not known), and what is done now.
    value : str, optional
        Which of a run's values, where it kept several models.
    preprocessing : object, optional
        What prepares raw samples, shape ``(batch, …)``, for the model; it travels with it. See
        `lepton_jlab.models.recipes`. By default the recipe of the dataset given as `samples`.
    classes : sequence of str, optional
        Names of the classes; by default those of `samples`.
    promote : bool
        Make the new version the one to use.

    Returns
    -------
    Model

    Raises
    ------
    UsageError, NotFoundError
        If something named cannot be. Nothing was saved.
    LeptonError
        If the model cannot be loaded or written. Nothing was saved.

    Examples
    --------
    >>> lepton.save_model("r17", "fashion", samples="fashion.zarr")  # doctest: +SKIP
    """
    save_version(
        what,
        name,
        note,
        samples,
        progress,
        value=value,
        preprocessing=preprocessing,
        classes=classes,
        promote=promote,
    )
    return Model(name)


def save_version(
    what: Any,
    name: str,
    note: str | None = None,
    samples: Any = None,
    progress: Progress | None = None,
    *,
    value: str | None = None,
    preprocessing: Any = None,
    classes: Sequence[str] | None = None,
    promote: bool = False,
) -> Version:
    """Do what `save_model` does and return the new version."""
    say = progress or apart.silent
    places.check_name(name)
    origin = origin_of(what, value)
    found = None if samples is None else columns_of(samples)
    recipe = recipes.stored(preprocessing or (found and found.recipe))
    with places.adding(name) as new:
        taken, known = _inherited(name) if found is None else (take(found), found.classes)
        if taken is not None:
            taken.save(new.folder)
        arguments: dict[str, Any] = {
            "folder": str(new.folder),
            "preprocessing": recipe,
            "given": "" if taken is None else "inherited" if found is None else "given",
            "classes": list(classes) if classes is not None else None,
            "known_classes": known,
        }
        if origin.file is None:
            made = write(origin.model, **arguments, progress=say)
            origin.model.save(new.folder / KERAS)  # it may know its shapes only now
        else:
            arguments["file"] = str(origin.file)
            if apart.here():
                made = write_file(**arguments, progress=say)
            else:
                say(0, 0, "Starting TensorFlow")
                made = apart.call(f"{__name__}:write_file", arguments, say)
        made["samples"]["dataset"] = found and found.path
        record = {
            "name": name,
            "created": time.time(),
            "note": note,
            "run": None,
            "metrics": {},
            "params": {},
            "source": origin.source,
            **origin.facts,
            **made,
            "preprocessing": recipe,
            "environment": {
                **_environment(new.folder),
                "run": origin.facts.get("environment"),
            },
            "digest": _digest(new.folder),
            "bytes": places.size_of(new.folder),
        }
        (new.folder / RECORD).write_text(json.dumps(record, indent=1) + "\n")
        number = new.publish()
    if promote or places.numbers(name) == [number]:
        promotion.promote(name, number)
    return Version.open(name, number)


def take(found: Found, count: int = COUNT) -> Samples:
    """Return a few samples, evenly spread, as they are stored.

    Raises
    ------
    UsageError
        If there are none.
    """
    if not found.columns or not len(found):
        raise UsageError(f"{found.path or 'samples'} has no samples of what a model takes.")
    rows = spread(count, len(found))
    return Samples(found.rows(rows), labels=found.labels_of(rows))


def _inherited(name: str) -> tuple[Samples | None, list[str] | None]:
    """Return the samples, as they were given, and the classes of the newest version."""
    for number in places.numbers(name)[-1:]:
        before = Version.open(name, number)
        if not before.record["samples"]["made_up"]:
            held = before.samples
            return Samples(held.raw or held.inputs, labels=held.labels), before.classes
    return None, None


def write_file(file: str, folder: str, progress: Progress, **rest: Any) -> dict[str, Any]:
    """Save a Keras file into a folder, here or in a process of its own."""
    from lepton_jlab.models.loading import load_keras

    path = Path(file)
    model = load_keras(path, path.name)
    if path.suffix == ".keras":
        shutil.copyfile(path, Path(folder) / KERAS)
    else:
        model.save(Path(folder) / KERAS)
    return write(model, folder, progress=progress, **rest)


def write(
    model: Any,
    folder: str,
    preprocessing: Mapping[str, Any] | None,
    given: Literal["given", "inherited", ""],
    classes: list[str] | None,
    known_classes: list[str] | None,
    progress: Progress,
) -> dict[str, Any]:
    """Write the SavedModel and the samples into a folder; return what is to be recorded.

    Parameters
    ----------
    model
        A Keras model.
    given
        Whether ``samples.npz`` with raw samples is in the folder; those of the version before are
        left out where they do not fit.
    classes, known_classes
        Names of the classes: given, and as the dataset of samples has them.
    """
    from lepton_jlab.models import signature
    from lepton_jlab.models.loading import keras_here

    keras_here()
    where = Path(folder)
    recipe = recipes.restored(preprocessing)
    stored = Samples.load(where) if given else None
    inputs = signature.inputs_of(model, recipes.through(recipe, stored.inputs) if stored else None)
    samples = None
    if stored is not None:
        try:
            samples = _matched(stored, inputs, recipe)
        except DataError:
            if given == "given":
                raise
    progress(0, 0, "Writing the SavedModel")
    outputs = signature.write(model, inputs, where)
    progress(0, 0, "Asking it for its samples")
    made_up = samples is None
    samples = samples or Samples(_made_up(inputs))
    function = signature.open_signature(where)
    try:
        answers = signature.run(function, samples.inputs)
    except Exception as error:
        first_line = next(iter(str(error).splitlines()), type(error).__name__)[:300]
        raise LeptonError(f"The model fails on sample inputs: {first_line}") from error
    replace(samples, outputs=answers).save(where)
    raw = [_tensor(name, values) for name, values in samples.raw.items()]
    return {
        "inputs": inputs,
        "raw_inputs": raw or None,
        "outputs": outputs,
        "classes": _classes(classes, known_classes, outputs),
        "parameters": int(model.count_params()),
        "samples": {"count": len(samples), "made_up": made_up},
    }


def _matched(given: Samples, inputs: list[Tensor], recipe: Any) -> Samples:
    columns = columns_of(dict(given.inputs), inputs).rows(np.arange(len(given)))
    return Samples(
        ready(columns, inputs, recipe, "The samples"),
        raw={} if recipe is None else columns,
        labels=given.labels,
    )


def _made_up(inputs: Sequence[Tensor]) -> dict[str, Any]:
    random = np.random.default_rng(0)
    made: dict[str, Any] = {}
    for tensor in inputs:
        shape = (COUNT, *(size or _FREE for size in tensor["shape"][1:]))
        if tensor["dtype"] == "string":
            made[tensor["name"]] = np.full(shape, "", dtype=object)
        elif tensor["dtype"].startswith(("float", "bfloat")):
            made[tensor["name"]] = random.random(shape).astype(tensor["dtype"])
        else:
            made[tensor["name"]] = np.zeros(shape, tensor["dtype"])
    return made


def _tensor(name: str, values: Any) -> Tensor:
    dtype = "string" if values.dtype.kind in "OTUS" else str(values.dtype)
    return Tensor(name=name, shape=[None, *values.shape[1:]], dtype=dtype)


def _classes(
    given: list[str] | None, known: list[str] | None, outputs: Sequence[Tensor]
) -> list[str] | None:
    """Return the names of the classes if there is one for each that the model tells apart."""
    last = outputs[0]["shape"][-1] if len(outputs) == 1 else None
    count = 2 if last == 1 else last
    if given is not None and len(given) != count:
        raise UsageError(f"{len(given)} classes are given; the model tells {count} apart.")
    names = given or known
    return names if names and len(names) == count else None


def _environment(folder: Path) -> dict[str, Any]:
    """Return Python and what matters most; write all packages as pip does."""
    installed = {
        d.metadata["Name"]: d.version for d in importlib.metadata.distributions() if d.metadata
    }
    lines = (f"{name}=={installed[name]}\n" for name in sorted(installed, key=str.lower))
    (folder / "environment.txt").write_text("".join(lines))
    told = {n: v for n, v in installed.items() if n.replace("_", "-") in map(_dashed, _TOLD)}
    return {"python": platform.python_version(), "system": platform.platform(), "packages": told}


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _digest(folder: Path) -> str:
    """Return one SHA-256 for the files of the SavedModel."""
    digest = hashlib.sha256()
    paths = [folder / "saved_model.pb", *sorted((folder / "variables").rglob("*"))]
    paths += sorted(path for path in (folder / "assets").rglob("*") if path.is_file())
    for path in paths:
        digest.update(os.fspath(path.relative_to(folder)).encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
