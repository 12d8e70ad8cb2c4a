"""The pages of the main area: a run seen live, a sweep compared, what machine and data are like."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from conditions import wait_until
from sidebar import command, faults, theme

import lepton_jlab as lepton

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.usefixtures("light")]

HELD = """
import sys, time, lepton_jlab as lepton
from pathlib import Path
from IPython.display import HTML, display
print("training", file=sys.stderr)
for step in range(1, 5):
    lepton.log(loss=1 / step, val_loss=1.5 / step, accuracy=1 - 1 / step, step=step)
    print(f"\\rstep {step} of 4", end="")
print()
display(HTML("<b>a table</b><script>window.stolen = 1</script>"))
while not Path(go).exists():
    time.sleep(0.01)
print("\\x1b[32mall well\\x1b[0m")
weights = [1.0] * 1000
"""
TRIAL = """
import lepton_jlab as lepton
for step in range(1, 9):
    lepton.log(loss=lr * 10 + width / step, accuracy=1 - lr, step=step)
"""
BROKEN = "def half(n):\n    return n / 0\n\nprint('begun')\nhalf(3)"


@pytest.fixture(scope="module")
def at_work(lab: Any) -> Iterator[Any]:
    """A cluster of two workers, beside the lab."""
    started = lepton.start_cluster("pages", workers=2, threads=1, idle_timeout="10 min")
    yield started
    started.stop(force=True)


@pytest.fixture(scope="module")
def trials(at_work: Any) -> Any:
    """A sweep that has ended."""
    sweep = {"lr": [0.1, 0.01, 0.001], "width": [16, 64]}
    return lepton.submit(TRIAL, name="trials", sweep=sweep).wait(60)


def shown(page: Any) -> Any:
    """Return the page in front."""
    return page.locator(".jp-MainAreaWidget:not(.lm-mod-hidden) .lp-Page")


def press(page: Any, name: str) -> None:
    shown(page).get_by_role("button", name=name, exact=True).click()


def agree(page: Any, name: str) -> None:
    """Say yes to the question on the screen."""
    page.locator(".jp-Dialog").get_by_role("button", name=name).click()


def kept(lab: Any) -> str:
    """Return what JupyterLab has kept of its layouts."""
    return "".join(file.read_text() for file in (lab.root.parent / "workspaces").iterdir())


def both_themes_without_fault(page: Any) -> None:
    for name in ("Dark", "Light"):
        theme(page, name)
        assert faults(page, ".jp-MainAreaWidget:not(.lm-mod-hidden) .lp-Page") == []


def test_a_run_is_seen_live_until_it_is_done(page: Any, at_work: Any, tmp_path: Path) -> None:
    go = tmp_path / "go"
    run = lepton.submit(HELD, name="held", pull=["weights"], namespace={"go": str(go)})
    command(page, "lepton:open-run", {"id": run.id})
    view = shown(page)
    view.locator(".lp-Head .lp-mod-running").wait_for()
    view.get_by_role("img", name="loss over step").wait_for()
    view.locator(".lp-Out-lines").get_by_text("step 4 of 4").wait_for()
    assert "step 3" not in view.locator(".lp-Out").inner_text()  # overwritten
    assert view.locator(".lp-Term-err").inner_text() == "training"
    view.locator(".lp-Out-rich b", has_text="a table").wait_for()
    assert page.evaluate("window.stolen") is None  # scripts of displays are not trusted
    legend = view.locator(".lp-Chart", has_text="loss").first.locator(".lp-Legend").inner_text()
    assert "0.25" in legend
    assert "0.375" in legend
    assert page.locator(".lm-TabBar-tab.lm-mod-current", has_text=f"{run.id} held").count() == 1

    go.touch()
    view.locator(".lp-Head .lp-mod-done").wait_for()
    view.locator(".lp-Out-lines .lp-Term-fg-2", has_text="all well").wait_for()
    view.get_by_text(f'lepton.run("{run.id}").values["weights"]').wait_for()
    assert view.get_by_role("img", name="Phases: queued").count() == 1
    both_themes_without_fault(page)
    assert page.faults == []


def test_a_run_is_cancelled_after_a_question_and_started_again(
    page: Any, at_work: Any, tmp_path: Path
) -> None:
    run = lepton.submit(HELD, namespace={"go": str(tmp_path / "go")})
    command(page, "lepton:open-run", {"id": run.id})
    shown(page).locator(".lp-Head .lp-mod-running").wait_for()
    press(page, "Cancel")
    agree(page, "Keep as it is")
    assert run.state == "running"
    press(page, "Cancel")
    agree(page, "Cancel run")
    shown(page).locator(".lp-Head .lp-mod-cancelled").wait_for()
    press(page, "Run again")
    shown(page).locator(".lp-Head .lp-mod-running").wait_for()
    newest = lepton.runs()[-1]
    assert newest.id != run.id
    shown(page).get_by_role("heading", name=newest.id).wait_for()
    (tmp_path / "go").touch()
    newest.wait(60)


def test_a_link_opens_a_run_and_what_ended_it_comes_first(
    page: Any, lab: Any, at_work: Any
) -> None:
    run = lepton.submit(BROKEN).wait(60)
    page.goto(f"{lab.url}lab/workspaces/linked?token={lab.token}&lepton=run:{run.id}")
    view = shown(page)
    error = view.get_by_role("alert")
    error.wait_for()
    assert "ZeroDivisionError" in error.locator(".lp-Error-message").inner_text()
    assert "return n / 0" in error.locator(".lp-Error-trace").inner_text()
    assert error.bounding_box()["y"] < view.locator(".lp-Out").bounding_box()["y"]
    assert "lepton=" not in page.url  # a reload restores the layout, and opens nothing again
    assert faults(page, ".lp-Page") == []


def test_much_output_is_scrolled_and_searched(page: Any, at_work: Any) -> None:
    code = "for i in range(60_000):\n    print('line', i, 'of what it printed' + '.' * 50)"
    run = lepton.submit(code).wait(120)
    command(page, "lepton:open-run", {"id": run.id})
    view = shown(page)
    view.get_by_text("60,000 lines").wait_for()
    box = view.get_by_role("log")
    assert view.locator(".lp-Out-lines > div").count() < 200
    box.evaluate("node => { node.scrollTop = node.scrollHeight; }")
    view.get_by_text("line 59999 of").wait_for()
    view.get_by_role("searchbox").fill("line 31415 ")
    view.locator(".lp-Out-lines .lp-mod-current", has_text="line 31415").wait_for()
    assert "1 of 1" in view.locator(".lp-Out").get_by_role("status").inner_text()


def test_a_sweep_is_compared_filtered_cut_and_comes_back(page: Any, lab: Any, trials: Any) -> None:
    command(page, "lepton:open-comparison", {"ids": [trials.id]})
    view = shown(page)
    rows = view.locator("table[aria-label='Compared runs'] tbody tr")
    wait_until(lambda: rows.count() == 6)
    best = min(trials, key=lambda run: run.metrics["loss"])
    assert best.id in rows.first.inner_text()  # ranked by the loss
    assert "★" in rows.first.inner_text()
    view.get_by_role("img", name="loss of 6 runs").wait_for()

    # Sorted by a click, filtered by the arrows of an axis.
    view.get_by_role("columnheader", name="lr").get_by_role("button").click()
    wait_until(lambda: "0.001" in rows.first.inner_text())
    axis = view.get_by_role("slider", name="Filter width")
    axis.press("ArrowUp")
    view.get_by_text("3 of 6 pass the filters").wait_for()
    assert rows.count() == 3
    axis.press("Escape")
    wait_until(lambda: rows.count() == 6)

    # A curve under the pointer is the row that is marked.
    rows.nth(2).hover()
    view.locator(".lp-Chart-hover").first.wait_for()
    both_themes_without_fault(page)

    gone = trials[0].id
    view.get_by_role("button", name=f"Take {gone} out of the comparison").click()
    wait_until(lambda: rows.count() == 5)
    left = ",".join(run.id for run in trials[1:])
    wait_until(lambda: left in kept(lab), about="the layout to be kept")
    page.reload()
    shown(page).get_by_role("img", name="loss of 5 runs").wait_for()
    assert gone not in shown(page).locator("table").inner_text().split()
    assert page.faults == []


def test_resources_have_a_history_and_a_row_for_each_worker(page: Any, at_work: Any) -> None:
    command(page, "lepton:open-resources")
    view = shown(page)
    for name in ("CPU", "Memory", "Disk", "Network"):
        view.get_by_role("img", name=f"{name} over time").first.wait_for()
    workers = view.locator("table[aria-label=Workers] tbody tr")
    wait_until(lambda: workers.count() == 2, 60)
    assert "idle" in workers.first.inner_text()
    assert view.locator("[aria-label=GPUs]").inner_text().count("No GPU") in (0, 1)
    view.get_by_role("radio", name="5 min", exact=True).press("ArrowRight")
    wait_until(
        lambda: view.get_by_role("radio", name="15 min").get_attribute("aria-checked") == "true"
    )
    view.get_by_text("last 15 min").first.wait_for()
    both_themes_without_fault(page)
    assert page.faults == []


def test_a_dataset_is_looked_at_kept_changed_and_brought_back(page: Any, lab: Any) -> None:
    classes = ["round", "square"]
    labels = np.arange(40) % 2
    images = np.zeros((40, 16, 16, 1), "u1")
    images[labels == 1, 4:12, 4:12] = 200
    np.savez(lab.root / "shapes.npz", x=images, y=labels)
    path = lab.root / "shapes.zarr"
    lepton.import_dataset(str(lab.root / "shapes.npz"), str(path))
    zarr.open_group(str(path)).attrs.update({"lepton": {"classes": classes}})

    command(page, "lepton:open-dataset", {"path": "shapes.zarr"})
    view = shown(page)
    wait_until(lambda: view.locator(".lp-Grid img").count() == 24)
    assert view.locator(".lp-Grid span").nth(1).inner_text() == "square"
    arrays = view.locator("table[aria-label=Arrays]").inner_text()
    assert "40 \N{MULTIPLICATION SIGN} 16 \N{MULTIPLICATION SIGN} 16" in arrays
    assert "50.0 %" in view.locator("table[aria-label='Samples by label']").inner_text()

    press(page, "Keep a version")
    page.locator(".jp-Dialog input").fill("first")
    page.locator(".jp-Dialog .jp-mod-accept").click()
    version = view.locator(".lp-Versions li", has_text="first")
    version.wait_for()
    array = zarr.open_group(str(path))["x"]
    array[7] = 255
    version.get_by_role("button", name="Compare").click()
    view.get_by_text("x: 1 changed (7)").wait_for()
    version.get_by_role("button", name="Restore").click()
    agree(page, "Restore")
    press_if_refused(page)
    wait_until(lambda: int(zarr.open_group(str(path), mode="r")["x"][7].max()) == 200, 60)

    press(page, "Verify every chunk")
    view.get_by_text("All chunks are as they were written.").wait_for()
    both_themes_without_fault(page)
    assert page.faults == []


def press_if_refused(page: Any) -> None:
    """What no version has is given up only after a second question."""
    shown(page).get_by_role("button", name="Restore anyway").click()
    agree(page, "Give up changes")
