"""The GPUs of a worker: how they are called, and what its heartbeat tells of them."""

from __future__ import annotations

from typing import Any, TypedDict

from lepton_jlab.cluster.backend import WorkerFacts

METRIC = "lepton_devices"  # what workers with GPUs add to their heartbeats


class Told(TypedDict):
    """What a worker tells: its devices as CUDA names them, and what is wrong with one."""

    names: list[str]
    fault: str | None


def names_of(worker: WorkerFacts, engine: str) -> list[str]:
    """Return a worker's GPUs as CUDA_VISIBLE_DEVICES names them."""
    told: Any = worker.metrics.get(METRIC)
    if told:
        return list(told["names"])
    return [worker.name] if engine == "cuda" else []  # under dask-cuda names are devices


def devices_of(worker: WorkerFacts, engine: str) -> list[str]:
    """Return a worker's devices in a run's words: ``gpu:0``, the UUID of a MIG device, ``cpu``."""
    return [called(name) for name in names_of(worker, engine)] or ["cpu"]


def called(name: str) -> str:
    """Return what users see for a device that CUDA knows as `name`."""
    return f"gpu:{name}" if name.isdecimal() else name


def fault_of(worker: WorkerFacts) -> str | None:
    """Return what is wrong with a worker's GPU, None if nothing is known."""
    told: Any = worker.metrics.get(METRIC)
    return told["fault"] if told else None
