"""Data are imported and looked at, a model is kept, deployed and tried, all from the sidebar."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import pytest
from sidebar import Sidebar, faults, theme

import lepton_jlab as lepton
from lepton_jlab.models.views import model_text

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.usefixtures("light")]

MODEL = """import keras, numpy, lepton_jlab as lepton
model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(),
                          keras.layers.Dense(3, activation="softmax")])
lepton.log(accuracy=0.9)"""


def test_data_are_imported_looked_at_and_kept_as_a_version(page: Any, lab: Any) -> None:
    rng = np.random.default_rng(0)
    np.savez(
        lab.root / "digits.npz",
        x=rng.integers(0, 9, (200, 8, 8, 1)).astype("u1"),
        y=rng.integers(0, 3, 200),
    )
    side = Sidebar(page)
    data = side.section("data")
    side.press("Import data", data.locator(".lps-Empty"))
    form = side.node.get_by_role("form", name="Import data")
    side.press("Import", form)
    assert "Which files, or which collection?" in form.inner_text()
    form.get_by_label("From").fill("no-such.npz")
    side.press("Import", form)
    form.wait_for(state="detached")  # a task says what is wrong
    data.get_by_text("neither a file nor a name").first.wait_for()
    side.press("Dismiss", data)
    side.press("Import data", data.locator(".lps-Section-actions"))
    form.get_by_label("From").fill("digits.npz")
    assert form.get_by_label("To").input_value() == "digits.zarr"
    side.press("Import", form)

    row = side.node.locator("[data-dataset='digits.zarr']")
    row.get_by_role("button", name="digits.zarr").click()
    row.get_by_role("img").first.wait_for()
    row.get_by_text("Compressed").wait_for()
    assert "Samples" in row.inner_text()
    assert "uint8 · blosc-zstd" in row.inner_text()
    assert faults(page) == []
    theme(page, "Dark")
    assert faults(page) == []

    side.press("Snapshot", row)
    row.get_by_label("Name of this version").fill("first")
    side.press("Keep", row)
    row.get_by_label("Name of this version").wait_for(state="detached")
    data.get_by_role("status").wait_for(state="detached")  # the task has ended
    assert (lab.root / "digits.zarr").is_dir()
    assert page.faults == []


def test_a_model_is_kept_deployed_tried_and_stopped(
    page: Any, lab: Any, cluster: lepton.Cluster
) -> None:
    lepton.submit(MODEL, pull=["model"], name="small").wait(120)
    side = Sidebar(page)
    models = side.section("models")
    side.press("Save a model", models.locator(".lps-Empty"))
    form = side.node.get_by_role("form", name="Save a model")
    assert "accuracy 0.9" in form.inner_text()
    form.get_by_label("Name").fill("digits")
    side.press("Save", form)
    row = side.node.locator("[data-model=digits]")
    row.get_by_role("button", name="digits").click()
    row.get_by_role("row", name="v1").wait_for()
    assert f"ran on {platform.node()} with Python" in model_text(lepton.model("digits").to_dict())
    row.locator(".lps-Buttons").get_by_role("button", name="Deploy v1").click()
    row.get_by_text("deployed v1").wait_for()
    row.get_by_label("Try it with").select_option("numbers")
    image = [[[0.5]] * 8] * 8
    row.get_by_label("A batch of inputs, as JSON").fill(str([image]))
    side.press("Send", row)
    row.get_by_text("answered in").wait_for()
    assert faults(page) == []
    side.press("Stop the endpoint of digits", row)
    side.press("Stop", row.get_by_role("alertdialog"))
    row.get_by_text("deployed v1").wait_for(state="detached")
    assert lepton.endpoints() == []
    assert page.faults == []
