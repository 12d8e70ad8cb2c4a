"""One notebook by nbclient and by papermill: the same records, and it reads without us."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

import lepton_jlab as lepton

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("light", "cluster")]

CELLS = [
    "import lepton_jlab as lepton\n%load_ext lepton_jlab",
    "scale = 10\n\ndef build(lr):\n    return [lr * scale] * 2",
    "%%lepton run --sweep lr=0.5,0.25,0.125 --pull model --wait -o trials --name notebook\n"
    "model = build(lr)\n"
    "for step in range(4):\n"
    "    lepton.log(step=step, loss=lr / (step + 1))\n"
    "print('trained with', lr)",
    "%lepton runs compare trials",
    "best = trials.best('loss')\nprint(best.params, best.values['model'])",
    "%%lepton run --wait --name broken\n1 / 0",
]


def by_nbclient(source: Path, target: Path) -> None:
    from nbclient import NotebookClient

    notebook = nbformat.read(source, as_version=4)
    NotebookClient(notebook, timeout=120, allow_errors=True, kernel_name="python3").execute()
    nbformat.write(notebook, target)


def by_papermill(source: Path, target: Path) -> None:
    import papermill

    with pytest.raises(papermill.PapermillExecutionError):  # the last cell fails, as it must
        papermill.execute_notebook(
            source, target, kernel_name="python3", progress_bar=False, log_output=False
        )


def records_of(runs: list[lepton.Run]) -> list[dict]:
    """Return what does not depend on when and where."""
    kept = ("name", "state", "params", "metrics", "values", "code", "brought", "attempt")
    return [
        {key: run.to_dict()[key] for key in kept}
        | {"output": run.output.replace(run.id, "ID"), "history": run.history_rows()}
        | {"loaded": {name: run.values[name] for name in run.values}}
        | {"error": (run.error or {}).get("message")}
        for run in runs
    ]


def without_times(found: list[dict]) -> list[dict]:
    for record in found:
        for row in record["history"]:
            row.pop("t")
    return found


@pytest.fixture(scope="module")
def executed(cluster, tmp_path_factory):
    """Both notebooks and the records that each has made."""
    folder = tmp_path_factory.mktemp("notebooks")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    nbformat.write(notebook, folder / "source.ipynb")
    made = {}
    for execute in (by_nbclient, by_papermill):
        before = len(lepton.runs())
        target = folder / f"{execute.__name__}.ipynb"
        execute(folder / "source.ipynb", target)
        made[execute.__name__] = (
            nbformat.read(target, as_version=4),
            without_times(records_of(lepton.runs()[before:])),
        )
    return made


def test_both_make_the_same_records(executed):
    (_, first), (_, second) = executed.values()
    assert first == second
    assert [record["state"] for record in first] == ["done", "done", "done", "failed"]
    assert [record["params"] for record in first[:3]] == [{"lr": lr} for lr in (0.5, 0.25, 0.125)]
    assert first[0]["loaded"] == {"model": [5.0, 5.0]}
    assert first[0]["metrics"] == {"loss": 0.125}
    assert first[3]["error"] == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize("way", ["by_nbclient", "by_papermill"])
def test_the_saved_notebook_reads_with_no_kernel_and_no_front_end(executed, way):
    cells = [cell for cell in executed[way][0].cells if cell.source in CELLS]
    assert len(cells) == len(CELLS)
    trained, compared, best, broken = cells[2:]
    for cell in (trained, compared, broken):
        shown = [o.data for o in cell.outputs if o.output_type == "display_data"]
        shown += [o.data for o in cell.outputs if o.output_type == "execute_result"]
        assert shown, cell.source
        for data in shown:
            assert {"text/html", "text/plain"} <= data.keys(), (cell.source, list(data))
    assert "0.03125" in plain(trained)  # the last loss of the best
    assert "0.125" in plain(compared)
    assert "{'lr': 0.125} [1.25, 1.25]" in best.outputs[0].text
    assert "ZeroDivisionError" in plain(broken)


@pytest.mark.parametrize("way", ["by_nbclient", "by_papermill"])
def test_a_cell_that_fails_shows_one_error_and_no_traceback_of_ours(executed, way):
    broken = next(c for c in executed[way][0].cells if c.source == CELLS[-1])
    (error,) = [output for output in broken.outputs if output.output_type == "error"]
    assert "lepton_jlab/" not in json.dumps(error.traceback)
    assert error.ename == "RunError"


def plain(cell: nbformat.NotebookNode) -> str:
    return "".join(output.get("data", {}).get("text/plain", "") for output in cell.outputs)
