"""Figures for Prometheus, on the server's own ``/metrics`` route."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from prometheus_client.core import REGISTRY, GaugeMetricFamily

if TYPE_CHECKING:
    from lepton_jlab.resources import Sampler

_OFTEN = 5.0  # seconds between two looks at the records


class Figures:
    """Turns the newest sample into metrics.

    Parameters
    ----------
    sampler : Sampler
        Whose samples are told.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._counts: dict[str, int] = {}
        self._clusters = 0
        self._looked = -_OFTEN

    def begin(self) -> None:
        """Add them to the default registry."""
        self._sampler.follow(self._look)
        REGISTRY.register(self)

    def end(self) -> None:
        """Take them away again."""
        self._sampler.unfollow(self._look)
        REGISTRY.unregister(self)

    def describe(self) -> list[Any]:
        """Say nothing in advance: which workers and GPUs there are changes."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics; nothing here waits for anything."""
        yield _gauge("lepton_clusters", "Clusters that run on this machine.", self._clusters)
        runs = GaugeMetricFamily("lepton_runs", "Recorded runs.", labels=["state"])
        for state, count in self._counts.items():
            runs.add_metric([state], count)
        yield runs
        sample = self._sampler.latest()
        if sample is not None:
            yield from _host(sample["host"])
            yield from _gpus(sample["host"]["gpus"])
            yield from _workers(sample["workers"])

    def _look(self, _sample: dict[str, Any]) -> None:
        """Count runs and clusters, in the sampler's thread."""
        from lepton_jlab.cluster import connection
        from lepton_jlab.runs.listing import counts

        if time.monotonic() - self._looked >= _OFTEN:
            self._looked = time.monotonic()
            self._counts, self._clusters = counts(), len(connection.living())


def _gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, value=value)


def _host(host: dict[str, Any]) -> Iterator[GaugeMetricFamily]:
    used, total = host["memory"]
    yield _gauge("lepton_host_cpu_percent", "Use of all cores that may be used.", host["cpu"])
    yield _gauge("lepton_host_memory_used_bytes", "Memory in use.", used)
    yield _gauge("lepton_host_memory_total_bytes", "Memory that may be used.", total)


def _gpus(gpus: list[dict[str, Any]]) -> Iterator[GaugeMetricFamily]:
    labels = ["gpu", "name"]
    kinds: dict[str, tuple[str, Callable[[dict[str, Any]], Any]]] = {
        "lepton_gpu_use_percent": ("Use of the GPU.", lambda one: one["use"]),
        "lepton_gpu_memory_used_bytes": ("GPU memory in use.", lambda one: one["memory"][0]),
        "lepton_gpu_memory_total_bytes": ("GPU memory.", lambda one: one["memory"][1]),
        "lepton_gpu_power_watts": ("Power drawn by the GPU.", lambda one: one["power"]),
        "lepton_gpu_temperature_celsius": (
            "Temperature of the GPU.",
            lambda one: one["temperature"],
        ),
    }
    for name, (about, read) in kinds.items():
        family = GaugeMetricFamily(name, about, labels=labels)
        for gpu in gpus:
            value: float | None = read(gpu)
            if value is not None:
                family.add_metric([str(gpu["index"]), gpu["name"]], value)
        yield family


def _workers(workers: dict[str, Any]) -> Iterator[GaugeMetricFamily]:
    count = GaugeMetricFamily("lepton_workers", "Workers of a cluster.", labels=["cluster"])
    for cluster, number in Counter(key.rpartition("/")[0] for key in workers).items():
        count.add_metric([cluster], number)
    yield count
    labels = ["cluster", "worker"]
    cpu = GaugeMetricFamily(
        "lepton_worker_cpu_percent", "Use of a core by a worker and its runs.", labels=labels
    )
    memory = GaugeMetricFamily(
        "lepton_worker_memory_used_bytes", "Memory of a worker and its runs.", labels=labels
    )
    for key, one in workers.items():
        named = list(key.rpartition("/")[::2])
        cpu.add_metric(named, one["cpu"])
        memory.add_metric(named, one["memory"][0])
    yield from (cpu, memory)
