"""One model on many workers: the same as one process with the batches of all ranks."""

from __future__ import annotations

import numpy as np
import pytest

import lepton_jlab as lepton
from lepton_jlab.errors import ClusterError, UsageError

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("quartet")]

# Alone, it reads all shards itself: each batch is then that of all ranks, behind one another.
TRAIN = """
import keras, numpy as np
import lepton_jlab as lepton
from lepton_jlab.data.stream.ranks import Share, share_work
from lepton_jlab.replicas import gradients

gradients.BUCKET = 4096  # several buckets, though the model is small
if lepton.world() == 1:
    share_work(Share(0, 1, shards))

def train(optimizer, jit=False):
    keras.utils.set_random_seed(7)
    if lepton.rank():
        keras.utils.set_random_seed(100 + lepton.rank())  # rank 0's weights are everybody's
    model = keras.Sequential([
        keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.Flatten(),
        keras.layers.Dense(24, activation="relu"), keras.layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=jit)
    fit = model.fit(ds.batches(16, shuffle=True, seed=3), epochs=2, verbose=0,
                    validation_data=ds.batches(50))
    return [np.asarray(w) for w in model.get_weights()], fit.history, model

def apart(arrays):
    return max(float(np.abs(lepton.all_reduce(a, "max") - a).max()) for a in arrays)

found = {}
for name, optimizer, jit in cases:
    make = {"sgd": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
            "clip": lambda: keras.optimizers.SGD(0.1, global_clipnorm=0.3),
            "adam": lambda: keras.optimizers.Adam(0.01),
            "scale": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))}
    weights, history, model = train(make[optimizer](), jit)
    found[name] = weights, history, apart(weights)
score = model.evaluate(ds.batches(50), return_dict=True, verbose=0)
if lepton.world() == 1:
    share_work(Share())
predicted = model.predict(ds.batches(50), verbose=0)
"""
CASES = [
    ("plain", "sgd", False),
    ("compiled", "sgd", True),
    ("clipped", "clip", False),
    ("clipped, compiled", "clip", True),
    ("adam", "adam", False),
    ("scaled", "scale", False),
]


def trained(digits, replicas, shards, cases):
    values = {"ds": digits, "shards": shards, "cases": cases}
    pull = ["found", "score", "predicted"]
    run = lepton.submit(TRAIN, namespace=values, replicas=replicas, pull=pull).wait(400)
    assert run.state == "done", run.error
    return run


@pytest.fixture(scope="module")
def pair(digits, quartet):
    return trained(digits, 2, 2, CASES)


@pytest.fixture(scope="module")
def alone(digits, quartet):
    return trained(digits, 1, 2, CASES)


@pytest.mark.parametrize("case", [name for name, *_ in CASES])
def test_two_ranks_are_as_one_process_with_both_batches(pair, alone, case):
    weights, history, apart = pair.values["found"][case]
    expected, expected_history, _ = alone.values["found"][case]
    assert apart == 0.0  # on both ranks, to the last bit
    for ours, theirs in zip(weights, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=3e-6)
    assert history.keys() == expected_history.keys()
    for name, values in history.items():
        np.testing.assert_allclose(values, expected_history[name], atol=3e-6, err_msg=name)


def test_figures_are_of_all_ranks_and_predictions_of_all_samples(pair, alone):
    for name, value in alone.values["score"].items():
        assert pair.values["score"][name] == pytest.approx(value, abs=1e-5)
    assert pair.values["predicted"].shape == (460, 2)
    np.testing.assert_allclose(pair.values["predicted"], alone.values["predicted"], atol=3e-5)


def test_four_ranks_are_as_one_process(digits, quartet):
    case = [("plain", "sgd", False)]
    four, one = trained(digits, 4, 4, case), trained(digits, 1, 4, case)
    weights, _, apart = four.values["found"]["plain"]
    assert apart == 0.0
    for ours, theirs in zip(weights, one.values["found"]["plain"][0], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=3e-6)
    ranks = four.to_dict()["replicas"]
    assert [rank["rank"] for rank in ranks] == [0, 1, 2, 3]
    assert len({rank["worker"] for rank in ranks}) == 4
    assert {rank["state"] for rank in ranks} == {"done"}
    assert four.devices == ["cpu"] * 4


# -- what a cell without Keras sees


def test_each_rank_has_its_place(quartet):
    code = (
        "import json, os, lepton_jlab as lepton\n"
        "task = json.loads(os.environ['TF_CONFIG'])\n"
        "print('rank', lepton.rank(), task['task']['index'])\n"
        "total = lepton.all_reduce({'n': lepton.rank() + 1, 'one': [1.0]}, 'sum')\n"
        "world = lepton.world(), len(task['cluster']['worker'])"
    )
    run = lepton.submit(code, namespace={}, replicas=3, pull=["total", "world"]).wait(60)
    assert run.state == "done", run.error
    assert run.values["total"] == {"n": 6, "one": [3.0]}
    assert run.values["world"] == (3, 3)
    assert sorted(run.output.splitlines()) == ["[1] rank 1 1", "[2] rank 2 2", "rank 0 0"]


def test_alone_it_is_all_there_is():
    assert (lepton.rank(), lepton.world(), lepton.all_reduce([2, 3.5])) == (0, 1, [2, 3.5])


def test_the_error_of_a_rank_fails_the_run_and_names_it(quartet):
    code = (
        "import lepton_jlab as lepton\n"
        "if lepton.rank() == 1:\n    raise ValueError('no such column')\n"
        "lepton.all_reduce(1.0)"
    )
    run = lepton.submit(code, namespace={}, replicas=2).wait(60)
    assert run.state == "failed"
    assert run.error["kind"] == "exception"
    assert run.error["message"].startswith("rank 1 on worker ")
    assert run.error["message"].endswith("ValueError: no such column")
    assert "has gone" not in run.output


def test_a_rank_that_calls_less_often_is_named(quartet):
    code = "import lepton_jlab as lepton\nif lepton.rank() == 0:\n    lepton.all_reduce(1.0)"
    run = lepton.submit(code, namespace={}, replicas=2).wait(60)
    assert run.state == "failed"
    assert "had come to the end of the cell: every rank must call" in run.error["message"]


def test_what_cannot_be_is_refused(quartet):
    with pytest.raises(ClusterError, match="--replicas 5: cluster 'quartet' has 4 workers"):
        lepton.submit("1", namespace={}, replicas=5)
    with pytest.raises(UsageError, match="--replicas needs processes of its own: leave --keep"):
        lepton.submit("1", namespace={}, replicas=2, keep="k")
