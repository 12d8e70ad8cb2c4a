"""What sampling costs a worker with a GPU, and how far energy is off a known curve, at 1 Hz."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import mkdtemp

from benchmarks.report import Figure, Result

_STUB = Path(__file__).parents[1] / "tests" / "nvml_stub.c"
_SHARE = "sampling and energy of a run with a GPU at 1 Hz: share of a core"
_COUNTER = "energy by the device's counter, off the known curve by"
_POWER = "energy by sampled power, off the known curve by"
# A saw of 20 s between 80 and 320 W, on both devices; the second has no counter.
_CURVE = [(t, 80e3 if (t // 10) % 2 == 0 else 320e3) for t in range(0, 310, 10)]
_CHILD = """
import asyncio, json, os, sys, time
from lepton_jlab.resources.energy import EnergyMeter
from lepton_jlab.runs.meter import ProcessMeter
span, begin = float(sys.argv[1]), float(sys.argv[2])
curve = json.loads(sys.argv[3])
process = ProcessMeter(int(sys.argv[4]))
meter = EnergyMeter()
accounts = [meter.open(process.spent, process.pids, [name]) for name in ("0", "1")]
meter.look(5)
started, spent = time.time() - begin, time.process_time()
for _ in range(round(span)):  # as heartbeats do
    time.sleep(1)
    process.read()
spent = time.process_time() - spent
async def close():
    return [(await meter.close(one))["gpus"].values() for one in accounts]
parts = [part for told in asyncio.run(close()) for part in told]
ended = time.time() - begin
def joules(t):
    total = 0.0
    for (t0, p0), (t1, p1) in zip(curve, curve[1:]):
        if t > t0:
            s = min(t, t1) - t0
            total += (p0 + (p0 + (p1 - p0) * s / (t1 - t0))) / 2 * s / 1000
    return total
known = joules(ended) - joules(started)
print(json.dumps([spent / span] + [abs(part["joules"] / known - 1) for part in parts]))
"""


def measure(rounds: int, quick: bool) -> Result:
    """Sample a process for a while beside invented GPUs whose power follows a known curve."""
    import time

    compiler = shutil.which("cc")
    if compiler is None:
        raise SystemExit("benchmarks energy: no C compiler: apt-get install gcc")
    folder = Path(mkdtemp(prefix="nvml-"))
    library = folder / "libnvidia-ml.so.1"
    subprocess.run(
        [compiler, "-O1", "-shared", "-fPIC", "-pthread", "-o", library, _STUB], check=True
    )
    span = 10 if quick else 60
    found: list[list[float]] = []
    for _ in range(rounds):
        busy = subprocess.Popen([sys.executable, "-c", "while True: sum(range(10_000))"])
        begin = time.time()
        points = " ".join(f"{t} {watts}" for t, watts in _CURVE)
        state = ["count 2", *(f"process {i} {busy.pid} {2**30} -1 50" for i in (0, 1))]
        state += [f"curve 0 counter {begin} {points}", f"curve 1 sampled {begin} {points}"]
        (folder / "state").write_text("\n".join(state) + "\n")
        environment = {
            **os.environ,
            "LD_LIBRARY_PATH": str(folder),
            "LEPTON_NVML_STATE": str(folder / "state"),
        }
        told = [str(span), str(begin), json.dumps(_CURVE), str(busy.pid)]
        try:
            done = subprocess.run(
                [sys.executable, "-c", _CHILD, *told],
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            )
        finally:
            busy.kill()
            busy.wait()
        found.append(json.loads(done.stdout))
    titles = (_SHARE, _COUNTER, _POWER)
    samples = {title: [100 * row[i] for row in found] for i, title in enumerate(titles)}
    return Result(
        [
            Figure(_SHARE, median(samples[_SHARE]), "%", at_most=0.5),
            Figure(_COUNTER, median(samples[_COUNTER]), "%", at_most=2),
            Figure(_POWER, median(samples[_POWER]), "%", at_most=2),
        ],
        samples,
        units=dict.fromkeys(samples, "%"),
    )
