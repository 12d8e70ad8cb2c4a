"""What computes a model's answers: Keras, SavedModel, LiteRT, ONNX Runtime; one file each.

Each has ``load(version, file, threads) -> Run``; a `Run` takes arrays by input name, ``(rows, …)``
each, and returns arrays by output name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from lepton_jlab.errors import MissingDependencyError, UsageError
from lepton_jlab.models.serving.tensors import Arrays

if TYPE_CHECKING:
    from lepton_jlab.models.version import Version

KERAS = "model.keras"
Run = Callable[[Arrays], Arrays]

RUNTIMES = ("auto", "savedmodel", "keras", "litert", "onnx")
PLATFORMS = {
    "savedmodel": "tensorflow_savedmodel",
    "keras": "keras",
    "litert": "tensorflow_lite",
    "onnx": "onnxruntime_onnx",
}
_NEEDS = {"litert": ("ai_edge_litert", "litert"), "onnx": ("onnxruntime", "onnx")}


def available(version: Version) -> dict[str, Path]:
    """Return what can race to serve a version here: runtime, or export for it, and its file."""
    # Keras computes what the SavedModel does, by the same kernels: it takes no part in races.
    found = {"savedmodel": version.folder} if find_spec("tensorflow") else {}
    for export in version.exports:
        kind = runtime_of(export["name"])
        if kind in _NEEDS and find_spec(_NEEDS[kind][0]):
            found[export["name"]] = Path(export["file"])
    return found


def runtime_of(candidate: str) -> str:
    """Return the runtime of an export: ``litert`` of ``litert-int8``."""
    return candidate.partition("-")[0]


def chosen(version: Version, runtime: str) -> tuple[str, Path]:
    """Return the candidate that is meant by the name of a runtime, and its file.

    Raises
    ------
    UsageError
        If there is no such export.
    MissingDependencyError
        If the runtime is not installed.
    """
    found = available(version)
    if "savedmodel" in found:
        found["keras"] = version.folder / KERAS
    for name in (runtime, *sorted(found)):
        if name in found and runtime_of(name) == runtime:
            return name, found[name]
    module, extra = _NEEDS.get(runtime, ("tensorflow", "cpu"))
    if not find_spec(module):
        raise MissingDependencyError(module.replace("_", "-"), extra)
    raise UsageError(
        f"{version} has no export for {runtime}. Make it: "
        f"%lepton model export {version} --to {runtime}"
    )


def load(version: Version, candidate: str, file: Path, threads: int) -> Run:
    """Load a model.

    Parameters
    ----------
    threads
        How many it may use for one batch.
    """
    module = import_module(f"{__name__}.{runtime_of(candidate)}")
    run: Run = module.load(version, file, threads)
    return run


def by_order(names: Sequence[str], found: Sequence[str]) -> dict[str, str]:
    """Say which of a file's own names stands for which of the model's.

    Converters prefix and suffix names (``serving_default_x:0``); where that leaves a doubt, the
    order counts.
    """
    matched: dict[str, str] = {}
    for name in names:
        like = [f for f in found if _core(f) == name and f not in matched.values()]
        if len(like) == 1:
            matched[name] = like[0]
    if len(matched) < len(names):
        return dict(zip(names, found, strict=True))
    return matched


def _core(name: str) -> str:
    return name.removeprefix("serving_default_").partition(":")[0]
