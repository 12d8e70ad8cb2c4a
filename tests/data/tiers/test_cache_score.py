"""The cache of remote datasets gives up the lowest score first."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lepton_jlab.data import cache as module
from lepton_jlab.data.cache import Cache
from lepton_jlab.data.tiers.score import CACHE_HALF_LIFE

MIB = 2**20
ENTRIES = 30  # of one dataset; three datasets are more than fits


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_USE", 0.0)  # each read is written down


def put(cache: Cache, name: str, entries: int = ENTRIES) -> None:
    for number in range(entries):
        cache.put(name, str(number), memoryview(bytes([number]) * 10_000))


def read(cache: Cache, name: str, times: int = 1) -> None:
    for _ in range(times):
        for number in range(ENTRIES):
            assert cache.get(name, str(number)) is not None


def kept(cache: Cache, name: str) -> int:
    return sum(cache.get(name, str(number)) is not None for number in range(ENTRIES))


def aged(cache: Cache, name: str, seconds: float) -> None:
    """Make what was read of a dataset so much longer ago."""
    mark = cache._path(name, "0").parent / "used"
    then = mark.stat().st_mtime - seconds
    os.utime(mark, (then, then))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", MIB)


def test_what_was_read_often_outlives_what_was_read_last(cache):
    put(cache, "often")
    read(cache, "often", 4)
    put(cache, "once")
    aged(cache, "often", 3600.0)
    put(cache, "new")
    assert kept(cache, "new") == kept(cache, "often") == ENTRIES
    assert kept(cache, "once") < ENTRIES


def test_what_was_read_often_long_ago_does_not(cache):
    put(cache, "often")
    read(cache, "often", 3)
    put(cache, "once")
    aged(cache, "often", 4 * CACHE_HALF_LIFE)
    put(cache, "new")
    assert kept(cache, "new") == kept(cache, "once") == ENTRIES
    assert kept(cache, "often") < ENTRIES


def test_importance_weighs(tmp_path):
    precious = Cache(tmp_path / "cache", MIB, importance=5)
    ordinary = Cache(tmp_path / "cache", MIB)
    put(precious, "precious")
    put(ordinary, "often")
    read(ordinary, "often", 2)
    put(ordinary, "new")
    assert kept(ordinary, "new") == kept(precious, "precious") == ENTRIES
    assert kept(ordinary, "often") < ENTRIES
    put(ordinary, "newest", 60)
    assert kept(precious, "precious") < ENTRIES  # precious, and not for ever


def test_what_is_read_next_always_gets_in(cache):
    put(cache, "often", 60)
    for _ in range(5):
        read(cache, "often")
    put(cache, "new")
    assert kept(cache, "new") == ENTRIES


def test_a_count_is_of_what_is_kept(cache):
    put(cache, "data")
    read(cache, "data", 3)
    mark = cache._path("data", "0").parent / "used"
    count, importance = map(float, mark.read_text().split())
    assert count == pytest.approx(4.0, rel=0.05)  # it was written, and read three times
    assert importance == 1


@pytest.mark.parametrize("text", ["", "x", "3", "nonsense 2"])
def test_a_mark_of_an_earlier_version_or_cut_off_counts_little(cache, text):
    put(cache, "old")
    put(cache, "read")
    mark = cache._path("old", "0").parent / "used"
    mark.write_text(text)
    then = time.time() - 9 * CACHE_HALF_LIFE
    os.utime(mark, (then, then))
    put(cache, "new")
    assert kept(cache, "new") == kept(cache, "read") == ENTRIES
    assert kept(cache, "old") < ENTRIES
