"""A panel as a program sees it: what it shows of runs and clusters, and what its buttons do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conditions import wait_until
from held import hold
from ipywidgets import HTML, Button, Checkbox, Widget

import lepton_jlab as lepton
from lepton_jlab.errors import NotFoundError, UsageError
from lepton_jlab.panel import pulse
from lepton_jlab.panel.board import Panel

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("light")]


@pytest.fixture
def panels() -> Iterator[Any]:
    """Make panels, and close them in the end."""
    made: list[Panel] = []

    def make(*args: Any) -> Panel:
        made.append(lepton.panel(*args))
        return made[-1]

    yield make
    for panel in made:
        panel.close()


def shown(widget: Widget) -> list[Widget]:
    """Return a widget and all that is in it."""
    return [widget, *(one for part in getattr(widget, "children", ()) for one in shown(part))]


def html(panel: Panel) -> str:
    return "".join(one.value for one in shown(panel) if isinstance(one, HTML))


def press(panel: Panel, label: str) -> None:
    (found,) = (b for b in shown(panel) if isinstance(b, Button) and b.description == label)
    found.click()


def choose(panel: Panel, run: str) -> None:
    boxes = (one for one in shown(panel) if isinstance(one, Checkbox))
    (box,) = (box for box in boxes if box.description.split()[:1] == [run])
    box.value = not box.value


def said(panel: Panel, text: str) -> None:
    """Wait until the panel, looking again and again, shows `text`."""

    def look() -> bool:
        panel.look()
        return text in html(panel)

    wait_until(look, about=text)


def test_what_there_is_not_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"no view 'rums'. Did you mean 'runs'\? Views: clusters"):
        lepton.panel("rums")
    with pytest.raises(NotFoundError, match="'nowhere'"):
        lepton.panel("runs", "nowhere")


def test_a_run_is_watched_chosen_cancelled_and_run_again(
    cluster: lepton.Cluster, panels: Any, tmp_path: Path
) -> None:
    run = hold(tmp_path / "go", name="held")
    panel = panels("runs")
    assert "running" in html(panel)
    choose(panel, run.id)
    assert "here" in html(panel)  # what it printed
    press(panel, "Cancel")
    assert f"Cancel {run.id}?" in html(panel)
    press(panel, "Keep")
    assert run.state == "running"
    press(panel, "Cancel")
    press(panel, "Cancel it")
    run.wait(30)
    said(panel, "Cancelled: ")
    assert run.state == "cancelled"
    (tmp_path / "go").touch()
    press(panel, "Run again")
    said(panel, f"{run.id} again, as r")
    (new,) = lepton.runs(1)
    assert new.id != run.id
    assert new.wait(30).state == "done"
    choose(panel, new.id)
    assert "2 runs" in html(panel)  # the comparison


def test_runs_are_searched_and_turned_over(cluster: lepton.Cluster, panels: Any) -> None:
    lepton.submit("pass", sweep={"n": list(range(12))}, name="many", push="none").wait(60)
    panel = panels("runs")
    view = panel.views["runs"]
    view._search.value = "many"
    first = [row._key for row in view._rows if row._key]
    assert "1 to 10 of 12" in html(panel)
    press(panel, "Older")
    assert "11 to 12 of 12" in html(panel)
    assert first[-1] not in [row._key for row in view._rows]
    view._states.value = "failed"
    assert "none of these" in html(panel)


def test_clusters_are_started_scaled_and_stopped_after_a_question(
    panels: Any, tmp_path: Path, cluster: lepton.Cluster
) -> None:
    panel = panels("clusters")
    form = panel.views["clusters"]._form
    form._name.value, form._workers.value = "second", 1
    press(panel, "Start")
    said(panel, "Cluster second runs")
    lepton.use_cluster("second")
    run = hold(tmp_path / "go", cluster="second")
    only = panels("clusters", "second")
    only.views["clusters"]._blocks["second"]._count.value = 2
    press(only, "Scale")
    said(only, "second: 2 workers.")
    press(only, "Stop")
    assert f"Stop second? {run.id} would end." in html(only)
    press(only, "Stop it")
    said(only, "Stopped: second.")
    assert "second" not in {c.name for c in lepton.clusters()}
    lepton.use_cluster(cluster.name)
    said(panel, "cluster local")


def test_an_error_is_shown_in_the_panel(panels: Any, cluster: lepton.Cluster) -> None:
    panel = panels("clusters")
    form = panel.views["clusters"]._form
    form._name.value = cluster.name
    form._memory.value = "lots"
    press(panel, "Start")
    said(panel, "lots")
    wait_until(lambda: not form._start.disabled)


def test_what_cannot_be_read_is_said_in_the_panel_until_it_can(panels: Any) -> None:
    panel = panels("runs")
    panel.views["runs"]._first = 10**30  # which SQLite cannot take
    panel.look()
    assert "Not up to date: " in html(panel)
    panel.views["runs"]._first = 0
    panel.look()
    assert "Not up to date" not in html(panel)


def test_the_thread_ends_with_the_last_panel_that_is_seen(panels: Any) -> None:
    def beating() -> bool:
        return any(thread.name == "lepton-panel" for thread in threading.enumerate())

    one, two = panels("runs"), panels("data")
    assert not beating()
    one._view_count = two._view_count = 1  # as a page counts its views
    wait_until(beating)
    one._view_count = 0
    assert beating()
    two.close()
    wait_until(lambda: not beating())
    pulse.begin(one)
    wait_until(beating)


def test_a_page_that_was_reloaded_counts_its_views_anew(panels: Any) -> None:
    panel = panels("runs")
    panel._view_count = 1
    assert panel.get_state(drop_defaults=False)["_view_count"] == 0  # as ipywidgets asks for it
    panel._view_count = 1  # its view in the page that is there now
    panel._view_count = 0
    wait_until(lambda: all(t.name != "lepton-panel" for t in threading.enumerate()))


def test_only_what_differs_is_sent(panels: Any, cluster: lepton.Cluster) -> None:
    panel = panels("clusters")
    panel.look()
    changed: list[Any] = []
    for one in shown(panel):
        one.observe(changed.append)
    panel.look()
    assert changed == []


def test_resources_are_drawn_with_a_word_on_gpus(panels: Any, cluster: lepton.Cluster) -> None:
    panel = panels("resources")
    said(panel, "local/0")
    drawn = html(panel)
    assert "CPU" in drawn
    assert "GPU" in drawn  # a card, or why there is none
    assert "<svg" in drawn
    assert "<svg" not in panel.view.facts.html()
