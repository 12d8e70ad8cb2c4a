"""A version of the registry as clients of an endpoint see it."""

from __future__ import annotations

from lepton_jlab.models.serving.runtimes import PLATFORMS
from lepton_jlab.models.serving.tensors import Signature, Tensor
from lepton_jlab.models.version import Tensor as Stored
from lepton_jlab.models.version import Version


def signature_of(version: Version, runtime: str, allow_nan: bool = False) -> Signature:
    """Return what a version takes (raw samples, if a recipe prepares them) and answers."""
    return Signature(
        version.name,
        version.number,
        tuple(map(_tensor, version.raw_inputs)),
        tuple(map(_tensor, version.outputs)),
        None if version.classes is None else tuple(version.classes),
        PLATFORMS.get(runtime, runtime),
        allow_nan,
    )


def _tensor(stored: Stored) -> Tensor:
    return Tensor(stored["name"], tuple(stored["shape"]), stored["dtype"])
