"""Models and their endpoints."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from lepton_jlab.errors import UsageError
from lepton_jlab.server.lab import Lab
from lepton_jlab.server.tasks import Task

_TOP = 5  # classes of a prediction


def list_all(_lab: Lab) -> dict[str, Any]:
    """Return all models."""
    from lepton_jlab.models.registry import models

    return {"models": [one.to_dict() for one in models()]}


def show(_lab: Lab, name: str) -> dict[str, Any]:
    """Return one model."""
    from lepton_jlab.models import model

    return model(name).to_dict()


def save(lab: Lab, run: str, name: str, note: str | None = None) -> Task:
    """Keep what a run, or a file below the root, holds as a model."""
    path = run.removeprefix("file:")
    what = run if path == run else str(lab.path(path))

    def work(task: Task) -> Any:
        from lepton_jlab.models import save_model

        return save_model(what, name, note=note, progress=task.report_part).to_dict()

    return lab.tasks.start("model save", f"Save {run} as {name}", work)


def deploy(
    lab: Lab,
    name: str,
    version: int | None = None,
    workers: int | None = None,
    runtime: str = "auto",
) -> Task:
    """Serve a model."""

    def work(task: Task) -> Any:
        from lepton_jlab.models import deploy

        made = deploy(name, version, workers=workers, runtime=runtime, progress=task.report)
        return _hidden(made.to_dict())

    return lab.tasks.start("model deploy", f"Deploy {name}", work)


def promote(_lab: Lab, name: str, version: int) -> dict[str, Any]:
    """Make a version the one that is meant by the model's name."""
    from lepton_jlab.models import model

    found = model(name)
    found.promote(version)
    return found.to_dict()


def drop(_lab: Lab, name: str, version: int | None = None, force: bool = False) -> None:
    """Remove a model, or one of its versions."""
    from lepton_jlab.models import model

    model(name).drop(version, force=force)


def endpoints(_lab: Lab) -> dict[str, Any]:
    """Return the endpoints, without their tokens."""
    from lepton_jlab.models import endpoints

    return {"endpoints": [_hidden(one.to_dict()) for one in endpoints()]}


def stop(_lab: Lab, name: str) -> None:
    """Stop an endpoint."""
    from lepton_jlab.models import endpoint

    endpoint(name).stop()


def predict(lab: Lab, name: str, inputs: Any = None, sample: Any = None) -> dict[str, Any]:
    """Send one sample, or some inputs, to an endpoint, and return its answer."""
    from lepton_jlab.models import endpoint

    if (inputs is None) == (sample is None):
        raise UsageError("Give either inputs or a sample.")
    if sample is not None and "path" in sample:
        given = _of_dataset(lab, **sample)
    found = endpoint(name)
    if sample is None:
        given = inputs
    elif "stored" in sample:
        given = _of_model(found.to_dict(), sample["stored"])
    begun = time.perf_counter()
    outputs = found.predict(given)
    spent = 1000 * (time.perf_counter() - begun)
    return {
        "outputs": outputs,
        "classes": found.classes,
        "top": None if isinstance(outputs, Mapping) else _top(outputs, found.classes),
        "milliseconds": spent,
    }


def _of_dataset(lab: Lab, path: str, index: int = 0) -> Any:
    from lepton_jlab.data import open_dataset

    dataset = open_dataset(lab.path(path))
    if not 0 <= index < len(dataset):
        raise UsageError(f"{path} has {len(dataset)} samples, counted from 0; there is no {index}.")
    return dataset.x.read(index, index + 1)


def _of_model(served: Mapping[str, Any], index: int) -> Any:
    """Return a sample that was kept with the model, as it was before its preprocessing."""
    from lepton_jlab.models import model

    if served["model"] is None:
        raise UsageError(f"Endpoint {served['name']!r} serves no model, so there are no samples.")
    kept = model(served["model"]).version(served["version"]).samples
    if not 0 <= index < len(kept):
        raise UsageError(f"{len(kept)} samples are kept with the model; there is no {index}.")
    return {name: array[index : index + 1] for name, array in (kept.raw or kept.inputs).items()}


def _top(outputs: Any, classes: list[str] | None) -> list[dict[str, Any]] | None:
    """Return the classes with the highest scores of the first sample."""
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        return None
    scores = outputs[0].tolist()
    names = classes if classes and len(classes) == len(scores) else range(len(scores))
    ranked = sorted(zip(names, scores, strict=True), key=lambda pair: -pair[1])
    return [{"class": str(name), "score": score} for name, score in ranked[:_TOP]]


def _hidden(endpoint: dict[str, Any]) -> dict[str, Any]:
    """Leave the token out: only this server needs it."""
    return {key: value for key, value in endpoint.items() if key != "token"}
