"""Samples and their history: right, complete, and of bounded size."""

from __future__ import annotations

import threading

import pytest
from conditions import wait_until

from lepton_jlab.resources.rings import Rings
from lepton_jlab.resources.sampler import Sampler


def test_series_share_one_axis_and_gaps_are_told():
    rings = Rings(100)
    for i in range(10):
        values = {"a": float(i)}
        if 3 <= i < 6:
            values["b"] = float(-i)
        rings.append(float(i), values)
    times, series = rings.read(10, 100)
    assert times == [float(i) for i in range(10)]
    assert series["a"] == times
    assert series["b"] == [None] * 3 + [-3.0, -4.0, -5.0] + [None] * 4
    times, series = rings.read(4, 100)
    assert times == [6.0, 7.0, 8.0, 9.0]
    assert "b" not in series


@pytest.mark.parametrize(("count", "points"), [(95, 20), (100, 7), (13, 13), (100, 1)])
def test_long_histories_are_thinned_and_the_newest_is_kept(count, points):
    rings = Rings(100)
    for i in range(250):
        rings.append(float(i), {"a": float(i)} | ({"late": float(i)} if i > 200 else {}))
    times, series = rings.read(count, points)
    assert len(times) <= max(points, 1) + 1
    assert times[-1] == series["a"][-1] == 249.0
    assert series["a"] == times
    assert [x for x in series["late"] if x is not None] == [t for t in times if t > 200]


def test_memory_is_flat_over_hours_of_short_runs():
    import tracemalloc

    rings = Rings(3600)

    def hour(number):
        for i in range(3600):
            numbers = {f"host.{k}": 1.0 for k in range(8)}
            run = number * 600 + i // 6  # a run every six seconds
            rings.append(float(i), numbers | {f"run.r{run}.{k}": 1.0 for k in ("cpu", "memory")})

    tracemalloc.start()
    hour(0), hour(1)
    before = tracemalloc.get_traced_memory()[0]
    hour(2), hour(3)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 200_000
    assert len(rings.read(3600, 900)[1]) < 1300


def test_the_machine_workers_and_runs_are_sampled():
    told = {
        "workers": {"local/0": {"cpu": 40.0, "memory": [5, 10], "run": "r1", "device": "cpu"}},
        "runs": {"r1": {"cpu": 33.33, "memory": 4, "pid": None}},
    }
    one = Sampler(lambda: told)
    seen = []
    one.follow(seen.append)
    try:
        one.start(5.0)  # it runs already
        wait_until(lambda: any(s["runs"] for s in seen), 10)
    finally:
        one.stop()
    sample = seen[-1]
    assert sample["runs"]["r1"] == {"cpu": 33.3, "memory": 4, "gpu_memory": None}
    assert sample["workers"] == told["workers"]
    used, total = sample["host"]["memory"]
    assert 0 < used < total
    assert 0 <= sample["host"]["cpu"] <= 100
    history = one.history()
    assert history["series"]["worker.local/0.cpu"][-1] == 40.0
    assert history["series"]["run.r1.memory"][-1] == 4
    assert history["series"]["host.memory_total"] == total
    assert len(history["t"]) == len(history["series"]["host.cpu"]) == len(seen)


def test_clusters_that_hang_stop_no_sample():
    asked = threading.Event()
    go_on = threading.Event()

    def hang():
        asked.set()
        go_on.wait(60)
        return {}

    one = Sampler(hang)
    one.start(0.02)
    try:
        assert asked.wait(10)
        before = wait_until(one.latest)["t"]
        wait_until(lambda: one.latest()["t"] > before)
        assert one.latest()["workers"] == {}
    finally:
        go_on.set()
        one.stop()


def test_a_follower_that_fails_does_not_end_it():
    one = Sampler(dict)
    seen = []

    def fail(_):
        seen.append(1)
        raise ValueError

    one.start(0.02)
    one.follow(fail)
    try:
        wait_until(lambda: len(seen) > 3)
        one.unfollow(fail)
    finally:
        one.stop()
