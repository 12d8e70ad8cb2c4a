"""Batches mapped, taken and repeated, without TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from data.stream.storing import make_batches, read_by_chunks, recorded_reads, wait_for_no_threads

from lepton_jlab.data import Dataset, open_dataset
from lepton_jlab.data.stream.batches import Batches
from lepton_jlab.errors import DataError, LeptonError, UsageError

MakeDataset = Callable[..., Dataset]


@pytest.fixture
def batches(make_dataset: MakeDataset) -> Batches:
    """Five shuffled batches of 32, the last of 22."""
    return make_batches(make_dataset())


def numbers(epoch: Any) -> list[list[int]]:
    return [y.astype(int).tolist() for _, y in epoch]


def double(x: Any, y: Any) -> Any:
    return 2 * x, y + 1000


def as_dict(x: Any, y: Any) -> dict[str, Any]:
    return {"doubled": 2 * x, "more": (y, y)}


# ---- map


def test_a_function_makes_new_batches_of_the_arrays(batches: Batches) -> None:
    plain = numbers(batches)
    batches.epoch = 0
    mapped = batches.map(double)
    for (x, y), expected in zip(mapped.numpy(), plain, strict=True):
        assert (y - 1000).tolist() == expected
        assert np.array_equal(x[:, 0], 2 * (y - 1000))


def test_a_function_may_return_a_dict_or_one_array_or_arrays_in_arrays(batches: Batches) -> None:
    for batch in batches.map(as_dict).numpy():
        y, same = batch["more"]
        assert np.array_equal(batch["doubled"][:, 1], 2 * y)
        assert np.array_equal(y, same)
    for values in batches.map(lambda x, y: x.sum(axis=1) + y).numpy():
        assert (values % 4 == 0).all()


def test_functions_follow_each_other_and_a_dict_goes_in_as_one(batches: Batches) -> None:
    chained = batches.map(as_dict).map(lambda batch: batch["doubled"]).map(lambda x: x / 2)
    given_out = np.concatenate([x[:, 0] for x in chained.numpy()])
    assert sorted(given_out) == list(range(150))


def test_mapped_batches_are_counted_and_have_the_size_of_the_plain_ones(batches: Batches) -> None:
    mapped = batches.map(double)
    assert (len(mapped), mapped.batch_size, mapped.window) == (5, 32, batches.window)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x, y: (x[1:], y[1:]),
        lambda x, y: (x, y[1:]),
        lambda x, y: {"x": x, "y": y[:-1]},
        lambda x, _: x.mean(),
        lambda *_: None,
        lambda x, _: (x, 3),
        lambda x, y: (x, None, y[1:]),
        lambda *_: "batch",
    ],
    ids=["fewer", "fewer y", "fewer in a dict", "a number", "None", "an int", "a gap", "a word"],
)
def test_a_function_that_loses_samples_is_told_so(batches: Batches, wrong: Any) -> None:
    with pytest.raises(DataError, match=r"given to map.* as many as it gets"):
        list(batches.map(wrong).numpy())
    wait_for_no_threads()


def test_an_exception_of_the_function_comes_to_who_iterates(batches: Batches) -> None:
    def fail(x: Any, y: Any) -> Any:
        if calls := len(called):
            raise ZeroDivisionError(f"after {calls}")
        called.append(1)
        return x, y

    called: list[int] = []
    epoch = batches.map(fail).numpy()
    next(epoch)
    with pytest.raises(ZeroDivisionError, match="after 1"):
        next(epoch)
    wait_for_no_threads()


def test_a_function_may_write_into_what_it_gets(batches: Batches) -> None:
    def shift(x: Any, y: Any) -> Any:
        x += 500
        return x, y

    for _ in range(2):
        for x, y in batches.map(shift).numpy():
            assert np.array_equal(x[:, 0], y + 500)


# ---- take


def test_take_gives_the_first_batches_of_each_epoch(batches: Batches) -> None:
    epochs = [numbers(batches), numbers(batches)]
    batches.epoch = 0
    taken = batches.take(2)
    assert len(taken) == 2
    assert [numbers(taken), numbers(taken)] == [epochs[0][:2], epochs[1][:2]]
    wait_for_no_threads()


def test_take_of_more_than_there_is_gives_what_there_is(batches: Batches) -> None:
    assert len(batches.take(9)) == len(numbers(batches.take(9))) == 5


# ---- repeat


def test_repeat_makes_one_of_several_epochs(batches: Batches) -> None:
    epochs = [numbers(batches) for _ in range(4)]
    batches.epoch = 0
    repeated = batches.repeat(2)
    assert len(repeated) == 10
    assert [numbers(repeated), numbers(repeated)] == [epochs[0] + epochs[1], epochs[2] + epochs[3]]


def test_an_endless_repeat_goes_through_all_epochs(batches: Batches) -> None:
    epochs = [numbers(batches) for _ in range(3)]
    endless = batches.repeat()
    with pytest.raises(TypeError, match="have no end"):
        len(endless)
    epoch = endless.numpy()
    assert numbers(next(epoch) for _ in range(15)) == [*epochs[0], *epochs[1], *epochs[2]]
    assert "endless" in repr(endless)
    assert len(endless.take(7)) == len(numbers(endless.take(7))) == 7


# ---- paced


@pytest.mark.parametrize("repeat", [False, True])
def test_paced_makes_epochs_that_go_on_in_one_another(batches: Batches, repeat: bool) -> None:
    whole = [number for _ in range(4) for number in numbers(batches)]
    batches.epoch = 0
    paced = (batches.repeat() if repeat else batches).paced(7)
    assert len(paced) == 7
    assert numbers(paced) + numbers(paced) == whole[:14]
    wait_for_no_threads()


@pytest.mark.parametrize("count", [0, -3])
def test_paced_by_no_batch_is_refused(batches: Batches, count: int) -> None:
    with pytest.raises(UsageError, match=rf"paced\({count}\)"):
        batches.paced(count)


# ---- where it is

MADE = {
    "paced": lambda b: b.paced(7),
    "paced mapped": lambda b: b.map(double).repeat().paced(3),
    "plain": lambda b: b,
    "mapped": lambda b: b.map(double),
    "taken": lambda b: b.take(4),
    "repeated": lambda b: b.repeat(2),
    "repeated taken": lambda b: b.take(3).repeat(3),
    "taken of mapped of repeated": lambda b: b.repeat().map(double).take(8),
}


@pytest.mark.parametrize("how", MADE)
def test_any_of_them_goes_on_at_any_batch(batches: Batches, how: str) -> None:
    first = MADE[how](batches)
    first.epoch = 1
    full = numbers(first.numpy())
    for passed in range(len(full)):
        again = MADE[how](batches)
        again.epoch = 1
        epoch = again.numpy()
        for _ in range(passed):
            next(epoch)
        fresh = MADE[how](batches)
        fresh.load_state_dict(json.loads(json.dumps(again.state_dict())))
        assert numbers(fresh.numpy()) == full[passed:]
        assert fresh.epoch == 2


@pytest.mark.usefixtures("by_chunks")
def test_what_was_passed_is_not_read_again(make_dataset: MakeDataset) -> None:
    def make() -> Batches:
        return make_batches(make_dataset(name=f"{len(made)}.zarr"), 16, window=40).take(9).repeat(2)

    made: list[Batches] = []
    made.append(make())
    epoch = made[0].numpy()
    for _ in range(17):
        next(epoch)
    state = made[0].state_dict()
    resumed = make()
    resumed.load_state_dict(state)
    with recorded_reads() as reads:
        assert len(list(resumed.numpy())) == 1
    assert len({read for read in reads if read[0] == "x"}) <= 4  # of ten: those of two windows


DIFFERENT = {
    "batch size": lambda ds: make_batches(ds, 16),
    "seed": lambda ds: make_batches(ds, seed=1),
    "rank": lambda ds: make_batches(ds, rank=1, world=2),
    "order": lambda ds: make_batches(ds, shuffle=False),
    "split": lambda ds: make_batches(ds.split(0.5)[0]),
    "take": lambda ds: make_batches(ds).take(2),
    "take before repeat": lambda ds: make_batches(ds).take(2).repeat(2),
    "take after repeat": lambda ds: make_batches(ds).repeat(2).take(2),
    "other half": lambda ds: make_batches(ds.split(0.5)[1]),
    "half by another seed": lambda ds: make_batches(ds.split(0.5, seed=1)[0]),
    "other chunks": lambda ds: make_batches(ds["other"]),
}


@pytest.mark.parametrize("own", DIFFERENT)
def test_a_position_of_other_batches_is_refused(make_dataset: MakeDataset, own: str) -> None:
    ds = make_dataset()
    make_dataset(chunks=10, name="numbers.zarr/other")
    batches = DIFFERENT[own](ds)
    for other, make in DIFFERENT.items():
        state = make(ds).state_dict()
        if own == other:
            batches.load_state_dict(state)
            continue
        with pytest.raises(UsageError, match="This position belongs to other batches"):
            batches.load_state_dict(state)
            pytest.fail(f"a position of {other!r} was taken")


def test_a_position_under_other_memory_is_refused_where_the_order_depends_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_by_chunks(monkeypatch)
    group = zarr.create_group(str(tmp_path / "two.zarr"))
    for name, chunk in (("x", 48), ("y", 50)):
        group.create_array(name, data=np.arange(1000), chunks=(chunk,))
    ds = open_dataset(tmp_path / "two.zarr")
    little = make_batches(ds, memory=200_000)
    much = make_batches(ds, memory=2_000_000)
    assert little.window == much.window == 1000
    if numbers(little) != numbers(much):
        with pytest.raises(UsageError, match="This position belongs to other batches"):
            much.load_state_dict(little.state_dict())


@pytest.mark.parametrize(
    "change",
    [{"epoch": -1}, {"batch": 99}, {"batch": -1}, {"batch": None}, {"epoch": "next"}],
    ids=str,
)
def test_what_is_no_position_is_refused(batches: Batches, change: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="position"):
        batches.load_state_dict({**batches.state_dict(), **change})


@pytest.mark.parametrize(
    "make",
    [
        lambda b: b.take(0),
        lambda b: b.repeat(0),
        lambda b: b.repeat(-2),
        lambda b: b.repeat().repeat(2),
    ],
)
def test_numbers_that_make_no_batches_are_refused(batches: Batches, make: Any) -> None:
    with pytest.raises(LeptonError):
        make(batches)
