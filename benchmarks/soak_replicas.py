"""`python -m benchmarks.soak_replicas --rounds 20`: replicas, workers and hosts killed at random.

Each round trains the same model on two workers and kills -9 one thing at a random moment: a
replica, a worker, or the host, whose run is then resumed. Training must finish, with the final
loss within noise of the undisturbed run; what came of each round is printed.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import lepton_jlab as lepton
from benchmarks.home import private_home
from benchmarks.replicas import _dataset
from lepton_jlab.errors import LeptonError

_CELL = """
import os
import keras
import lepton_jlab as lepton

print("pid", os.getpid())
keras.utils.set_random_seed(1)
model = keras.Sequential([
    keras.layers.Conv2D(8, 3, activation="relu"), keras.layers.Flatten(), keras.layers.Dense(10)])
model.compile(keras.optimizers.Adam(0.001),
              keras.losses.SparseCategoricalCrossentropy(from_logits=True))
loss = model.fit(ds.batches(32, shuffle=True), epochs=6, verbose=0).history["loss"][-1]
"""
_NOISE = 0.02  # of the loss; on as many workers it is the same to rounding


def main() -> None:
    """Run the rounds; exit status 1 if one did not finish, or with another loss."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak_replicas", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    dice = random.Random(options.seed)
    with private_home(), tempfile.TemporaryDirectory() as folder:
        dataset = _dataset(Path(folder), 4096)
        _cluster()
        expected = _finish(_start(dataset)).values["loss"]
        start = time.monotonic()
        _finish(_start(dataset))  # all is warm now
        length = time.monotonic() - start
        print(f"undisturbed: loss {expected:.6f}, {length:.1f} s", flush=True)
        wrong = 0
        for number in range(options.rounds):
            victim = dice.choice(("replica", "worker", "host"))
            wrong += not _round(dataset, number, victim, dice.uniform(0.2, 0.9) * length, expected)
        lepton.get_cluster("soak").stop(force=True)
    print(f"{options.rounds - wrong} of {options.rounds} rounds as they should be")
    sys.exit(1 if wrong else 0)


def _cluster() -> lepton.Cluster:
    if "soak" not in {one.name for one in lepton.clusters()}:
        lepton.start_cluster("soak", workers=3, threads=1, idle_timeout="1h")
        lepton.use_cluster("soak")
    return lepton.get_cluster("soak")


def _start(dataset: lepton.Dataset) -> lepton.Run:
    values = {"ds": dataset}
    run = lepton.submit(_CELL, namespace=values, replicas=2, checkpoint=0.2, pull=["loss"])
    assert isinstance(run, lepton.Run)
    return run


def _finish(run: lepton.Run) -> lepton.Run:
    run.wait(600)
    if run.state == "lost":
        _cluster()
        run = run.resume() if run.to_dict()["checkpoint"] else run.rerun()
        return _finish(run)
    return run


def _round(
    dataset: lepton.Dataset, number: int, victim: str, after: float, expected: float
) -> bool:
    cluster = _cluster()
    run = _start(dataset)
    time.sleep(after)
    try:
        killed = _kill(cluster, run, victim)
        last = _finish(run)
    except LeptonError as error:
        print(f"round {number + 1}: {victim} after {after:.1f} s: {error}", flush=True)
        return False
    loss = last.values["loss"] if last.state == "done" else float("nan")
    right = last.state == "done" and abs(loss - expected) <= _NOISE
    print(
        f"round {number + 1}: {victim} {killed} after {after:.1f} s: {last.state}, attempt "
        f"{last.to_dict()['attempt']}, loss {loss:.6f} ({loss - expected:+.1e})"
        f"{'' if right else ' WRONG: ' + str(last.error)}",
        flush=True,
    )
    return right


def _kill(cluster: lepton.Cluster, run: lepton.Run, victim: str) -> int:
    """Kill -9 what is asked for; 0 where it is not there (any more)."""
    if victim == "host":
        pid = int(cluster.info()["host_pid"])
    elif victim == "worker":
        ranks = run.to_dict()["replicas"]
        with cluster.client() as client:
            names = {a: str(w["name"]) for a, w in client.scheduler_info()["workers"].items()}
            pids = {names[a]: pid for a, pid in client.run(os.getpid).items()}
        pid = pids.get(ranks[-1]["worker"], 0) if ranks else 0
    else:
        told = [line.split()[-1] for line in run.output.splitlines() if "pid" in line]
        pid = int(told[-1]) if told else 0
    if pid:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return 0
    return pid


if __name__ == "__main__":
    main()
