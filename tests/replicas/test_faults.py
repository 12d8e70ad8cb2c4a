"""Replicas, workers and hosts that die while they train: the model is as if nothing had been."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from conditions import wait_gone, wait_until

import lepton_jlab as lepton
from lepton_jlab.errors import RunError
from lepton_jlab.runs import Run

pytestmark = pytest.mark.fault

# Training stops at each gate until a file opens it, so that faults come at known steps.
TRAIN = """
import os, time
from pathlib import Path
import keras, numpy as np
import lepton_jlab as lepton

class Gates(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        step = int(self.model.optimizer.iterations)
        if step in gates:
            Path(folder, f"at-{step}-{lepton.rank()}").write_text(str(os.getpid()))
            while not Path(folder, f"go-{step}").exists():
                time.sleep(0.01)

keras.utils.set_random_seed(5)
model = keras.Sequential([
    keras.layers.Flatten(), keras.layers.Dense(16, activation="relu"), keras.layers.Dropout(0.2),
    keras.layers.BatchNormalization(), keras.layers.Dense(2)])
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
first = model.fit(ds.batches(32, shuffle=True), epochs=1, verbose=0).history
fit = model.fit(ds.batches(16, shuffle=True, seed=3), epochs=3, verbose=0, callbacks=[Gates()])
history = {"first": first, "then": fit.history, "epochs": fit.epoch}
loss = model.evaluate(ds.batches(50), verbose=0)[0]
"""


def start(
    digits: lepton.Dataset,
    folder: Path,
    gates: list[int],
    checkpoint: float = 0.001,
    code: str = TRAIN,
) -> Run:
    values = {"ds": digits, "folder": str(folder), "gates": gates}
    pull = ["history", "loss"]
    return lepton.submit(code, namespace=values, replicas=2, checkpoint=checkpoint, pull=pull)


def pid_at(folder: Path, gate: int, rank: int) -> int:
    """Return the process of a rank that waits at a gate."""
    file = folder / f"at-{gate}-{rank}"
    return int(wait_until(lambda: file.exists() and file.read_text(), 120, f"{file.name}"))


def worker_of(cluster: lepton.Cluster, run: Run, rank: int) -> int:
    name = run.to_dict()["replicas"][rank]["worker"]
    with cluster.client() as client:
        names = {a: str(w["name"]) for a, w in client.scheduler_info()["workers"].items()}
        return next(pid for a, pid in client.run(os.getpid).items() if names[a] == name)


@pytest.fixture(scope="module")
def trio():
    cluster = lepton.start_cluster("trio", workers=3, threads=1, idle_timeout="10 min")
    lepton.use_cluster("trio")
    yield cluster
    for one in lepton.clusters():
        if one.name == "trio":
            one.stop(force=True)


@pytest.fixture(scope="module")
def undisturbed(trio, digits, tmp_path_factory):
    run = start(digits, tmp_path_factory.mktemp("calm"), []).wait(200)
    assert run.state == "done", run.error
    return run


def test_deaths_leave_no_trace_in_the_model(trio, digits, tmp_path, undisturbed):
    gates = [18, 27, 40]
    run = start(digits, tmp_path, gates)
    # The notice is a SIGTERM, which a machine is sent before it is taken away.
    for gate, fault in zip(gates, ("replica", "worker", "notice"), strict=True):
        pids = [pid_at(tmp_path, gate, rank) for rank in (0, 1)]
        victim = pids[1] if fault == "replica" else worker_of(trio, run, 1)
        os.kill(victim, signal.SIGTERM if fault == "notice" else signal.SIGKILL)
        (tmp_path / f"go-{gate}").touch()
        wait_gone(pids)
    run.wait(200)
    assert run.state == "done", run.error
    # One more where it was given to the killed worker before its death was known.
    assert run.to_dict()["attempt"] >= 4
    assert run.output.count("Going on from the checkpoint at") >= 3, run.output
    check(run, undisturbed.values["history"], 1e-5)
    assert list(run.history.index) == list(undisturbed.history.index)
    with pytest.raises(RunError, match="is done"):
        run.resume()


def test_a_checkpoint_after_the_last_step_of_an_epoch_trains_none_again(
    trio, digits, tmp_path, undisturbed
):
    steps = [len(digits.batches(size, rank=0, world=2)) for size in (32, 16)]
    gate = sum(steps) - 1
    run = start(digits, tmp_path, [gate], checkpoint=3600)
    pids = [pid_at(tmp_path, gate, rank) for rank in (0, 1)]
    os.kill(pids[1], signal.SIGTERM)  # it makes a checkpoint after the next step, and goes
    (tmp_path / f"go-{gate}").touch()
    wait_gone(pids)
    run.wait(200)
    assert run.state == "done", run.error
    assert run.to_dict()["attempt"] == 2
    check(run, undisturbed.values["history"], 1e-5)


@pytest.fixture(scope="module")
def stepwise(trio, digits, tmp_path_factory):
    """Train with epochs of seven steps, undisturbed; return the code and the run."""
    fit = "model.fit(ds.batches(16, shuffle=True, seed=3), "
    assert fit in TRAIN
    code = TRAIN.replace(fit, fit.replace("), ", ").repeat(), steps_per_epoch=7, "))
    run = start(digits, tmp_path_factory.mktemp("calm"), [], code=code).wait(200)
    assert run.state == "done", run.error
    return code, run


@pytest.mark.parametrize("steps", [9, 14 - 1], ids=["within an epoch", "after its last step"])
def test_epochs_of_steps_go_on_where_they_were(trio, digits, tmp_path, stepwise, steps):
    code, undisturbed = stepwise
    gate = len(digits.batches(32, rank=0, world=2)) + steps
    run = start(digits, tmp_path, [gate], checkpoint=3600, code=code)
    pids = [pid_at(tmp_path, gate, rank) for rank in (0, 1)]
    os.kill(pids[1], signal.SIGTERM)  # it makes a checkpoint after the next step, and goes
    (tmp_path / f"go-{gate}").touch()
    wait_gone(pids)
    run.wait(200)
    assert run.state == "done", run.error
    assert run.to_dict()["attempt"] == 2
    check(run, undisturbed.values["history"], 1e-5)


def test_after_the_hosts_death_another_cluster_goes_on(trio, digits, tmp_path, undisturbed):
    lost = start(digits, tmp_path, [33])
    pids = [pid_at(tmp_path, 33, rank) for rank in (0, 1)]
    os.kill(trio.info()["host_pid"], signal.SIGKILL)
    wait_gone(pids)
    (tmp_path / "go-33").touch()
    wait_until(lambda: lost.state == "lost", about="the host's death known")
    assert [rank["state"] for rank in lost.to_dict()["replicas"]] == ["lost", "lost"]
    lepton.use_cluster(lepton.start_cluster("trio", workers=1, idle_timeout="10 min").name)
    again = lost.resume().wait(200)
    assert again.state == "done", again.error
    assert len(again.to_dict()["replicas"]) == 1
    # One process sees batches twice as large: its normalisation and its dropout are others.
    check(again, undisturbed.values["history"], 0.15)


def check(run: Run, expected: dict, limit: float) -> None:
    history = run.values["history"]
    assert history["epochs"] == [0, 1, 2]
    for part in ("first", "then"):
        for name, values in expected[part].items():
            np.testing.assert_allclose(history[part][name], values, atol=limit, err_msg=name)
