"""Runs are submitted again: the same code, values, parameters and options, or a clear refusal."""

from __future__ import annotations

import sqlite3

import pytest

import lepton_jlab as lepton
from lepton_jlab.config import data_folder
from lepton_jlab.errors import RunError
from lepton_jlab.runs import records

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def small(light, cluster):
    return cluster


def test_a_run_is_the_same_again(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"base": 20}
    run = lepton.submit(
        "total = base + 22\nprint(total)", namespace=names, pull=["total"], name="t"
    )
    run.wait()
    names["base"] = 1  # what was brought is what is brought again
    monkeypatch.chdir("/")
    again = run.rerun().wait()
    assert (again.state, again.output, again.values["total"]) == ("done", "42\n", 42)
    assert (again.name, again.code, again.id != run.id) == ("t", run.code, True)
    third = again.rerun().wait()
    assert third.values["total"] == 42
    where = lepton.submit("import os; print(os.getcwd())").rerun().wait()
    assert where.output == "/\n"


def test_a_function_is_called_again(small):
    def double(n):
        return 2 * n

    sweep = lepton.submit(double, sweep={"n": [1, 2]}).wait()
    again = sweep.rerun()
    assert isinstance(again, lepton.Sweep)
    assert [run.values["result"] for run in again.wait()] == [2, 4]
    one = sweep[1].rerun().wait()
    assert (one.params, one.values["result"], one.sweep) == ({"n": 2}, 4, None)


def test_without_what_it_brought_it_says_so(small):
    run = lepton.submit("print(x)", namespace={"x": list(range(1000))}).wait()
    for digest in records.submission(run._record["submission"])["options"]["payloads"]:
        (records.payload_folder() / digest).unlink()
    with pytest.raises(RunError, match=r"What r\d+ brought along \(x .*\) is gone"):
        run.rerun()


def test_the_record_of_an_earlier_version_is_read_and_refused(small, monkeypatch, tmp_path):
    run = lepton.submit("1 + 1").wait()
    database = sqlite3.connect(data_folder() / "runs.sqlite")
    with database:
        database.execute("UPDATE submissions SET options = '{\"payloads\": []}'")
    database.close()
    with pytest.raises(RunError, match="recorded by an earlier version"):
        run.rerun()


def test_a_file_of_an_earlier_version_gets_the_new_columns(no_records):
    folder = data_folder()
    old = sqlite3.connect(folder / "runs.sqlite")
    with old:
        old.executescript(
            """
            CREATE TABLE submissions (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT,
                sweep INTEGER NOT NULL, code TEXT NOT NULL, options TEXT NOT NULL,
                brought TEXT NOT NULL, cluster TEXT NOT NULL, host_pid INTEGER NOT NULL,
                host_created REAL NOT NULL, submitted REAL NOT NULL);
            CREATE TABLE runs (id INTEGER PRIMARY KEY AUTOINCREMENT, submission INTEGER NOT NULL,
                params TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'queued',
                attempt INTEGER NOT NULL DEFAULT 1, metrics TEXT NOT NULL DEFAULT '{}',
                progress TEXT, value_files TEXT NOT NULL DEFAULT '{}',
                phases TEXT NOT NULL DEFAULT '{}', error TEXT, worker TEXT,
                devices TEXT NOT NULL DEFAULT '[]', environment TEXT, started REAL, ended REAL);
            INSERT INTO submissions VALUES
                (1, 'old', 0, 'x', '{"payloads": []}', '[]', 'c', 1, 1.0, 5.0);
            INSERT INTO runs (submission, params, state) VALUES (1, '{}', 'done');
            """
        )
    old.close()
    run = lepton.run("old")
    document = run.info()
    assert (document["notebook"], document["cell"], document["spark"]) == (None, None, [])
    from lepton_jlab.runs.listing import listing

    assert listing()["runs"][0]["name"] == "old"


def test_the_cell_and_the_notebook_are_recorded(small, monkeypatch):
    class Kernel:
        def get_parent(self, _channel):
            return {"metadata": {"cellId": "cell-7"}}

    class Shell:
        kernel = Kernel()

    import IPython

    monkeypatch.setattr(IPython, "get_ipython", lambda: Shell())
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/ada/lab.ipynb")
    run = lepton.submit("1").wait()
    assert (run.to_dict()["notebook"], run.to_dict()["cell"]) == ("/home/ada/lab.ipynb", "cell-7")
    again = run.rerun()
    assert again.to_dict()["cell"] == "cell-7"
