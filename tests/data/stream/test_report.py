"""The report says how fast, how long training waited and why, and what would help."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from data.stream.storing import make_batches

from lepton_jlab.data import Dataset
from lepton_jlab.data.stream import chunks as chunks_module
from lepton_jlab.data.stream import report as report_module
from lepton_jlab.data.stream import steps, watchers
from lepton_jlab.data.stream.chunks import Chunks
from lepton_jlab.data.stream.report import Clock, StreamReport

MakeDataset = Callable[..., Dataset]
pytestmark = pytest.mark.usefixtures("by_chunks")


class FakeTime:
    """A clock that goes on only when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self._lock = threading.Lock()

    def perf_counter(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    """The time in which the consumer works and waits, as the tests set it."""
    made = FakeTime()
    monkeypatch.setattr(report_module, "time", made)
    return made


@pytest.fixture
def heard() -> Iterator[list[StreamReport]]:
    reports: list[StreamReport] = []
    watchers.watch(reports.append)
    yield reports
    watchers._watchers.pop()


def test_it_counts_samples_batches_and_bytes(make_dataset: MakeDataset) -> None:
    batches = make_batches(make_dataset(150), 32, window=60)
    before = batches.report
    assert (before.samples, before.batches, before.advice) == (0, 0, None)
    list(batches.numpy())
    report = batches.report
    assert (report.epoch, report.samples, report.batches) == (0, 150, 5)
    assert report.dataset == "numbers.zarr"
    assert min(report.samples_per_second, report.decoded_mb_per_second) > 0
    assert report.stored_mb_per_second > 0
    assert report.seconds * report.decoded_mb_per_second * 1e6 >= 150 * 16
    assert 0 < report.first_batch <= report.waited <= report.seconds
    assert 0 < report.waited_share <= 1
    assert report.read + report.decode + report.gather == pytest.approx(1)
    assert min(report.read, report.decode, report.gather) > 0
    assert json.loads(json.dumps(report.to_dict()))["samples"] == 150
    assert "samples/s" in str(report)


def test_each_iteration_has_a_report_of_its_own(make_dataset: MakeDataset) -> None:
    batches = make_batches(make_dataset(150), 32)
    list(batches.numpy())
    next(batches.numpy())
    assert (batches.report.epoch, batches.report.batches) == (1, 1)
    other = make_batches(make_dataset(150, name="b.zarr"), 32)
    assert other.report.stream != batches.report.stream


def test_there_is_no_advice_where_the_consumer_is_slow(
    make_dataset: MakeDataset, clock: FakeTime
) -> None:
    batches = make_batches(make_dataset(150), 10)
    for number, _ in enumerate(batches.numpy()):
        clock.pass_by(1.0)
        if number == 1:
            halfway = batches.report
    assert halfway.batches == 2
    assert batches.report.seconds == 14  # from the first question to the last answer
    assert (batches.report.waited_share, batches.report.advice) == (0, None)


STARVED = {
    "the store": ("_fetcher", "get", "The disk gives"),
    "the codec": ("_stored", "decode", "Decoding takes most"),
}


@pytest.mark.parametrize("cause", STARVED)
def test_who_is_starved_hears_why(
    make_dataset: MakeDataset, clock: FakeTime, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    """Time passes only while a chunk is read or decoded and the consumer waits for it."""
    part, function, says = STARVED[cause]
    waiting, changed = [False], threading.Condition()
    init, ask, give = Chunks.__init__, Clock.ask, Clock.give

    def slow(self: Chunks, *args: Any) -> None:
        init(self, *args)
        owner = getattr(self, part)
        original = getattr(owner, function)

        def taking_long(*given: Any) -> Any:
            with changed:
                assert changed.wait_for(lambda: waiting[0], 30)
                clock.pass_by(0.5)
            return original(*given)

        setattr(owner, function, taking_long)

    def told(self: Clock, does: Any, waits: bool, *args: Any) -> None:
        with changed:
            does(self, *args)
            waiting[0] = waits
            changed.notify_all()

    monkeypatch.setattr(chunks_module, "time", clock)
    monkeypatch.setattr(Chunks, "__init__", slow)
    monkeypatch.setattr(Clock, "ask", lambda self: told(self, ask, True))
    monkeypatch.setattr(Clock, "give", lambda self, n: told(self, give, False, n))
    batches = make_batches(make_dataset(400, chunks=5), 10, window=60)
    list(batches.numpy())
    report = batches.report
    assert report.seconds == report.waited == 60  # 80 chunks of x, 40 of y
    assert report.waited_share == 1
    assert says in (report.advice or "")
    assert str(report).endswith(report.advice or "no advice")


def test_a_slow_function_of_map_is_told(
    make_dataset: MakeDataset, clock: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(x: Any, y: Any) -> Any:
        clock.pass_by(0.2)
        return x, y

    monkeypatch.setattr(steps, "time", clock)
    batches = make_batches(make_dataset(400), 10).map(slow)
    list(batches.numpy())
    assert "function given to map takes 200.0 ms a batch" in (batches.report.advice or "")


def test_a_watcher_hears_of_the_epoch_when_it_ends(
    make_dataset: MakeDataset, heard: list[StreamReport]
) -> None:
    batches = make_batches(make_dataset(150), 32)
    list(batches.numpy())
    assert (heard[-1].samples, heard[-1].batches, heard[-1].epoch) == (150, 5, 0)
    for number, _ in enumerate(batches.numpy()):
        if number == 1:
            break
    assert (heard[-1].samples, heard[-1].batches, heard[-1].epoch) == (64, 2, 1)


def test_a_watcher_hears_of_a_long_epoch_now_and_then(
    make_dataset: MakeDataset, heard: list[StreamReport], clock: FakeTime
) -> None:
    for _ in make_batches(make_dataset(150), 10).numpy():
        clock.pass_by(0.4)
    assert [report.batches for report in heard] == [4, 7, 10, 13, 15]


def test_an_error_is_raised_and_told_of(
    make_dataset: MakeDataset, heard: list[StreamReport]
) -> None:
    def fail(x: Any, y: Any) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(make_batches(make_dataset(150)).map(fail).numpy())
    assert heard[-1].batches == 0
