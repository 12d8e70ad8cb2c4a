"""Whoever stops early, for whatever reason, leaves no thread behind."""

from __future__ import annotations

import gc
import itertools
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conditions import wait_until
from data.stream.storing import make_batches, threads_of_streams, wait_for_no_threads

from lepton_jlab.data import Dataset
from lepton_jlab.data.stream.batches import Batches
from lepton_jlab.data.stream.chunks import Chunks
from lepton_jlab.data.stream.steps import Mixed
from lepton_jlab.errors import DataError

MakeDataset = Callable[..., Dataset]
_WAITS = ("get", "result", "wait")  # of a queue, a future, an event
pytestmark = pytest.mark.usefixtures("by_chunks")


def _mix(batches: Batches) -> Batches:
    return Batches(Mixed([batches.stream, batches.repeat().stream], (1, 1), 0, 10))


STREAMS = {
    "plain": lambda batches: batches,
    "mapped": lambda batches: batches.map(lambda x, y: (x, y)),
    "taken": lambda batches: batches.take(20),
    "endless": lambda batches: batches.repeat(),
    "mixed": _mix,
    "mapped mix, repeated": lambda batches: _mix(batches).map(lambda x, y: (x, y)).repeat(),
}


@pytest.fixture(params=STREAMS)
def stream(request: pytest.FixtureRequest, make_dataset: MakeDataset) -> Batches:
    """Fifty batches in many windows, or more."""
    return STREAMS[request.param](make_batches(make_dataset(500, chunks=10), 10, window=40))


def test_a_break(stream: Batches) -> None:
    for number, _ in enumerate(stream.numpy()):
        assert threads_of_streams()
        if number == 3:
            break
    wait_for_no_threads()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_an_exception_where_batches_are_used(stream: Batches, error: type[BaseException]) -> None:
    with pytest.raises(error):
        for _ in stream.numpy():
            raise error
    wait_for_no_threads()


def test_an_iterator_that_is_forgotten(stream: Batches) -> None:
    iterators = [stream.numpy()]
    next(iterators[0])
    cycle: list[Any] = [iterators]
    cycle.append(cycle)
    iterators = cycle = []
    gc.collect()
    wait_for_no_threads()


def test_an_iterator_that_is_never_drawn_from_starts_none(stream: Batches) -> None:
    iterator = stream.numpy()
    assert not threads_of_streams()
    del iterator


def test_an_epoch_to_its_end(make_dataset: MakeDataset) -> None:
    plain = make_batches(make_dataset(500, chunks=10), 10, window=40)
    for name, make in STREAMS.items():
        if name != "endless" and "repeated" not in name:
            assert len(list(make(plain).numpy())) == len(make(plain))
    wait_for_no_threads()


def test_a_broken_chunk(make_dataset: MakeDataset) -> None:
    ds = make_dataset(500, chunks=10)
    for number in range(5, 50):
        Path(ds.path, "x", "c", str(number), "0").write_bytes(b"broken")
    for make in STREAMS.values():
        with pytest.raises(DataError, match="'x' cannot be read"):
            list(make(make_batches(ds, 10, window=40)).numpy())
    wait_for_no_threads()


def _main() -> int:
    return threading.main_thread().ident or 0


def _main_waits() -> bool:
    """Whether the main thread stands in the wait for a lock."""
    frame = sys._current_frames()[_main()]
    caller = frame.f_back
    return frame.f_code.co_name == "wait" and caller is not None and caller.f_code.co_name in _WAITS


def test_an_interrupt_while_a_batch_is_waited_for(
    make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal comes when the consumer waits and readers are in the middle of chunks."""
    let_go, signals = threading.Event(), itertools.count()
    load = Chunks.load

    def held(self: Chunks, *args: Any) -> None:
        if next(signals) == 0:
            wait_until(_main_waits, about="the consumer waiting for a batch")
            signal.pthread_kill(_main(), signal.SIGINT)
        let_go.wait(30)
        load(self, *args)

    monkeypatch.setattr(Chunks, "load", held)
    ds = make_dataset(500, chunks=10)
    for make in STREAMS.values():
        let_go.clear()
        signals = itertools.count()
        with pytest.raises(KeyboardInterrupt):
            next(make(make_batches(ds, 10, window=40)).numpy())
        let_go.set()
        wait_for_no_threads()
