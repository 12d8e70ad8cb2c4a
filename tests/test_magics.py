"""%lepton and %%lepton: what a notebook sees."""

from __future__ import annotations

import json
import re

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import lepton_jlab as lepton
from lepton_jlab.errors import NotFoundError, RunError, UsageError
from lepton_jlab.grammar import COMMANDS
from lepton_jlab.magics import child_source


class Notebook:
    """Cells, run one after another in an IPython shell."""

    def __init__(self, shell, capsys):
        self.shell = shell
        self._capsys = capsys

    def __getitem__(self, name):
        return self.shell.user_ns[name]

    def run(self, cell):
        """Run a cell that must succeed and return what it printed."""
        done = self.shell.run_cell(cell, store_history=False)
        printed = self._capsys.readouterr().out
        assert done.success, printed
        return printed

    def fail(self, cell, kind):
        """Run a cell that must fail and return what it printed."""
        done = self.shell.run_cell(cell, store_history=False)
        printed = self._capsys.readouterr().out
        assert isinstance(done.error_in_exec, kind), (done, printed)
        return printed


def plain(text):
    """Return text without colours and markup."""
    return re.sub(r"\x1b\[[0-9;]*m|<[^>]*>", "", text)


@pytest.fixture
def notebook(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = Config({"HistoryManager": {"enabled": False}})
    shell = InteractiveShell.instance(config=settings, colors="nocolor")
    notebook = Notebook(shell, capsys)
    notebook.run("%load_ext lepton_jlab")
    yield notebook
    notebook.run("%unload_ext lepton_jlab")
    InteractiveShell.clear_instance()


# ---- without a cluster


def test_unloading_leaves_nothing(notebook):
    notebook.run("%unload_ext lepton_jlab")
    assert notebook.shell.find_line_magic("lepton") is None
    assert notebook.shell.find_cell_magic("lepton") is None
    matchers = notebook.shell.Completer.custom_matchers
    assert "lepton" not in [getattr(m, "matcher_identifier", "") for m in matchers]


def test_loading_again_registers_once(notebook):
    notebook.run("%reload_ext lepton_jlab")
    matchers = notebook.shell.Completer.custom_matchers
    assert [getattr(m, "matcher_identifier", "") for m in matchers].count("lepton") == 1


def test_the_bare_magic_shows_all_commands(notebook):
    for command in COMMANDS:
        assert command.name in notebook.run("%lepton")


def test_help_of_a_word(notebook):
    assert "--idle-timeout" in notebook.run("%lepton help cluster start")
    assert "--idle-timeout" in notebook.run("%lepton cluster start --help")
    assert "--sweep" in notebook.run("%%lepton run --help\nmarker = 1")


def test_the_question_mark_shows_the_grammar(notebook):
    assert "cluster start" in notebook.shell.find_line_magic("lepton").__doc__
    assert "--sweep" in notebook.shell.find_cell_magic("lepton").__doc__
    assert "runs compare" in notebook.shell.inspector._get_info(
        notebook.shell._ofind("%lepton").obj
    )["text/plain"]  # fmt: skip


def test_an_error_is_one_line_without_a_traceback_and_fails_the_cell(notebook):
    printed = notebook.fail("%lepton clutser start\nafter = 1", UsageError)
    lines = printed.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("UsageError: There is no command 'clutser'. Did you mean 'cluster'?")
    assert "after" not in notebook.shell.user_ns


@pytest.mark.parametrize(
    "line",
    [
        "run --swep lr=1,2",
        "run --sweep lr=",
        "run --sweep lr=1 --sweep lr=2",
        "run -o not-a-name",
        "run train.py",
        "cluster list",
        "",
    ],
)
def test_a_cell_whose_line_is_wrong_runs_nothing(notebook, line):
    notebook.fail(f"%%lepton {line}\nran = True", UsageError)
    assert "ran" not in notebook.shell.user_ns


def test_without_a_cluster_a_run_says_how_to_start_one(no_records, notebook):
    assert "%lepton cluster start" in notebook.fail("%%lepton run\n1", NotFoundError)
    assert lepton.runs() == []


def test_an_empty_cell_is_refused(notebook):
    assert "empty" in notebook.fail("%%lepton run\n\n  \n", UsageError)


def test_a_file_that_is_not_there_is_named(notebook, tmp_path):
    (tmp_path / "train.py").touch()
    printed = notebook.fail("%lepton run trian.py", UsageError)
    assert "'trian.py'" in printed
    assert "'train.py'" in printed


def test_an_unknown_run_is_named(no_records, notebook):
    assert "'r99'" in notebook.fail("%lepton runs show r99", NotFoundError)


def test_listings_without_entries(no_records, notebook):
    assert json.loads(notebook.run("%lepton cluster list --json")) == []
    assert json.loads(notebook.run("%lepton runs list --json")) == []
    assert json.loads(notebook.run("%lepton data list --json")) == []
    assert "%lepton cluster start" in notebook.run("%lepton cluster list")
    assert "%%lepton run" in notebook.run("%lepton runs list")


def test_names_are_expanded_as_in_other_magics(no_records, notebook):
    notebook.run("key = 'r99'")
    assert "'r99'" in notebook.fail("%lepton runs show {key}", NotFoundError)


def test_line_numbers_of_the_child_are_those_of_the_notebook():
    magic_line, body = "run --sweep lr=1,2", "\n\nx = 1\n1/0\n"
    cell = f"%%lepton {magic_line}\n{body}"
    source = child_source(magic_line, body)
    assert source.splitlines()[0] == f"# {cell.splitlines()[0]}"
    assert source.splitlines()[1:] == cell.splitlines()[1:]


def test_a_cell_magic_inside_comes_first():
    assert child_source("run", "%%time\n1") == "%%time\n1"
    assert child_source("run", "\n%%time\n1") == "\n%%time\n1"


# ---- data needs no cluster


def test_data_import_info_list(notebook, tmp_path):
    import numpy as np

    np.savez(tmp_path / "digits.npz", x=np.zeros((5, 4, 4), np.uint8), y=np.arange(5))
    assert "digits" in notebook.run("%lepton data import digits.npz digits.zarr")
    info = json.loads(notebook.run("%lepton data info digits.zarr --json"))
    assert info["samples"] == 5
    listed = json.loads(notebook.run("%lepton data list --json"))
    assert [row["name"] for row in listed] == ["digits.zarr"]
    assert "digits.zarr" in notebook.run("%lepton data list")


# ---- on a cluster


@pytest.mark.integration
def test_run_binds_waits_and_shows(notebook, cluster):
    notebook.run("%%lepton run --wait -o first\nprint('said', 40 + 2)")
    assert notebook["first"].state == "done"
    assert "said 42" in notebook["first"].output


@pytest.mark.integration
def test_names_of_the_notebook_come_along(notebook, cluster):
    notebook.run("base = 40\ndef build(n):\n    return base + n")
    notebook.run("%%lepton run --wait -o r --pull total\ntotal = build(2)")
    assert notebook["r"].values["total"] == 42
    brought = " ".join(notebook["r"].to_dict()["brought"])
    assert "base" in brought
    assert "build" in brought


@pytest.mark.integration
def test_a_sweep_compare_best_pull(notebook, cluster):
    notebook.run(
        "%%lepton run --sweep lr=[0.1, 0.3, 0.2] --pull weight -o trials --wait --name three\n"
        "import lepton_jlab\n"
        "weight = lr * 2\n"
        "lepton_jlab.log(step=0, accuracy=lr)\n"
    )
    assert [run.params["lr"] for run in notebook["trials"]] == [0.1, 0.3, 0.2]
    table = notebook.run("%lepton runs compare trials")
    assert "0.3*" in table
    notebook.run("%lepton runs best accuracy trials -o top")
    assert notebook["top"].params == {"lr": 0.3}
    notebook.run("%lepton runs pull top weight")
    assert notebook["weight"] == 0.6
    notebook.run("%lepton runs pull three weight -o weights")
    assert sorted(notebook["weights"].values()) == [0.2, 0.4, 0.6]
    worst = json.loads(notebook.run("%lepton runs best accuracy three --min --json"))
    assert worst["params"] == {"lr": 0.1}
    assert "'weigth'" in notebook.fail("%lepton runs pull top weigth", NotFoundError)


@pytest.mark.integration
def test_a_waited_run_that_fails_fails_the_cell(notebook, cluster):
    printed = notebook.fail("%%lepton run --wait -o wrong\n\nx = 1\n1/0", RunError)
    assert "ZeroDivisionError" in printed.strip().splitlines()[-1]
    assert notebook["wrong"].state == "failed"
    assert "----> 4 1/0" in plain(notebook.run("%lepton runs show wrong --output"))


@pytest.mark.integration
def test_json_is_one_document(notebook, cluster):
    one = json.loads(notebook.run("%%lepton run --wait --json\nprint('not on stdout')"))
    assert one["state"] == "done"
    many = json.loads(notebook.run("%%lepton run --repeat 2 --wait --json\npass"))
    assert [run["state"] for run in many["runs"]] == ["done", "done"]
    shown = json.loads(notebook.run(f"%lepton runs show {one['id']} --output --json"))
    assert shown["output"] == "not on stdout\n"
    listed = json.loads(notebook.run("%lepton runs list --limit 1 --json"))
    assert [run["id"] for run in listed] == [many["runs"][-1]["id"]]


@pytest.mark.integration
def test_cancel_by_variable(notebook, cluster):
    notebook.run("%%lepton run -o endless\nwhile True: pass")
    assert "cancelled" in notebook.run("%lepton runs cancel endless")
    assert notebook["endless"].state == "cancelled"


@pytest.mark.integration
def test_a_file_as_a_cell(notebook, cluster, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "beside.py").write_text("answer = 42\n")
    (tmp_path / "sub" / "train.py").write_text("from beside import answer\nprint(answer)\n")
    notebook.run("%lepton run sub/train.py --wait -o filed")
    assert notebook["filed"].output == "42\n"


@pytest.mark.integration
def test_cluster_verbs(notebook, cluster):
    info = json.loads(notebook.run("%lepton cluster info --json"))
    assert {"name", "engine", "address", "workers", "host_pid", "connection_file"} <= set(info)
    notebook.run(f"%lepton cluster use {cluster.name} -o mine")
    assert notebook["mine"].name == cluster.name
    notebook.run("%lepton cluster scale 1")
    assert len(cluster.info()["workers"]) == 1
    assert cluster.name in notebook.run("%lepton cluster list")
    notebook.run("%lepton cluster scale 2")
    assert cluster.name in notebook.run(f"%lepton cluster stop {cluster.name}")
    assert json.loads(notebook.run("%lepton cluster list --json")) == []


@pytest.mark.integration
def test_a_notebook_without_a_front_end_reads_well(tmp_path):
    nbclient = pytest.importorskip("nbclient")
    from nbformat.v4 import new_code_cell, new_notebook

    cells = [
        "%load_ext lepton_jlab",
        "%lepton cluster start --workers 1 --name saved",
        "%%lepton run --wait -o good\nprint('it ran')",
        "%%lepton run --wait\n\n1/0",
        "%lepton cluster stop saved",
    ]
    book = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(
        book, allow_errors=True, timeout=120, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()

    def shown(cell):
        parts = [out.get("data", {}) for out in cell.outputs]
        return "".join(part.get("text/html", part.get("text/plain", "")) for part in parts)

    start, good, wrong, stop = book.cells[1:]
    assert len(start.outputs) == 1
    assert "cluster saved" in shown(start)
    assert "it ran" in shown(good)
    (error,) = [out for out in wrong.outputs if out.output_type == "error"]
    assert error.ename == "RunError"
    assert len(error.traceback) == 1
    assert "3 1/0" in plain(shown(wrong))
    assert "saved" in shown(stop)
