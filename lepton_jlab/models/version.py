"""One version of a model: a folder that TensorFlow Serving reads too, and the record in it.

Beside what makes it a SavedModel (``saved_model.pb``, ``variables/``, ``assets/``) the folder has
``model.keras``, ``model.json`` (the record), ``samples.npz`` and ``exports/``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from lepton_jlab.errors import LeptonError, NotFoundError
from lepton_jlab.models import places, promotion

if TYPE_CHECKING:
    from lepton_jlab.models.recipes import Recipe
    from lepton_jlab.models.samples import Samples

RECORD = "model.json"
KERAS = "model.keras"
EXPORTS = "exports"


class Tensor(TypedDict):
    """An input or output: the first axis of `shape`, the samples, is None; so is any free axis."""

    name: str
    shape: list[int | None]
    dtype: str


@dataclass(frozen=True)
class Version:
    """A version of a model that is kept.

    Attributes
    ----------
    name, number
        Of which model, and which of its versions.
    folder
        Where it is; a SavedModel with the signature ``serving_default``.
    """

    name: str
    number: int
    folder: Path

    @classmethod
    def open(cls, name: str, number: int | None = None) -> Version:
        """Return a version, by default the promoted one.

        Raises
        ------
        NotFoundError
            If there is no such model or version.
        """
        folder = places.existing(name)
        chosen = promotion.promoted(name) if number is None else number
        there = places.numbers(name)
        if chosen not in there:
            raise NotFoundError(promotion.no_version(name, chosen, there))
        return cls(name, chosen, folder / str(chosen))

    @cached_property
    def record(self) -> Mapping[str, Any]:
        """All that was noted when it was saved."""
        path = self.folder / RECORD
        try:
            record: dict[str, Any] = json.loads(path.read_text())
        except FileNotFoundError:
            raise NotFoundError(f"{self} is gone, or its {RECORD} is: {path}") from None
        except ValueError as error:
            raise LeptonError(
                f"{path} is damaged: {error}. Drop this version: %lepton model drop {self}"
            ) from error
        return record

    @property
    def inputs(self) -> list[Tensor]:
        """What the model takes, after preprocessing."""
        return list(self.record["inputs"])

    @property
    def raw_inputs(self) -> list[Tensor]:
        """What a user gives: raw samples where a recipe prepares them, else the same as inputs."""
        return list(self.record["raw_inputs"] or self.record["inputs"])

    @property
    def outputs(self) -> list[Tensor]:
        """What the model answers."""
        return list(self.record["outputs"])

    @property
    def classes(self) -> list[str] | None:
        """Names of the classes, in the order of the last axis of the output, or None."""
        classes: list[str] | None = self.record["classes"]
        return classes

    @property
    def digest(self) -> str:
        """SHA-256 of what it computes: of the files of the SavedModel."""
        digest: str = self.record["digest"]
        return digest

    @cached_property
    def samples(self) -> Samples:
        """The sample inputs that travel with it, with its answers."""
        from lepton_jlab.models.samples import Samples

        return Samples.load(self.folder)

    @cached_property
    def recipe(self) -> Recipe | None:
        """What prepares raw samples for it, or None."""
        from lepton_jlab.models.recipes import restored

        return restored(self.record["preprocessing"])

    @property
    def exports(self) -> list[dict[str, Any]]:
        """What it was exported to, with the file and the measured differences of each."""
        found = []
        for path in sorted((self.folder / EXPORTS).glob("*/export.json")):
            if not path.parent.name.startswith("."):
                facts = json.loads(path.read_text())
                found.append({**facts, "file": str(path.parent / facts["file"])})
        return found

    def export_file(self, kind: str) -> Path | None:
        """Return the file of an export that is kept: ``litert``, ``litert-int8``, ``onnx``, …"""
        return next((Path(e["file"]) for e in self.exports if e["name"] == kind), None)

    def load(self) -> Any:
        """Return it as a Keras model.

        Raises
        ------
        LeptonError
            If it needs classes that are not known here.
        """
        from lepton_jlab.models.loading import load_keras

        return load_keras(self.folder / KERAS, str(self))

    def to_dict(self) -> dict[str, Any]:
        """Return it as ``--json`` prints it."""
        from lepton_jlab.models.recipes import steps

        record = self.record
        kept = ("created", "note", "run", "metrics", "bytes", "inputs", "outputs", "classes")
        more = ("raw_inputs", "params", "parameters", "samples", "source", "digest")
        return {
            "version": self.number,
            **{key: record[key] for key in kept},
            "exports": [export["name"] for export in self.exports],
            "preprocessing": steps(record["preprocessing"]),
            **{key: record[key] for key in more},
            "environment": record["environment"],
            "folder": str(self.folder),
        }

    def __str__(self) -> str:
        return f"{self.name}:{self.number}"


def tensor_text(tensor: Tensor) -> str:
    """Write an input or output: ``x (*, 28, 28, 1) float32``."""
    shape = ", ".join("*" if size is None else str(size) for size in tensor["shape"])
    return f"{tensor['name']} ({shape}) {tensor['dtype']}"
