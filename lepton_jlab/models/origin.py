"""What is to be saved: a run's value, a Keras model of the notebook, or a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_jlab.errors import NotFoundError, RunError, UsageError, suggestion

if TYPE_CHECKING:
    from lepton_jlab.runs.run import Run

FILES = (".keras", ".h5", ".hdf5")


@dataclass(frozen=True, slots=True)
class Origin:
    """A model on its way into the registry: as an object, or as a file.

    Attributes
    ----------
    model, file
        One of them.
    source
        What the record says it came from.
    facts
        Of the run that made it: ``run``, ``metrics``, ``params``, ``environment``.
    """

    source: str
    model: Any = None
    file: Path | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def origin_of(what: Any, value: str | None = None) -> Origin:
    """Find the model that `what` means.

    Parameters
    ----------
    what
        A run, ``"r17"`` or a run's name; a Keras model; a ``.keras`` or HDF5 file.
    value
        Which of a run's values, where it kept several models.

    Raises
    ------
    UsageError
        If it means no model, or several.
    NotFoundError
        If there is no such run or file.
    """
    from lepton_jlab.runs.run import Run
    from lepton_jlab.runs.sweep import Sweep

    keras = sys.modules.get("keras")
    if keras is not None and isinstance(what, getattr(keras, "Model", ())):
        return Origin(f"a {type(what).__name__} of the notebook", model=what)
    if isinstance(what, os.PathLike) or (isinstance(what, str) and _is_file(what)):
        return _of_file(Path(what).expanduser().absolute())
    if isinstance(what, str):
        from lepton_jlab.runs.lookup import run

        what = run(what)
    if isinstance(what, Sweep):
        some = ", ".join(run.id for run in what[:3])
        raise UsageError(
            f"{what.id} is a sweep of {len(what)} runs ({some}, …). Save one of them; which is best"
            f" says %lepton runs best METRIC {what.id}"
        )
    if isinstance(what, Run):
        return _of_run(what, value)
    raise UsageError(
        f"A {type(what).__name__} cannot be saved as a model. Give a run, a Keras model, or a "
        ".keras file."
    )


def _is_file(text: str) -> bool:
    return text.endswith(FILES) or os.sep in text


def _of_file(path: Path) -> Origin:
    if path.is_dir():
        raise UsageError(f"{path} is a folder. Save a .keras file of that model and give that.")
    if not path.is_file():
        beside = [p.name for p in path.parent.glob("*") if p.suffix in FILES]
        raise NotFoundError(f"There is no file {path}.{suggestion(path.name, beside)}")
    if path.suffix not in FILES:
        raise UsageError(f"{path.name} is not a Keras file; those end in {', '.join(FILES)}.")
    return Origin(str(path), file=path)


def _of_run(run: Run, value: str | None) -> Origin:
    document = run.info()
    files = {path.stem: path for path in sorted((Path(document["folder"]) / "values").glob("*"))}
    models = [name for name in document["values"] if files[name].suffix == ".keras"]
    if value is not None and value not in models:
        raise NotFoundError(
            f"{run.id} kept no Keras model {value!r}.{suggestion(value, models)} "
            f"It kept: {', '.join(models) or 'none'}."
        )
    if not models:
        if document["state"] in ("queued", "running"):
            raise RunError(f"{run.id} is {document['state']}. Wait: %lepton runs wait {run.id}")
        raise RunError(
            f"{run.id} ({document['state']}) kept no Keras model. Have it kept when you submit: "
            "%%lepton run --pull model"
        )
    if value is None and len(models) > 1:
        raise UsageError(
            f"{run.id} kept several models: {', '.join(models)}. Say which: --value {models[0]}"
        )
    chosen = value or models[0]
    kept = ("metrics", "params", "environment")
    facts = {"run": run.id, **{key: document[key] for key in kept}}
    return Origin(f"{chosen} of {run.id}", file=files[chosen], facts=facts)
