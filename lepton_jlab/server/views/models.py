"""Models and their endpoints."""

from __future__ import annotations

import time
from importlib import import_module
from typing import Any

from lepton_jlab.errors import UsageError
from lepton_jlab.server.errors import UnavailableError
from lepton_jlab.server.lab import Lab
from lepton_jlab.server.tasks import Task

_TOP = 5  # classes of a prediction


def list_all(_lab: Lab) -> dict[str, Any]:
    """Return all models."""
    return {"models": [_public(one.to_dict()) for one in _room("models")()]}


def show(_lab: Lab, name: str) -> dict[str, Any]:
    """Return one model."""
    return _public(_room("model")(name).to_dict())


def save(lab: Lab, run: str, name: str, note: str | None = None) -> Task:
    """Keep what a run, or a file below the root, holds as a model."""
    what = str(lab.path(run.removeprefix("file:"))) if run.startswith("file:") else run
    save_model = _room("save_model")

    def work(task: Task) -> Any:
        from lepton_jlab.runs.lookup import run as find

        source = what if run.startswith("file:") else find(what)
        saved = save_model(source, name, note=note, progress=task.report)
        return _public(saved.to_dict())

    return lab.tasks.start("model save", f"Save {run} as {name}", work)


def deploy(
    lab: Lab, name: str, version: int | None = None, workers: int = 1, runtime: str = "auto"
) -> Task:
    """Serve a model."""
    serve = _room("deploy")

    def work(task: Task) -> Any:
        made = serve(name, version, workers=workers, runtime=runtime, progress=task.report)
        return _hidden(made.to_dict())

    return lab.tasks.start("model deploy", f"Deploy {name}", work)


def promote(_lab: Lab, name: str, version: int) -> dict[str, Any]:
    """Make a version the one that is meant by the model's name."""
    model = _room("model")(name)
    model.promote(version)
    return _public(_room("model")(name).to_dict())


def drop(_lab: Lab, name: str, version: int | None = None, force: bool = False) -> None:
    """Remove a model, or one of its versions."""
    _room("model")(name).drop(version, force=force)


def endpoints(_lab: Lab) -> dict[str, Any]:
    """Return the endpoints, without their tokens."""
    return {"endpoints": [_hidden(one.to_dict()) for one in _room("endpoints")()]}


def stop(_lab: Lab, name: str) -> None:
    """Stop an endpoint."""
    _room("endpoint")(name).stop()


def predict(lab: Lab, name: str, inputs: Any = None, sample: Any = None) -> dict[str, Any]:
    """Send one sample, or some inputs, to an endpoint, and return its answer."""
    import numpy as np

    if (inputs is None) == (sample is None):
        raise UsageError("Give either inputs or a sample.")
    given = np.asarray(inputs) if sample is None else _sample(lab, name, sample)
    endpoint = _room("endpoint")(name)
    begun = time.perf_counter()
    outputs = np.asarray(endpoint.predict(given))
    spent = 1000 * (time.perf_counter() - begun)
    classes = _classes(endpoint)
    return {
        "outputs": outputs.tolist(),
        "classes": classes,
        "top": _top(outputs, classes),
        "milliseconds": spent,
    }


def _sample(lab: Lab, name: str, sample: dict[str, Any]) -> Any:
    from lepton_jlab.data import open_dataset

    if "path" in sample:
        dataset = open_dataset(lab.path(sample["path"]))
        index = sample.get("index", 0)
        if not 0 <= index < len(dataset):
            raise UsageError(f"{sample['path']} has {len(dataset)} samples, counted from 0.")
        return dataset.x.read(index, index + 1)
    raise UsageError(f"Endpoint {name!r}: a sample is named by the path of its dataset.")


def _classes(endpoint: Any) -> list[str] | None:
    served = endpoint.to_dict()
    versions = _room("model")(served["name"]).to_dict()["versions"]
    return next((v.get("classes") for v in versions if v["version"] == served["version"]), None)


def _top(outputs: Any, classes: list[str] | None) -> list[dict[str, Any]] | None:
    """Return the classes with the highest scores of the first sample."""
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        return None
    scores = outputs[0]
    names = classes if classes and len(classes) == len(scores) else range(len(scores))
    ranked = sorted(zip(names, scores.tolist(), strict=True), key=lambda pair: -pair[1])
    return [{"class": str(name), "score": score} for name, score in ranked[:_TOP]]


def _hidden(endpoint: dict[str, Any]) -> dict[str, Any]:
    """Leave the token out: only this server needs it."""
    return {key: value for key, value in endpoint.items() if key != "token"}


def _public(model: dict[str, Any]) -> dict[str, Any]:
    endpoint = model.get("endpoint")
    return {**model, "endpoint": endpoint and _hidden(endpoint)}


def _room(name: str) -> Any:
    """Return a function of the models' room."""
    try:
        return getattr(import_module("lepton_jlab.models"), name)
    except (ImportError, AttributeError) as error:
        raise UnavailableError(
            "Models cannot be kept or served by this installation of Lepton yet."
        ) from error
