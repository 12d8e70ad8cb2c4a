"""The values a run leaves: Keras models as `.keras`, everything else pickled by value."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any, Literal, TypedDict

from lepton_jlab.errors import RunError


class SavedValue(TypedDict):
    """One value in a file."""

    name: str
    file: str
    bytes: int
    kind: Literal["keras", "pickle"]


def save(name: str, value: Any, folder: Path) -> SavedValue:
    """Write a value to a file in `folder`.

    Raises
    ------
    RunError
        It cannot be saved.
    """
    keras = sys.modules.get("keras")
    kind: Literal["keras", "pickle"] = "pickle"
    if keras is not None and isinstance(value, keras.Model):
        kind = "keras"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.{'keras' if kind == 'keras' else 'pkl'}"
    try:
        _write(value, kind, path)
    except MemoryError:
        raise
    except Exception as error:
        raise RunError(
            f"{name!r}, which was to be pulled, is a {type(value).__name__} that cannot be saved: "
            f"{error}"
        ) from error
    return {"name": name, "file": str(path), "bytes": path.stat().st_size, "kind": kind}


def load(path: str | Path) -> Any:
    """Return the value in a file that `save` wrote.

    Raises
    ------
    RunError
        The file is missing or cannot be read.
    """
    path = Path(path)
    try:
        if path.suffix == ".keras":
            import keras

            try:
                return keras.models.load_model(path)
            except TypeError:  # its loss may be a function of the notebook: predicts without it
                return keras.models.load_model(path, compile=False)
        with path.open("rb") as file:
            return pickle.load(file)
    except Exception as error:
        raise RunError(f"The value in {path.name} cannot be read: {error}") from error


def _write(value: Any, kind: Literal["keras", "pickle"], path: Path) -> None:
    if kind == "keras":
        value.save(path)
        return
    import cloudpickle

    with path.open("wb") as file:
        cloudpickle.dump(value, file, protocol=pickle.HIGHEST_PROTOCOL)
