"""Estimates before a run: by runs of the same code, better with each, and scored afterwards."""

from __future__ import annotations

import random
from statistics import median

import pytest

from lepton_jlab.runs.capture.sizes import sizes
from lepton_jlab.runs.estimates import digest, predicted, scored


def test_one_run_is_enough_to_scale_by_epochs_and_data():
    known = [{"epochs": 2, "len x": 1000.0, "len y": 1000.0, "lr": 0.1}]
    wanted = [
        {"epochs": 2, "len x": 1000.0, "len y": 1000.0, "lr": 0.01},
        {"epochs": 6, "len x": 1000.0, "len y": 1000.0, "lr": 0.1},
        {"epochs": 2, "len x": 500.0, "len y": 500.0, "lr": 0.1},
    ]
    assert predicted(known, [10.0], wanted) == pytest.approx([10.0, 30.0, 5.0])


def test_runs_that_do_not_differ_take_what_they_took():
    assert predicted([{}, {}, {}], [3.0, 5.0, 4.0], [{}]) == [4.0]


def test_what_a_word_changes_is_learnt():
    known = [{"kind": kind} for kind in ("small", "large") * 3]
    slow, fast = predicted(known, [1.0, 8.0] * 3, [{"kind": "large"}, {"kind": "small"}])
    assert slow == pytest.approx(8, rel=0.15)
    assert fast == pytest.approx(1, rel=0.15)


@pytest.mark.parametrize("seed", range(5))
def test_after_ten_runs_half_of_the_estimates_are_within_a_fifth(seed):
    """Of a law with a start, epochs, data, a width that costs, a rate that does not, and noise."""
    draw = random.Random(seed)
    known, times, errors = [], [], []
    for number in range(40):
        run = {
            "epochs": draw.choice([1, 2, 5, 10]),
            "units": draw.choice([32, 64, 256]),
            "lr": draw.choice([0.1, 0.01, 0.001]),
            "len x": float(draw.choice([1000, 4000, 20000])),
            "optimizer": draw.choice(["adam", "sgd"]),
        }
        work = run["epochs"] * run["len x"] / 1000 * (0.2 + run["units"] / 128)
        taken = (1.5 + work * (1.3 if run["optimizer"] == "adam" else 1)) * draw.uniform(0.93, 1.07)
        if known:
            [told] = predicted(known[-40:], times[-40:], [run])
            errors.append((number, scored({"seconds": told}, taken)["error"]))
        known.append(run)
        times.append(taken)
    assert median(error for number, error in errors if number >= 10) <= 0.2


def test_comments_and_layout_make_no_other_code():
    assert digest("# %%lepton run --sweep a=1\nx = f( a )") == digest("x = f(a)  # again")
    assert digest("x = f(a)") != digest("x = f(b)")
    assert digest("%time x") != digest("%time y")


def test_sizes_are_numbers_and_lengths():
    import numpy as np

    given = {"epochs": 3, "x": np.zeros((5, 2)), "on": True, "name": "cnn", "f": print, "np": np}
    assert sizes(given) == {"epochs": 3.0, "len x": 5.0}
