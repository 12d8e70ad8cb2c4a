"""jupyter lepton: what scripts can rely on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lepton_jlab as lepton
from lepton_jlab.cli import main

LEPTON = [sys.executable, "-m", "lepton_jlab.cli"]


@pytest.fixture
def terminal(capsys, tmp_path, monkeypatch):
    """Call a command in an empty folder; returns status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(line):
        capsys.readouterr()
        status = main(line.split())
        return (status, *capsys.readouterr())

    return call


# ---- without a cluster


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("clutser list", "'cluster'"),
        ("cluster", "start, list"),
        ("cluster start --wokers 2", "--workers"),
        ("runs cancel", "ID is missing"),
        ("run train.py", "train.py"),
        ("run train.py -o x", "no variables"),
    ],
)
def test_wrong_usage_is_status_2_and_one_line_on_stderr(terminal, line, said):
    status, out, err = terminal(line)
    assert status == 2
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
    assert "%lepton" not in err


@pytest.mark.parametrize(
    "line", ["runs show r99", "cluster info", "cluster stop nobody --json", "data info no.zarr"]
)
def test_what_cannot_be_done_is_status_1(no_records, terminal, line):
    status, out, err = terminal(line)
    assert status == 1
    assert out == ""
    assert err.strip()
    assert "%lepton" not in err


def test_help_is_status_0(terminal):
    for line in ("", "help", "--help", "runs --help", "help cluster start"):
        status, out, _ = terminal(line)
        assert status == 0
        assert out.startswith("usage: jupyter lepton")


def test_version(terminal):
    assert terminal("--version") == (0, f"{lepton.__version__}\n", "")


def test_empty_listings(terminal):
    for line in ("cluster list", "data list"):
        assert terminal(f"{line} --json") == (0, "[]\n", "")
        status, out, _ = terminal(line)
        assert status == 0
        assert "jupyter lepton" in out


def test_progress_goes_to_stderr_and_one_document_to_stdout(terminal, tmp_path):
    np.savez(tmp_path / "digits.npz", x=np.zeros((5, 4, 4), np.uint8), y=np.arange(5))
    status, out, err = terminal("data import digits.npz digits.zarr --json")
    assert status == 0
    assert json.loads(out)["samples"] == 5
    assert "reading" in err
    status, out, _ = terminal("data list")
    assert "digits.zarr" in out
    status, out, err = terminal("data import digits.npz digits.zarr")
    assert (status, out) == (1, "")


def test_help_loads_nothing_heavy():
    script = (
        "import sys; from lepton_jlab.cli import main; main(['--help']); main(['help', 'run'])\n"
        "heavy = ('IPython', 'dask', 'distributed', 'numpy', 'pandas', 'tensorflow', 'zarr')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_a_reader_that_leaves_is_no_error():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*LEPTON, "help"], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert done.stderr == ""


# ---- on a cluster


@pytest.mark.integration
def test_a_file_runs_as_a_cell_and_its_output_is_shown(terminal, cluster, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "beside.py").write_text("answer = 42\n")
    code = "import sys\nfrom beside import answer\nprint(answer, __name__)\n"
    (tmp_path / "sub" / "train.py").write_text(f"{code}print('!', file=sys.stderr)\n")
    status, out, err = terminal("run sub/train.py --wait")
    assert (status, out) == (0, "42 __main__\n")
    assert "!" in err
    assert "done" in err


@pytest.mark.integration
def test_a_run_that_fails_is_status_1(terminal, cluster, tmp_path):
    (tmp_path / "wrong.py").write_text("print('before')\n\n1/0\n")
    status, out, err = terminal("run wrong.py --wait")
    assert (status, out) == (1, "before\n")
    assert "----> 3 1/0" in err
    assert "ZeroDivisionError: division by zero" in err
    status, out, err = terminal("run wrong.py --wait --json")
    assert status == 1
    run = json.loads(out)
    assert (run["state"], run["error"]["kind"]) == ("failed", "exception")


@pytest.mark.integration
def test_the_lines_of_several_runs_do_not_mix(terminal, cluster, tmp_path):
    (tmp_path / "many.py").write_text("for i in range(50):\n    print(n, i)\n")
    status, out, _ = terminal("run many.py --sweep n=7,8 --wait --name both")
    assert status == 0
    (seven, eight) = lepton.run("both")
    for run, n in ((seven, 7), (eight, 8)):
        lines = [line for line in out.splitlines() if line.startswith(f"{run.id} | ")]
        assert lines == [f"{run.id} | {n} {i}" for i in range(50)]


@pytest.mark.integration
def test_nothing_of_the_notebook_exists_in_a_terminal(terminal, cluster, tmp_path):
    (tmp_path / "uses.py").write_text("print(terminal)\n")
    status, out, err = terminal("run uses.py --wait")
    assert (status, out) == (2, "")
    assert "'terminal'" in err


@pytest.mark.integration
def test_json_without_waiting_says_what_was_submitted(terminal, cluster, tmp_path):
    (tmp_path / "quick.py").write_text("pass\n")
    status, out, _ = terminal("run quick.py --json")
    assert status == 0
    key = json.loads(out)["id"]
    status, out, _ = terminal(f"runs wait {key} --json")
    assert status == 0
    assert [run["state"] for run in json.loads(out)] == ["done"]


@pytest.mark.integration
def test_values_are_found_by_their_files(terminal, cluster, tmp_path):
    (tmp_path / "kept.py").write_text("kept = 42\n")
    _, out, _ = terminal("run kept.py --pull kept --wait --json")
    run = json.loads(out)
    assert run["values"] == ["kept"]
    _, out, _ = terminal(f"runs pull {run['id']} --json")
    (value,) = json.loads(out)
    assert (value["run"], value["name"]) == (run["id"], "kept")
    assert Path(value["file"]).is_file()


@pytest.mark.integration
def test_waiting_no_longer_than_asked(terminal, cluster, tmp_path):
    (tmp_path / "endless.py").write_text("while True: pass\n")
    _, out, _ = terminal("run endless.py --json")
    key = json.loads(out)["id"]
    status, _, err = terminal(f"runs wait {key} --timeout 0.2s")
    assert status == 1
    assert f"jupyter lepton runs cancel {key}" in err
    assert lepton.run(key).state in ("queued", "running")
    status, out, _ = terminal(f"runs cancel {key} --json")
    assert status == 0
    assert [run["state"] for run in json.loads(out)] == ["cancelled"]
    assert terminal("runs wait " + key)[0] == 1


@pytest.mark.integration
def test_an_interrupt_stops_only_the_waiting(cluster, tmp_path):
    (tmp_path / "endless.py").write_text("print('begun')\nwhile True: pass\n")
    command = [*LEPTON, "run", "endless.py", "--wait", "--name", "goes-on"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        assert process.wait() == 1
        assert "goes on. Cancel it: jupyter lepton runs cancel" in process.stderr.read()
    run = lepton.run("goes-on")
    assert run.state == "running"
    run.cancel()
    assert run.wait().state == "cancelled"


@pytest.mark.integration
def test_cluster_start_info_scale_stop(terminal):
    status, out, err = terminal("cluster start --name other --workers 1 --json")
    assert status == 0
    info = json.loads(out)
    assert info["name"] == "other"
    assert len(info["workers"]) == 1
    assert "worker" in err
    assert terminal("cluster start --name other")[0] == 1
    status, out, _ = terminal("cluster scale 2 --cluster other --json")
    assert len(json.loads(out)["workers"]) == 2
    status, out, _ = terminal("cluster list --json")
    assert "other" in [cluster["name"] for cluster in json.loads(out)]
    status, out, _ = terminal("cluster stop other --json")
    assert (status, json.loads(out)) == (0, {"stopped": ["other"]})
    assert terminal("cluster info other")[0] == 1
