"""`Sampler`: looks at everything once a second, in one thread, and keeps an hour of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from lepton_jlab.config import settings
from lepton_jlab.resources.gpus import Gpus
from lepton_jlab.resources.machine import Machine
from lepton_jlab.resources.owners import Owners
from lepton_jlab.resources.rings import Rings

log = logging.getLogger("lepton.resources")

Sample = dict[str, Any]
Usage = Mapping[str, Any]
Follower = Callable[[Sample], None]

_WINDOW = 3600.0  # seconds that are kept
_POINTS = 900  # of a history; more than a chart is wide
_FRESH = 5.0  # seconds for which an answer of clusters stands for the present
_PATIENCE = 0.3  # seconds for the GPUs' driver, out of each interval


class Sampler:
    """Samples the machine, its GPUs, and the workers and runs of all clusters.

    Parameters
    ----------
    usage : callable, optional
        Returns what workers and runs use, ``{"workers": {…}, "runs": {…}}``; by default what the
        modules of ``Settings.usage_sources`` return. It is called in a thread of its own.
    folder : str
        Whose disk it is whose room is told.
    """

    def __init__(self, usage: Callable[[], Usage] | None = None, folder: str = ".") -> None:
        self.interval = 1.0
        self._folder = folder
        self._usage = usage or _configured
        self._gpus = Gpus()
        self._owners = Owners()
        self._rings = Rings(int(_WINDOW))
        self._lock = threading.Lock()
        self._followers: list[Follower] = []
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._last: Sample | None = None
        self._message: str | None = None
        self._told: tuple[float, Usage] = (-_FRESH, {})

    def start(self, interval: float = 1.0) -> None:
        """Begin to sample every `interval` seconds; nothing happens where it does already."""
        with self._lock:
            if self._threads:
                return
            self.interval = interval
            self._stop = threading.Event()
            self._rings = Rings(max(10, round(_WINDOW / interval)))
            works = {"sampler": self._sample_all, "usage": self._ask_all}
            self._threads = [
                threading.Thread(
                    target=work, args=(self._stop,), name=f"lepton-{name}", daemon=True
                )
                for name, work in works.items()
            ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Sample no more."""
        with self._lock:
            self._stop.set()
            self._threads = []

    def follow(self, follower: Follower) -> None:
        """Call `follower` with each sample from now on, in the sampler's thread."""
        self.start(self.interval)
        with self._lock:
            self._followers = [*self._followers, follower]

    def unfollow(self, follower: Follower) -> None:
        """Call it no more."""
        with self._lock:
            self._followers = [one for one in self._followers if one != follower]

    def latest(self) -> Sample | None:
        """Return the newest sample; None before the first."""
        return self._last

    def gpus(self) -> list[dict[str, Any]]:
        """Return the GPUs' index, name, uuid, memory (bytes) and power limit (W)."""
        keys = ("index", "name", "uuid", "power_limit")
        return [
            {**{key: one[key] for key in keys}, "memory": one["memory"][1]}
            for one in self._gpus.devices
        ]

    def history(self, seconds: float = _WINDOW) -> dict[str, Any]:
        """Return what was sampled in the last `seconds`, as series over one axis of time.

        Returns
        -------
        dict
            ``interval`` (s), ``t`` (s since the epoch), ``series`` (by name, such as ``host.cpu``,
            ``gpu.0.memory``, ``worker.local/0.cpu``, ``run.r17.memory``; totals are single
            numbers), ``gpus`` (what does not change about them), ``message`` (why there is no GPU).
        """
        with self._lock:
            count = round(seconds / self.interval)
            times, series = self._rings.read(max(1, count), _POINTS)
            last, message = self._last, self._message
        step = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else self.interval
        totals = _totals(last) if last else {}
        return {
            "interval": round(step, 3),
            "t": [round(t, 3) for t in times],
            "series": {**series, **totals},
            "gpus": self.gpus(),
            "message": message,
        }

    def _sample_all(self, stop: threading.Event) -> None:
        machine = Machine(self._folder)
        due = time.monotonic() + min(0.2, self.interval)  # the first soon: pages wait for it
        while not stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + self.interval, time.monotonic())
            try:
                sample = self._sample(machine)
            except Exception:
                log.exception("a sample could not be taken")
                continue
            for follower in self._followers:
                try:
                    follower(sample)
                except Exception:
                    log.exception("a sample could not be told")

    def _sample(self, machine: Machine) -> Sample:
        when, usage = self._told
        if time.monotonic() - when > _FRESH:
            usage = {}
        devices, message = self._gpus.read(min(_PATIENCE, self.interval / 2))
        runs = {key: dict(one) for key, one in usage.get("runs", {}).items()}
        pids = {one["pid"]: key for key, one in runs.items() if one.get("pid") is not None}
        gpus = [self._owned(device, pids) for device in devices]
        sample: Sample = {
            "t": time.time(),
            "host": {**machine.read(), "gpus": gpus},
            "workers": dict(usage.get("workers", {})),
            "runs": {key: _of_run(key, one, gpus) for key, one in runs.items()},
            "links": dict(usage.get("links", {})),
            "message": message,
        }
        with self._lock:
            self._rings.append(sample["t"], _numbers(sample))
            self._last, self._message = sample, message
        return sample

    def _owned(self, device: dict[str, Any], pids: Mapping[int, str]) -> dict[str, Any]:
        processes = []
        for process in device["processes"]:
            run, kernel = self._owners.of(process["pid"], pids)
            processes.append({**process, "run": run, "kernel": kernel})
        return {**device, "processes": processes}

    def _ask_all(self, stop: threading.Event) -> None:
        """Ask clusters, apart from sampling: whoever hangs there holds up nothing."""
        while not stop.wait(self.interval / 2):
            try:
                self._told = time.monotonic(), self._usage()
            except Exception:
                log.exception("clusters could not be asked")
            stop.wait(self.interval / 2)


def _configured() -> Usage:
    """Return what the configured modules tell."""
    found: dict[str, dict[str, Any]] = {"workers": {}, "runs": {}, "links": {}}
    for name in settings().usage_sources:
        for part, told in import_module(name).usage().items():
            found[part] |= told
    return found


def _of_run(key: str, run: Mapping[str, Any], gpus: list[dict[str, Any]]) -> dict[str, Any]:
    mine = [p["memory"] for gpu in gpus for p in gpu["processes"] if p["run"] == key]
    known = [memory for memory in mine if memory is not None]
    return {
        "cpu": round(run["cpu"], 1),
        "memory": run["memory"],
        "gpu_memory": sum(known) if known else None,
    }


def _numbers(sample: Sample) -> dict[str, float | None]:
    """Return the series' next numbers."""
    host = sample["host"]
    numbers: dict[str, float | None] = {
        "host.cpu": host["cpu"],
        "host.memory": host["memory"][0],
        "host.disk_read": host["disk"][0],
        "host.disk_write": host["disk"][1],
        "host.disk_used": host["disk"][2],
        "host.network_in": host["network"][0],
        "host.network_out": host["network"][1],
    }
    for gpu in host["gpus"]:
        name = f"gpu.{gpu['index']}"
        numbers |= {f"{name}.{key}": gpu[key] for key in ("use", "power", "temperature")}
        numbers[f"{name}.memory"] = gpu["memory"][0]
    for key, worker in sample["workers"].items():
        numbers[f"worker.{key}.cpu"] = worker["cpu"]
        numbers[f"worker.{key}.memory"] = worker["memory"][0]
    for key, run in sample["runs"].items():
        numbers |= {f"run.{key}.{part}": run[part] for part in ("cpu", "memory")}
        if run["gpu_memory"] is not None:
            numbers[f"run.{key}.gpu_memory"] = run["gpu_memory"]
    return numbers


def _totals(sample: Sample) -> dict[str, float]:
    host = sample["host"]
    totals = {"host.memory_total": host["memory"][1], "host.disk_total": host["disk"][3]}
    for gpu in host["gpus"]:
        totals[f"gpu.{gpu['index']}.memory_total"] = gpu["memory"][1]
    return totals


@cache
def sampler() -> Sampler:
    """Return this process's sampler; it samples once it is started or followed."""
    return Sampler()
