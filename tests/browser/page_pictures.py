"""Makes the pictures of every page, in both themes and two widths, in docs/pictures.

python tests/browser/page_pictures.py [NAME …]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
WIDTHS = (1280, 1600)
HEIGHT = 1000
SWEEP = {"lr": [0.1, 0.01, 0.001, 0.0001], "units": [16, 64, 128]}
TRIAL = """
import math, random, lepton_jlab as lepton
random.seed(f"{lr} {units}")
print("training with", lr, units)
for epoch in range(1, 25):
    loss = 2.2 * math.exp(-epoch / (4 + units / 16)) + abs(math.log10(lr) + 2.3) / 8
    loss += random.random() / 25
    lepton.log(loss=loss, val_loss=1.1 * loss, accuracy=1 - loss / 3, step=epoch)
    print(f"\\repoch {epoch} of 24 \\x1b[32m{'━' * epoch}\\x1b[0m", end="")
model = {"weights": [1.0] * 5000}
"""
BROKEN = """import numpy as np

def normalise(images, mean):
    return images - mean

images = np.zeros((4, 28, 28))
normalise(images, np.zeros(7))"""


def make(folder: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """Make runs, a dataset and a model; return each page's command by the name of its picture."""
    import keras
    import numpy as np

    import lepton_jlab as lepton
    from lepton_jlab.data.storage import snapshot

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, 600)
    y, x = np.mgrid[:28, :28]
    blobs = [np.exp(-((x - 6 - 3 * c) ** 2 + (y - 14) ** 2) / (20 + 4 * c)) for c in labels]
    images = (220 * np.stack(blobs) + rng.integers(0, 30, (600, 28, 28))).astype("u1")
    np.savez(folder / "blobs.npz", x=images[..., None], y=labels)
    lepton.import_dataset(str(folder / "blobs.npz"), str(folder / "blobs.zarr"))
    snapshot(folder / "blobs.zarr", "first")
    np.savez(folder / "unseen.npz", x=images[..., None])
    lepton.import_dataset(str(folder / "unseen.npz"), str(folder / "unseen.zarr"))
    trials = lepton.submit(TRIAL, name="trials", sweep=SWEEP, pull=["model"]).wait(120)
    broken = lepton.submit(BROKEN, name="broken").wait(60)
    for units in (8, 64):
        layers = [
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(units),
        ]
        layers = [keras.Input((28, 28, 1)), *layers, keras.layers.Dense(6, activation="softmax")]
        model = keras.Sequential(layers)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(images[..., None], labels, epochs=1 + units // 16, verbose=0)
        lepton.save_model(
            model,
            "blobs",
            note=f"{units} units",
            samples=str(folder / "blobs.zarr"),
            classes=["far left", "left", "middle left", "middle right", "right", "far right"],
            promote=True,
        )
    lepton.deploy("blobs")
    return {
        "run": ("lepton:open-run", {"id": trials[3].id}),
        "failed-run": ("lepton:open-run", {"id": broken.id}),
        "comparison": ("lepton:open-comparison", {"ids": [trials.id]}),
        "resources": ("lepton:open-resources", {}),
        "dataset": ("lepton:open-dataset", {"path": "blobs.zarr"}),
        "model": ("lepton:open-model", {"name": "blobs"}),
        "label": ("lepton:open-labelling", {"path": "unseen.zarr"}),
    }


def label(view: Any) -> None:
    """Begin to label, where that was not done yet."""
    begin = view.locator(".lp-Begin")
    begin.or_(view.locator(".lepton-label .line")).first.wait_for()
    if begin.count():
        begin.locator("input").first.fill("left, middle, right")
        begin.get_by_role("button").click()
    view.locator(".lepton-label .line", has_text="Sample").wait_for()


def take(browser: Any, lab: Any, pages: dict[str, tuple[str, dict[str, Any]]]) -> None:
    """Open each page in each width and theme, and keep what it looks like."""
    from conftest import open_page
    from sidebar import command, theme
    from studio import keep

    for width in WIDTHS:
        page = open_page(browser.new_context(viewport={"width": width, "height": HEIGHT}), lab)
        command(page, "application:toggle-left-area")
        for look in ("Light", "Dark"):
            theme(page, look)
            for name, (opening, arguments) in pages.items():
                command(page, opening, arguments)
                view = page.locator(".jp-MainAreaWidget:not(.lm-mod-hidden) .lp-Page")
                if name == "label":
                    label(view)
                else:
                    view.locator(".lp-Block").first.wait_for()
                    view.locator(".lp-Empty", has_text="…").first.wait_for(state="detached")
                if name == "model":
                    view.get_by_role("button", name="Predict").click()
                    view.get_by_text("answered in").wait_for()
                page.wait_for_timeout(1500)  # charts and pictures of samples are drawn
                keep(page, f"pictures/{name}-{width}-{look.lower()}")
        page.context.close()


def main() -> None:
    """Run a lab and a cluster of its own, and make the pictures."""
    from studio import open_lab, private_home

    import lepton_jlab as lepton

    with private_home() as home, open_lab(home) as (lab, browser):
        lepton.start_cluster(workers=2, threads=1)
        made = make(lab.root)
        take(browser, lab, {name: made[name] for name in sys.argv[1:] or made})


if __name__ == "__main__":
    main()
