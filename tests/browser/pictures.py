"""Makes the pictures of the sidebar in docs/pictures: ``make pictures``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
WIDTHS = (1280, 1600)
HEIGHT = 900
TRIAL = """import math, random, time, lepton_jlab as lepton
for step in range(24):
    lepton.log(loss=math.exp(-step * lr * 20) + random.random() / 20)
"""
LONG = TRIAL + "time.sleep(600)"


def make(folder: Path) -> None:
    """Make a dataset and runs: some ended, one failed, two that run and one that waits."""
    import numpy as np

    import lepton_jlab as lepton

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, 600)
    y, x = np.mgrid[:28, :28]
    blobs = [np.exp(-((x - 6 - 3 * c) ** 2 + (y - 14) ** 2) / (20 + 4 * c)) for c in labels]
    images = (220 * np.stack(blobs) + rng.integers(0, 30, (600, 28, 28))).astype("u1")
    np.savez(folder / "blobs.npz", x=images[..., None], y=labels)
    lepton.import_dataset(str(folder / "blobs.npz"), str(folder / "blobs.zarr"))
    lepton.submit(TRIAL, name="trials", sweep={"lr": [0.001, 0.003, 0.01]}).wait(120)
    lepton.submit("import numpy\nnumpy.zeros(4) @ numpy.zeros(5)", name="broken").wait(60)
    lepton.submit(LONG, sweep={"lr": [0.002, 0.005, 0.02]})


def take(browser: Any, lab: Any, views: dict[str, tuple[str, ...]]) -> None:
    """Keep what each view looks like, a view being the sections that are open."""
    from conftest import open_page
    from sidebar import Sidebar, theme
    from studio import keep

    for width in WIDTHS:
        page = open_page(browser.new_context(viewport={"width": width, "height": HEIGHT}), lab)
        side = Sidebar(page)
        for name, sections in views.items():
            for heading in side.node.locator("[data-section] h3 button").all():
                part = heading.get_attribute("aria-controls").removeprefix("lp-section-")
                if (heading.get_attribute("aria-expanded") == "true") != (part in sections):
                    heading.click()
            if name == "cluster-form":
                ask(side)
            for head in side.section("data").locator(".lps-Row-head[aria-expanded=false]").all():
                head.click()
            for look in ("Light", "Dark"):
                theme(page, look)
                page.mouse.move(width - 5, HEIGHT - 60)
                page.wait_for_timeout(2500)  # pictures of samples and some seconds of curves
                keep(page, f"pictures/{name}-{width}-{look.lower()}")
        page.context.close()


def ask(side: Any) -> None:
    """Fill the form of a new cluster with what one elsewhere needs, all of it folded out."""
    side.node.get_by_role("button", name="New cluster", exact=True).first.click()
    form = side.node.get_by_role("form", name="New cluster")
    form.get_by_label("Runs on").select_option("ssh")
    form.get_by_label("Hosts").fill("node1,me@node2")
    form.get_by_text("more options").click()


def main() -> None:
    """Run a lab and a cluster of its own, and make the pictures."""
    from studio import open_lab, private_home

    import lepton_jlab as lepton

    everything = ("clusters", "runs", "data", "models", "resources")
    with private_home(preload=False) as home, open_lab(home) as (lab, browser):
        take(browser, lab, {"empty": everything})
        lepton.start_cluster(workers=2, threads=1)
        make(lab.root)
        views = {"sidebar": everything, "data": ("data",), "use": ("resources",)}
        views["cluster-form"] = ("clusters",)
        take(browser, lab, views)


if __name__ == "__main__":
    main()
