"""What is installed here and on a worker: what must be the same, and what only should be."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import metadata
from platform import node, python_version

from lepton_jlab.cluster.backend import Backend
from lepton_jlab.errors import ClusterError

_MUST = ("python", "lepton_jlab", "distributed", "cloudpickle")
_SHOULD = ("dask", "tensorflow", "keras", "numpy", "zarr")
# Other names under which a part is installed.
_ALSO = {"tensorflow": ("tensorflow-cpu", "tensorflow-intel", "tensorflow-macos")}


@cache
def environment() -> dict[str, str]:
    """Return the versions of what runs depend on, and the name of this machine as ``host``."""
    found = {"python": python_version(), "host": node()}
    for part in (*_MUST[1:], *_SHOULD):
        for name in (part, *_ALSO.get(part, ())):
            with suppress(metadata.PackageNotFoundError):
                found.setdefault(part, metadata.version(name))
    return found


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Compare two environments.

    Returns
    -------
    list of str, list of str
        What keeps runs from working, and what may give other results; each names a part and both
        versions: ``"distributed 2026.7.1 here, 2026.1.0 there"``.
    """

    def different(parts: tuple[str, ...]) -> list[str]:
        return [
            f"{part} {here.get(part, 'none')} here, {there.get(part, 'none')} there"
            for part in parts
            if _meant(part, here) != _meant(part, there)
        ]

    return different(_MUST), different(_SHOULD)


def refusal(here: Mapping[str, str], there: Mapping[str, str], worker: str) -> str:
    """Return why runs from `here` cannot work on `worker`, or ``""`` if they can."""
    wrong, _ = differences(here, there)
    if not wrong:
        return ""
    install = [f"{p}=={here[p]}" for p in _MUST[1:] if p in here and here[p] != there.get(p)]
    step = f"Install the same there: pip install {' '.join(install)}"
    if _meant("python", here) != _meant("python", there):
        step = f"Use Python {_meant('python', here)} in both places."
    return f"{_which(worker, there)} has another environment: {'; '.join(wrong)}. {step}"


def warning(here: Mapping[str, str], there: Mapping[str, str], worker: str) -> str:
    """Return what may give other results on `worker`, or ``""``."""
    _, odd = differences(here, there)
    if not odd:
        return ""
    return f"{_which(worker, there)} has other versions: {'; '.join(odd)}."


async def check_workers(backend: Backend) -> None:
    """Compare this environment with that of the workers that are there.

    Raises
    ------
    ClusterError
        When runs could not work there; it names what differs.
    """
    try:
        found = await backend.client.run(environment)
    except ImportError as error:
        raise ClusterError(
            f"The workers of {backend.address} cannot import Lepton ({error}). "
            "Install lepton_jlab in their environment."
        ) from error
    for worker, there in found.items():
        if wrong := refusal(environment(), there, worker):
            raise ClusterError(wrong)


def _which(worker: str, there: Mapping[str, str]) -> str:
    return f"Worker {worker} on {there.get('host', 'another machine')}"


def _meant(part: str, of: Mapping[str, str]) -> str | None:
    """Return the version as far as it matters: of Python, the first two numbers."""
    version = of.get(part)
    return ".".join(version.split(".")[:2]) if version and part == "python" else version
