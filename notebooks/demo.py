"""Execute the quickstart headless: progress on the terminal, the result as a table and as HTML."""

from __future__ import annotations

import sys

from execute import execute

REQUIRED_ACCURACY = 0.85


def main() -> int:
    """Run the notebook in the folder `demo`; return the exit status."""
    outcome = execute("quickstart")
    if not outcome.done:
        return 1
    import lepton_jlab as lepton

    runs = [run for run in lepton.runs() if "test_accuracy" in run.metrics]
    best = max(run.metrics["test_accuracy"] for run in runs)
    print(f"Best accuracy {best:.3f} in {outcome.seconds:.0f} s.")
    if best < REQUIRED_ACCURACY:
        print(f"That is below {REQUIRED_ACCURACY}: something is wrong.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
