"""The page of a model: its versions, its endpoint, an answer to one sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sidebar import command, faults, theme

import lepton_jlab as lepton

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.usefixtures("light")]

PAGE = ".jp-MainAreaWidget:not(.lm-mod-hidden) .lp-Page"


def test_a_saved_model_is_deployed_tried_with_one_sample_and_stopped(
    page: Any, lab: Any, tiles: lepton.Model
) -> None:
    np.savez(lab.root / "shapes.npz", x=np.ones((6, 8, 8, 1), "f4"), y=np.arange(6) % 3)
    lepton.import_dataset(str(lab.root / "shapes.npz"), str(lab.root / "shapes.zarr"))
    command(page, "lepton:open-model", {"name": "tiles"})
    view = page.locator(PAGE)
    view.get_by_role("row", name="1 promoted").wait_for()
    facts = view.locator(".lp-Facts", has_text="Inputs").inner_text()
    assert "8 \N{MULTIPLICATION SIGN} 8" in facts
    assert "round, square, flat" in facts

    view.get_by_text("Not deployed.").wait_for()
    view.get_by_role("button", name="Deploy version 1").click()
    view.get_by_role("status").first.wait_for()
    view.get_by_label("Dataset to take a sample from").wait_for()
    (endpoint,) = lepton.endpoints()
    assert endpoint.url in view.inner_text()
    view.get_by_label("sample", exact=True).fill("4")
    view.get_by_role("button", name="Predict").click()
    view.get_by_text("answered in").wait_for()
    expected = lepton.endpoint("tiles").predict(np.ones((1, 8, 8, 1), "f4"))
    scores = view.get_by_role("table", name="Scores")
    first = ["round", "square", "flat"][int(np.argmax(expected))]
    assert first in scores.get_by_role("row").first.inner_text()
    for look in ("Dark", "Light"):
        theme(page, look)
        assert faults(page, PAGE) == []

    view.get_by_label("sample", exact=True).fill("6000")
    view.get_by_role("button", name="Predict").click()
    view.get_by_role("alert").wait_for()  # says how many samples there are
    assert "6" in view.get_by_role("alert").inner_text()

    view.get_by_role("button", name="Stop", exact=True).click()
    page.locator(".jp-Dialog").get_by_role("button", name="Stop endpoint").click()
    view.get_by_text("Not deployed.").wait_for()
    assert lepton.endpoints() == []
    assert page.faults == []
