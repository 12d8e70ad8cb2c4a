"""`python -m benchmarks [GROUP …]`: measure, print, and keep the result."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from importlib import import_module

from benchmarks import GROUPS, report
from benchmarks.home import private_home

_ENOUGH = 5  # rounds; fewer are for trying out


def main() -> None:
    """Measure the groups asked for, and say which targets were missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--rounds", type=int, default=_ENOUGH, help="5 or more to be kept")
    parser.add_argument("--quick", action="store_true", help="small sizes: only to see it work")
    options = parser.parse_args()
    if unknown := set(options.groups) - set(GROUPS):
        parser.error(f"no group named {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    # So that all is ended and removed, whoever ends this.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    kept = options.rounds >= _ENOUGH and not options.quick
    with private_home():
        for group in [name for name in GROUPS if name in (options.groups or GROUPS)]:
            module = import_module(f"benchmarks.{group}")
            start = time.monotonic()
            result = module.measure(options.rounds, options.quick)
            report.show(group, result)
            print(f"{'':<11} {time.monotonic() - start:.0f} s", flush=True)
            if kept:
                report.keep(group, str(module.__doc__), result, options.rounds)
    if not kept:
        print(f"Nothing kept: that takes {_ENOUGH} rounds or more, and not --quick.")


if __name__ == "__main__":
    main()
