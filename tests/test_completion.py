"""Tab completion: what is offered after %lepton, %%lepton and jupyter lepton."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import lepton_jlab as lepton
from lepton_jlab.cluster.options import ENGINES
from lepton_jlab.completion import complete, matcher
from lepton_jlab.grammar import COMMANDS


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A working folder with files and folders."""
    for folder in ("digits.zarr", "more/deep.zarr", "pictures"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "train.py").touch()
    (tmp_path / "table.csv").touch()
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def shell():
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    shell.Completer.custom_matchers.append(matcher(shell))
    yield shell
    shell.reset(new_session=False)


def offered(shell, text):
    """What the front end would show at the end of `text`, with what stays before it."""
    with provisionalcompleter():
        found = list(shell.Completer.completions(text, len(text)))
    return [text[: c.start] + c.text for c in found]


# ---- by the grammar


def test_nouns_then_verbs():
    assert complete([], "cl") == ["cluster"]
    assert complete([], "")[0] == "cluster"
    assert complete(["cluster"], "st") == ["start", "stop"]
    assert complete(["run"], "s") == []


def test_every_command_and_option_can_be_reached():
    for command in COMMANDS:
        place = command.places[0]
        for depth, word in enumerate(command.words):
            assert word in complete(command.words[:depth], word[:1], place)
        for option in command.options:
            if not option.is_argument and place in option.places:
                assert option.flags[-1] in complete(command.words, "--", place)


def test_a_cell_is_offered_run_and_serve():
    assert complete([], "", "cell") == ["run", "serve"]


def test_options_given_already_are_not_offered_again():
    offer = complete(["run", "--wait", "--sweep", "lr=1,2", "-o", "trials"], "--", "cell")
    assert "--wait" not in offer
    assert "--out" not in offer
    assert "--sweep" in offer


def test_a_terminal_is_not_offered_what_belongs_to_a_notebook():
    assert "--out" not in complete(["run"], "--", "terminal")
    assert "use" not in complete(["cluster"], "", "terminal")


def test_choices():
    assert complete(["cluster", "start", "--engine"], "") == list(ENGINES)
    assert complete(["cluster", "start"], "--engine=l") == ["--engine=local"]
    assert complete(["runs", "list", "--state"], "c") == ["cancelled"]


def test_help_is_offered_the_words_of_commands():
    assert complete(["help"], "r") == ["run", "runs"]
    assert complete(["help", "runs"], "b") == ["best"]


def test_a_value_that_is_free_is_offered_nothing():
    assert complete(["cluster", "start", "--workers"], "") == []


# ---- names of things


def test_variables_after_push_and_out():
    notebook = {"model": 1, "dataset": 2, "_private": 3, "In": []}
    assert complete(["run", "--push"], "", "cell", notebook) == ["none", "dataset", "model"]
    assert complete(["run", "--push"], "model,", "cell", notebook) == ["model,dataset"]
    assert complete(["run", "-o"], "m", "cell", notebook) == ["model"]


def test_datasets_are_folders_that_end_in_zarr(files):
    assert complete(["data", "info"], "") == ["digits.zarr", "more/", "pictures/"]
    assert complete(["data", "info"], "more/") == ["more/deep.zarr"]


def test_sources_are_files_and_known_collections(files):
    assert complete(["data", "import"], "ta") == ["table.csv"]
    assert complete(["data", "import"], "fash") == ["fashion-mnist"]
    assert complete(["data", "import", "table.csv"], "d") == ["digits.zarr"]


def test_a_file_for_run(files):
    assert complete(["run"], "tr", "terminal") == ["train.py"]


def test_names_of_clusters():
    from lepton_jlab.cluster import connection

    connection.write("tensor", {})
    try:
        assert complete(["cluster", "info"], "te") == ["tensor"]
        assert complete(["run", "--cluster"], "te", "cell") == ["tensor"]
        assert complete(["cluster", "scale", "2", "--cluster"], "te") == ["tensor"]
    finally:
        connection.remove("tensor")


def test_no_run_of_that_name():
    assert complete(["runs", "show"], "no-such") == []


@pytest.mark.integration
def test_names_of_runs_and_variables_that_hold_them(cluster):
    trials = lepton.submit("pass", name="completed", repeat=2, namespace={}).wait()
    for verb in ("show", "wait", "cancel", "compare", "pull"):
        assert complete(["runs", verb], "comp") == ["completed"]
    assert trials.id in complete(["runs", "show"], "s")
    assert complete(["runs", "compare", "r1"], "tri", "line", {"trials": trials}) == ["trials"]
    assert complete(["runs", "best", "loss"], "comp") == ["completed"]


# ---- in IPython


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%lepton clus", "%lepton cluster"),
        ("%lepton cluster st", "%lepton cluster start"),
        ("  %lepton cluster sc", "  %lepton cluster scale"),
        ("table = %lepton runs li", "table = %lepton runs list"),
        ("lepton runs comp", "lepton runs compare"),
        ("%%lepton r", "%%lepton run"),
        ("%%lepton run --sw", "%%lepton run --sweep"),
        ("%lepton cluster start --engine=lo", "%lepton cluster start --engine=local"),
        ("x = 1\n%lepton data inf", "x = 1\n%lepton data info"),
    ],
)
def test_ipython_completes_the_line(shell, text, expected):
    assert expected in offered(shell, text)


def test_ipython_completes_a_list_of_variables(shell):
    shell.user_ns.update(model=1, mode=2)
    assert offered(shell, "%%lepton run --push model,mo") == ["%%lepton run --push model,mode"]


def test_python_is_completed_as_ever(shell):
    shell.user_ns["lepton"] = SimpleNamespace(submit=None)
    assert "lepton.submit" in offered(shell, "lepton.sub")
    assert "%%lepton run\nprint" in offered(shell, "%%lepton run\nprin")


def test_a_folder_that_cannot_be_read_completes_nothing(files):
    assert complete(["data", "info"], "nowhere/") == []


def test_completing_loads_nothing_heavy():
    script = (
        "import sys; from lepton_jlab.completion import complete\n"
        "complete(['cluster', 'info'], ''); complete(['run', '--push'], '', 'cell', {'a': 1})\n"
        "print([m for m in ('dask', 'distributed', 'tensorflow', 'zarr') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
