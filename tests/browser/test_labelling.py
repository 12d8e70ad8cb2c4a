"""A person labels by keys in JupyterLab, loses the kernel, and goes on where it was."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from conditions import wait_until
from notebook import Notebook

from lepton_jlab.data import open_dataset
from lepton_jlab.data.label import open_labels

pytestmark = [pytest.mark.browser, pytest.mark.integration]

CLASSES = ["T-shirt/top", "Trouser", "Bag"]
SAMPLES = 34


@pytest.fixture
def photos(lab: Any) -> Path:
    path: Path = lab.root / "photos.zarr"
    if not path.exists():
        group = zarr.create_group(str(path))
        rows = np.arange(SAMPLES)[:, None, None]
        pixels = (np.add.outer(np.arange(28), np.arange(28))[None] * 4 + rows * 5).astype("u1")
        group.create_array("x", data=pixels, chunks=(8, 28, 28))
    return path


def begin(page: Any, lab: Any, name: str, options: str) -> Notebook:
    cells = [
        "%load_ext lepton_jlab\nimport os, pathlib\n"
        "pathlib.Path('pid').write_text(str(os.getpid()))",
        f"%lepton data label photos.zarr {options}",
    ]
    (lab.root / "pid").unlink(missing_ok=True)
    book = Notebook.of(page, lab.root / name, cells)
    start(page, book)
    return book


def start(page: Any, book: Notebook) -> None:
    book.run(0)
    book.run(1)
    page.locator(".lepton-label .line", has_text="Sample").wait_for()
    page.locator(".lepton-label").focus()


def confirmed(page: Any, count: int) -> None:
    told = f"{count} of {SAMPLES} by ann"
    page.locator(".lepton-label .told", has_text=told).wait_for()
    page.wait_for_function(
        "told => document.querySelector('.lepton-label .told').textContent === told", arg=told
    )


def test_thirty_images_by_keys_with_a_killed_kernel_between(
    page: Any, lab: Any, photos: Path
) -> None:
    options = f"--classes {','.join(CLASSES)} --annotator ann"
    book = begin(page, lab, "labelling.ipynb", options)
    pressed = [sample % 3 for sample in range(15)]
    for count, label in enumerate(pressed, 1):
        page.keyboard.press("123"[label])
        confirmed(page, count)
    book.photograph("labelling")
    assert open_labels(photos).by("ann") == dict(enumerate(pressed))

    pid = int((lab.root / "pid").read_text())
    os.kill(pid, signal.SIGSTOP)  # the kernel is busy, then gone
    page.keyboard.press("1")
    page.locator(".lepton-label .notice", has_text="1 label is not saved yet").wait_for()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{pid}").exists())
    assert open_labels(photos).by("ann") == dict(enumerate(pressed))

    page.locator(".jp-Dialog").get_by_role("button").first.click()  # that the kernel has died
    start(page, book)
    confirmed(page, 15)
    for count in range(16, 31):
        page.keyboard.press("2")
        confirmed(page, count)
    page.keyboard.press("z")
    confirmed(page, 29)
    page.keyboard.press(" ")
    confirmed(page, 30)
    given = open_labels(photos)
    assert given.by("ann") == {**dict(enumerate(pressed)), **dict.fromkeys(range(15, 29), 1)}
    assert given.done("ann") == set(range(30))
    saved = book.save().cells[1]
    assert "d" not in "".join(saved.source.split("data label", 1)[:1])  # no key went elsewhere


def test_boxes_are_drawn_named_and_kept(page: Any, lab: Any, photos: Path) -> None:
    options = f"--classes {','.join(CLASSES)} --annotator ann --kind boxes --name boxes"
    book = begin(page, lab, "boxes.ipynb", options)
    canvas = page.locator(".lepton-label svg.boxes")
    canvas.scroll_into_view_if_needed()
    frame = canvas.bounding_box()
    unit = frame["width"] / 28
    page.mouse.move(frame["x"] + 4 * unit, frame["y"] + 6 * unit)
    page.mouse.down()
    page.mouse.move(frame["x"] + 14 * unit, frame["y"] + 20 * unit, steps=4)
    page.mouse.up()
    page.keyboard.press("3")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    book.photograph("boxes")
    page.keyboard.press("Enter")
    confirmed(page, 1)
    page.keyboard.press("Enter")
    confirmed(page, 2)
    labels = open_labels(photos, name="boxes")
    (event,) = labels.of(0, "ann")
    assert labels.name_of(event.label) == "Bag"
    assert event.box == pytest.approx((5, 6, 10, 15), abs=0.6)
    assert labels.of(1, "ann")[0].box is None


def test_findings_are_reviewed_and_applied(page: Any, lab: Any, photos: Path) -> None:
    group = zarr.create_group(
        str(lab.root / "found.zarr"), attributes={"lepton": {"classes": CLASSES}}
    )
    pixels = open_dataset(photos).x[:]
    pixels[9] = pixels[4]
    group.create_array("x", data=pixels, chunks=(8, 28, 28))
    group.create_array("y", data=np.arange(SAMPLES, dtype="i4") % 3, chunks=(8,))
    cells = [
        "%load_ext lepton_jlab\nimport lepton_jlab as lepton",
        "%lepton data clean found.zarr --checks duplicate,constant,broken -o found",
        "lepton.review(found)",
    ]
    book = Notebook.of(page, lab.root / "review.ipynb", cells)
    for index in range(3):
        book.run(index)
    shown = page.locator(".lepton-review")
    shown.locator(".reasons", has_text="duplicate").wait_for()
    shown.scroll_into_view_if_needed()
    book.photograph("review")
    shown.focus()
    shown.locator(".told", has_text="1 dropped, 0 get another class, 33 left").wait_for()
    page.keyboard.press("k")
    shown.locator(".told", has_text="0 dropped, 0 get another class, 34 left").wait_for()
    page.keyboard.press("3")
    shown.locator(".told", has_text="0 dropped, 1 get another class, 34 left").wait_for()
    shown.locator("input").fill("reviewed.zarr")
    shown.locator("input").press("Enter")
    shown.locator(".notice", has_text="reviewed.zarr is written: 34 samples").wait_for()
    relabelled = open_dataset(lab.root / "reviewed.zarr").y[:]
    changed = np.flatnonzero(relabelled != np.arange(SAMPLES) % 3)
    assert changed.tolist() in ([4], [9])
    assert relabelled[changed].tolist() == [2]


def test_the_page_of_the_lab_labels_too(page: Any, lab: Any, photos: Path) -> None:
    shutil.copytree(photos, lab.root / "others.zarr")
    page.evaluate(
        "async () => { await window.jupyterapp.commands.execute("
        "'lepton:open-labelling', {path: 'others.zarr'}); }"
    )
    form = page.locator(".lp-Begin")
    form.locator("input").first.fill("yes, no")
    form.locator("input").last.fill("ann")
    form.get_by_role("button").click()
    page.locator(".lepton-label .line", has_text="Sample 0").wait_for()
    page.locator(".lepton-label").focus()
    for count, key in enumerate("121", 1):
        page.keyboard.press(key)
        confirmed(page, count)
    if folder := os.environ.get("LEPTON_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/label-page.png")
    assert open_labels(lab.root / "others.zarr").by("ann") == {0: 0, 1: 1, 2: 0}
    wait_until(lambda: '"annotator":"ann"' in kept(lab) and '"kind":"label","key":' in kept(lab))
    page.reload()
    page.locator(".lepton-label .line", has_text="Sample 3").wait_for()


def kept(lab: Any) -> str:
    """Return what JupyterLab has kept of its layout and of what the page remembers."""
    files = (lab.root.parent / "workspaces").glob("*.jupyterlab-workspace")
    return "".join(file.read_text() for file in files).replace(" ", "")
