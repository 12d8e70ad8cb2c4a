"""What `import lepton_jlab` costs a kernel, and `%load_ext`, in new processes."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from benchmarks.report import Figure, Result
from benchmarks.rounds import interleave, median_of

_PROGRAM = """
import sys, time
start = time.perf_counter()
import {module}
print(time.perf_counter() - start, "tensorflow" in sys.modules, "distributed" in sys.modules)
"""


def measure(rounds: int, quick: bool) -> Result:  # noqa: ARG001 (one protocol)
    """Import in a new process each time."""
    package, magics = "import lepton_jlab", "import lepton_jlab.magics"
    ways = {name: partial(_import, name.split()[1]) for name in (package, magics)}
    samples = interleave(ways, rounds, pause=0.0)
    return Result(
        [
            Figure("import lepton_jlab", median_of(samples, package) * 1e3, "ms", at_most=100),
            Figure("import lepton_jlab.magics (%load_ext)", median_of(samples, magics) * 1e3, "ms"),
        ],
        samples,
    )


def _import(module: str) -> float:
    command = [sys.executable, "-c", _PROGRAM.format(module=module)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    if "True" in answer:
        raise RuntimeError(f"import {module} brings TensorFlow or Dask along")
    return float(answer[0])
