"""How long a cancelled run goes on: one that listens, and one that has to be killed."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.home import WORKERS, cluster, submit
from benchmarks.report import Figure, Result
from benchmarks.rounds import interleave, median_of, percentile
from benchmarks.training import training_cell

if TYPE_CHECKING:
    from lepton_jlab import Run

_BEGUN = 'print("begun")'
_SHORT = {  # a cell that says "begun" and then goes on for ever
    "cancel a loop": f"{_BEGUN}\nwhile True: pass",
    "cancel a sleep": f"import time\n{_BEGUN}\ntime.sleep(1e6)",
}
_TRAINING = "cancel a training"
_STAMP = f"""
begun = lambda batch, logs: {_BEGUN} if batch == 9 else None
callbacks.append(keras.callbacks.LambdaCallback(on_train_batch_end=begun))
"""
_STUBBORN = f"""
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
{_BEGUN}
while True: pass
"""
_KILL = "hard kill of a cell that ignores interrupts, slot free again"
_GRACE = "the same after the grace"


def measure(rounds: int, quick: bool) -> Result:
    """Cancel from here, and wait until the record says that it is over."""
    training = "seed = 0\n" + training_cell(epochs=10**6, before=_STAMP)
    with cluster():
        ways = {name: partial(_cancel, cell) for name, cell in _SHORT.items()}
        samples = interleave(ways, rounds * (2 if quick else 10), pause=0.05)
        samples |= interleave({_TRAINING: partial(_cancel, training)}, rounds * 2)
        ways = {_KILL: partial(_free, force=True), _GRACE: partial(_free, force=False)}
        samples |= interleave(ways, rounds)
    both = [value for name in _SHORT for value in samples[name]]
    return Result(
        [
            Figure("cancel a loop or a sleep, p50", percentile(both, 50) * 1e3, "ms"),
            Figure("cancel a loop or a sleep, p95", percentile(both, 95) * 1e3, "ms", at_most=100),
            Figure(
                f"{_TRAINING}, p95", percentile(samples[_TRAINING], 95) * 1e3, "ms", at_most=100
            ),
            Figure(_KILL, median_of(samples, _KILL), "s", at_most=1),
            Figure(_GRACE, median_of(samples, _GRACE), "s", at_most=5),
        ],
        samples,
    )


def _cancel(cell: str) -> float:
    run = _begun(cell)
    start = time.monotonic()
    run.cancel()
    return _until(start, run)


def _free(force: bool) -> float:
    """Return the time until another run has been where a stubborn one was."""
    stubborn = [_begun(_STUBBORN) for _ in range(WORKERS)]
    waiting = submit("x = 1")
    start = time.monotonic()
    stubborn[0].cancel(force=force)
    taken = _until(start, waiting)
    for run in stubborn:
        run.cancel(force=True)
        run.wait(30)
    return taken


def _begun(cell: str) -> Run:
    """Submit a cell and return when it has begun."""
    from lepton_jlab.runs.follow import follow

    run = submit(cell)
    for _ in follow([run], timeout=60):
        if "begun" in run.output:
            return run
    raise RuntimeError(f"{run!r} did not begin: {run.error}")


def _until(start: float, run: Run) -> float:
    run.wait(30)
    return time.monotonic() - start
