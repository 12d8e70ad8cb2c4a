"""What a search is asked for, and what Optuna learns of it, over the death of its host."""

from __future__ import annotations

import math

import pytest

import lepton_jlab as lepton
from lepton_jlab import ranges
from lepton_jlab.errors import MissingDependencyError, UsageError
from lepton_jlab.parsing import parse, split
from lepton_jlab.ranges import Range
from lepton_jlab.runs.search import asked
from lepton_jlab.runs.search.study import Study, file_of
from lepton_jlab.runs.search.trial import Report

SPACE = {"lr": "log(1e-4,1e-1)", "units": "int(16,256,16)", "opt": ["adam", "sgd"], "shape": [[1]]}


def search(**changes):
    given = {"repeat": 1, "trials": 9, "search": None, "prune": None, "metric": "loss"}
    found = asked.make_search(SPACE, **{**given, "mode": None, "seed": 3, **changes})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "kind", "low", "high", "step"),
    [
        ("log(1e-4, 1e-1)", "log", 1e-4, 1e-1, None),
        ("logint(1,1024)", "logint", 1, 1024, None),
        ("int(16,256,16)", "int", 16, 256, 16),
        ("float(-1,1)", "float", -1.0, 1.0, None),
    ],
)
def test_a_range_is_what_it_says_and_is_written_as_it_was_typed(text, kind, low, high, step):
    found = ranges.read(text)
    assert found == Range(kind, low, high, step)
    assert ranges.read(str(found)) == found


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("lr=lgo(1e-4,1e-1)", r"there is no range 'lgo'\. Did you mean 'log'\?"),
        ("lr=log(1e-1,1e-4)", "its first number must be less than its second"),
        ("lr=log(0,1)", "no logarithm at its lower end"),
        ("n=int(0.5,3)", "0.5 is not a whole number"),
        ("n=int(3)", "needs two numbers"),
        ("n=int(1,9,0)", "its step must be more than 0"),
        ("n=float(a,1)", "a is not a number"),
        ("n=log(1,2),3", "stands alone"),
    ],
)
def test_a_wrong_range_is_one_sentence(words, message):
    with pytest.raises(UsageError, match=message):
        parse(["run", "--sweep", words, "--trials", "3"], "cell")
    name, _, text = words.partition("=")
    if "stands alone" not in message:
        with pytest.raises(UsageError, match=message):
            lepton.submit("pass", sweep={name: text}, trials=3)


def test_a_line_reads_ranges_beside_lists():
    line = "run --sweep lr=log(1e-4, 1e-1) opt=adam,sgd --trials 5 --prune median --max"
    args = parse(split(line), "cell")
    assert args.sweep == [("lr", Range("log", 1e-4, 1e-1)), ("opt", ["adam", "sgd"])]
    assert (args.trials, args.prune, args.mode) == (5, "median", "max")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sweep": {"x": "float(0,1)"}}, r"x=float\(0.0,1.0\) is a range: say how many trials"),
        ({"sweep": {"x": [1, 2]}, "prune": "median"}, "--prune belongs to a search"),
        ({"sweep": {"x": [1, 2]}, "mode": "max"}, "--max belongs to a search"),
        ({"trials": 3}, "--trials 3 has nothing to choose"),
        ({"sweep": {"x": [1]}, "trials": 0}, "--trials is 0"),
        ({"sweep": {"x": [1]}, "trials": 3, "search": "tpee"}, "Did you mean 'tpe'?"),
    ],
)
def test_what_does_not_fit_together_is_refused_before_anything_starts(given, message):
    with pytest.raises(UsageError, match=message):
        lepton.submit("pass", **given)


def test_a_missing_optuna_is_named_with_its_install_line(monkeypatch):
    monkeypatch.setattr(asked.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match=r"Optuna.*pip install 'lepton_jlab\[search\]"):
        lepton.submit("pass", sweep={"x": "float(0,1)"}, trials=3)


def run(study: Study, trials: int) -> list[dict]:
    chosen = []
    for _ in range(trials):
        about, values = study.ask()
        chosen.append(values)
        study.end(about["number"], math.log10(values["lr"]) ** 2 + values["units"] / 256)
    return chosen


@pytest.mark.parametrize("way", ["tpe", "random"])
def test_the_same_seed_chooses_the_same_also_after_its_host_died(way, no_records):
    whole = run(Study(1, search(search=way, trials=20)), 20)
    first = run(Study(2, search(search=way, trials=20)), 12)
    assert [*first, *run(Study(2, search(search=way, trials=20)), 8)] == whole
    assert run(Study(3, search(search=way, trials=20, seed=4)), 20) != whole
    for values in whole:
        assert 1e-4 <= values["lr"] <= 1e-1
        assert values["units"] in range(16, 257, 16)
        assert (values["opt"] in ("adam", "sgd"), values["shape"]) == (True, [1])
    assert list(whole[0]) == list(SPACE)


def test_what_was_lost_is_tried_again_and_counts_once(no_records):
    study = Study(1, search(trials=4))
    run(study, 2)
    _, lost = study.ask()
    assert study.left() == 1
    del study
    with file_of(1).open("ab") as file:
        file.write(b'{"op_code": 6, "wor')  # killed while it wrote
    study = Study(1, search(trials=4))
    (number,) = study.unfinished()
    study.again(number)
    assert (study.unfinished(), study.left()) == ([], 2)
    about, values = study.ask()
    assert (values, about["again"], study.left()) == (lost, number, 1)
    del study
    study = Study(1, search(trials=4))  # and it dies again
    for number in study.unfinished():
        study.again(number)
    assert study.ask() == ({"number": 4, "again": 2}, lost)
    run(study, 1)
    assert study.left() == 0


def test_more_is_better_where_that_is_asked_for(no_records):
    study = Study(1, search(trials=60, metric="accuracy", prune="median"))
    for n in range(6):
        about, _ = study.ask()
        assert not study.report(about["number"], [Report(1, 0.5 + n / 100, 10)])
        study.end(about["number"], 0.5)
    (bad, _), (good, _) = study.ask(), study.ask()
    assert study.report(bad["number"], [Report(1, 0.4, 10)])
    assert not study.report(good["number"], [Report(1, 0.9, 10)])
    study.end(good["number"], math.nan)  # one that diverges is bad, and no reason to stop
    assert study.unfinished() == []
