"""Makes the pictures of a machine with eight GPUs, which the stub of NVML invents.

python tests/browser/gpu_pictures.py
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
WIDTHS = (1280, 1600)
HEIGHT = 1000
GIB = 2**30
WORK = """
import math, time, lepton_jlab as lepton
for epoch in range(1, epochs + 1):
    end = time.process_time() + 0.4
    while time.process_time() < end:
        pass
    lepton.log(loss=math.exp(-epoch / 6), val_accuracy=1 - math.exp(-epoch / 5), step=epoch)
"""
LONG = "import time\nwhile True:\n    sum(range(100_000)); time.sleep(0.02)"


def load(gpus: Any, tick: int) -> None:
    """Have every device do something of its own for a while."""
    for index in range(8):
        busy = {0: 96, 1: 88, 2: 74, 3: 91}.get(index, 0)
        wave = math.sin(tick / (3 + index)) * 6 * bool(busy)
        used = {0: 13.2, 1: 12.1, 2: 9.4, 3: 14.8, 4: 6.3, 6: 2.2}.get(index, 0.3)
        watts = 55 + 1.9 * busy + wave * 2 + index
        gpus.set(
            index,
            use=round(max(0, min(100, busy + wave))),
            used=round(used * GIB),
            watts=round(watts),
            celsius=round(38 + busy / 3 + wave / 3 + index),
        )
        gpus.figure(index, "sm_clock", 1980 if busy else 345)
        gpus.figure(index, "pcie_tx", 850_000 * bool(busy) + 200)
        gpus.figure(index, "pcie_rx", 2_450_000 * bool(busy) + 300)
    gpus.figure(5, "ecc_corrected", 12)
    gpus.figure(5, "ecc_uncorrected", 2)


def take(browser: Any, lab: Any, width: int, runs: dict[str, str], work: Any) -> None:
    """Keep what the pages and the sidebar look like, in both themes."""
    from conftest import open_page
    from sidebar import Sidebar, command, theme
    from studio import keep

    page = open_page(browser.new_context(viewport={"width": width, "height": HEIGHT}), lab)
    side = Sidebar(page)
    for heading in side.node.locator("[data-section] h3 button").all():
        part = heading.get_attribute("aria-controls").removeprefix("lp-section-")
        if (heading.get_attribute("aria-expanded") == "true") != (part == "resources"):
            heading.click()

    def snap(name: str) -> None:
        work(4.0)
        keep(page, f"pictures/{name}-{width}-{look.lower()}")

    for look in ("Light", "Dark"):
        theme(page, look)
        snap("gpus-sidebar")
    command(page, "application:toggle-left-area")
    pages = {
        "gpus": ("lepton:open-resources", {}),
        "cost-run": ("lepton:open-run", {"id": runs["run"]}),
        "cost-comparison": ("lepton:open-comparison", {"ids": [runs["sweep"]]}),
    }
    for look in ("Light", "Dark"):
        theme(page, look)
        for name, (opening, arguments) in pages.items():
            command(page, opening, arguments)
            page.locator(".jp-MainAreaWidget:not(.lm-mod-hidden) .lp-Block").first.wait_for()
            snap(name)
    page.context.close()


def main() -> None:
    """Run a lab and a cluster of its own beside eight invented GPUs, and make the pictures."""
    from nvml import InventedGpus, compiled
    from studio import open_lab, private_home

    with private_home(preload=False) as home:
        gpus = InventedGpus(home / "gpus", compiled(home), 8)
        load(gpus, 0)
        os.environ |= gpus.environment
        with open_lab(home) as (lab, browser):
            show(browser, lab, gpus)


def show(browser: Any, lab: Any, gpus: Any) -> None:
    """Give the GPUs to runs, a kernel and another program, and take the pictures."""
    from jupyter_client import KernelManager

    import lepton_jlab as lepton
    from lepton_jlab.runs.usage import usage

    lepton.start_cluster(workers=3, threads=1)
    runtime = lab.home / "runtime"
    runtime.mkdir(exist_ok=True)
    kernel = KernelManager(connection_file=str(runtime / f"kernel-{uuid.uuid4()}.json"))
    other = subprocess.Popen(["sleep", "1000"])
    try:
        lepton.submit(WORK, name="first", sweep={"epochs": [2, 5]}).wait(120)
        sweep = lepton.submit(WORK, name="trials", sweep={"epochs": [3, 8, 5]}).wait(120)
        lepton.submit(LONG, name="long", sweep={"x": [1, 2, 3]})
        kernel.start_kernel()
        while len(pids := [one["pid"] for one in usage()["runs"].values()]) < 3:
            time.sleep(0.2)
        for index, pid in enumerate([*pids, pids[0]]):
            gpus.put(index, pid, 12 * GIB, use=90)
        gpus.put(4, kernel.provisioner.pid, 6 * GIB)
        gpus.put(6, other.pid, 2 * GIB)

        def work(seconds: float) -> None:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                load(gpus, round(time.monotonic() * 2))
                time.sleep(0.5)

        work(20)
        runs = {"run": sweep[1].id, "sweep": sweep.id}
        for width in WIDTHS:
            take(browser, lab, width, runs, work)
    finally:
        kernel.shutdown_kernel(now=True)
        other.kill()


if __name__ == "__main__":
    main()
