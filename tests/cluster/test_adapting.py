"""A cluster that has as many workers as runs wait for; and runs from another environment."""

from __future__ import annotations

import json
import os
from importlib import import_module
from pathlib import Path

import pytest
from conditions import wait_until

import lepton_jlab as lepton
from lepton_jlab.commands.cluster import views
from lepton_jlab.errors import UsageError
from lepton_jlab.runs.environment import environment

submitting = import_module("lepton_jlab.runs.submit")

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def adaptive():
    """A cluster of none to two workers, which lets go of them after a second."""
    path = Path(os.environ["JUPYTER_CONFIG_DIR"]) / "lepton_config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"Settings": {"preload": [], "grace": 1.0, "adapt_wait": 1.0}}))
    cluster = lepton.start_cluster("tide", engine="local", adapt="0..2", threads=1)
    yield cluster
    cluster.stop(force=True)
    path.unlink()


def test_it_follows_the_runs_from_none_and_back_and_ends_none(adaptive, tmp_path):
    assert (adaptive.info()["workers"], adaptive.info()["wanted"]) == ([], 0)
    assert "0 workers, 0 to 2 as runs need them" in views(adaptive.info())[0]
    wait = (
        "from pathlib import Path\nimport time\n"
        "Path(folder, f'begun-{n}').touch()\n"
        "while not Path(folder, f'end-{n}').exists(): time.sleep(0.01)\n"
    )
    runs = lepton.submit(
        wait, sweep={"n": [1, 2, 3]}, namespace={"folder": str(tmp_path)}, cluster="tide"
    )
    wait_until(lambda: len(list(tmp_path.glob("begun-*"))) == 2, 60, "two at a time")
    assert adaptive.info()["wanted"] == 2
    for n in (1, 2):  # whichever two have begun
        (tmp_path / f"end-{n}").touch()
    wait_until(lambda: len(list(tmp_path.glob("begun-*"))) == 3, 30, "the third")
    wait_until(lambda: len(adaptive.info()["workers"]) == 1, 30, "one worker less")
    assert runs[2].state == "running"  # its worker was not the one that went
    (tmp_path / "end-3").touch()
    assert [run.state for run in runs.wait(30)] == ["done"] * 3
    wait_until(lambda: not adaptive.info()["workers"], 30, "no worker left")
    assert [run.to_dict()["attempt"] for run in runs] == [1, 1, 1]


def test_runs_of_another_environment_are_refused_or_warned(adaptive, monkeypatch):
    assert adaptive.scale("1..2")["adapt"] == [1, 2]
    for part, version, said in (
        ("distributed", "1.0", "distributed 1.0 here, {} there. Install the same there: pip"),
        ("python", "3.9.1", "python 3.9.1 here, {} there. Use Python 3.9 in both places."),
    ):
        other = {**environment(), part: version}
        monkeypatch.setattr(submitting, "environment", lambda other=other: other)
        run = lepton.submit("print('never')", cluster="tide").wait(60)
        assert (run.state, run.output) == ("failed", "")
        assert said.format(environment()[part]) in run.error["message"]
    other = {**environment(), "numpy": "1.0"}
    monkeypatch.setattr(submitting, "environment", lambda: other)
    first, second = (lepton.submit("print('hi')", cluster="tide").wait(60) for _ in range(2))
    assert (
        f"has other versions: numpy 1.0 here, {environment()['numpy']} there.\nhi" in first.output
    )
    assert second.output == "hi\n"  # told once


def test_a_number_of_workers_ends_it(adaptive):
    info = adaptive.scale(1)
    assert (info["adapt"], len(info["workers"])) == (None, 1)
    with pytest.raises(UsageError, match="no range of workers"):
        adaptive.scale("2..1")
