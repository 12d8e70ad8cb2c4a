"""Offline prediction: the answers of the model, cut like the samples, whatever is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import zarr
from conditions import wait_until

import lepton_jlab as lepton
from lepton_jlab.commands import Context, perform
from lepton_jlab.errors import DataError, LeptonError, NotFoundError, UsageError
from lepton_jlab.models.offline import plan
from lepton_jlab.parsing import parse, split

from .conftest import CLASSES, write_dataset

pytestmark = pytest.mark.integration

MANY = 24_000  # samples, in 375 chunks of 64


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("many") / "many.zarr", MANY)


@pytest.fixture
def small_pieces(monkeypatch):
    """Pieces of one chunk, so that there are many to kill between."""
    monkeypatch.setattr(plan, "PIECE_BYTES", 1)


@pytest.fixture(scope="module")
def expected(shapes, many, keras_model):
    """What the model answers to all of `many`, in pieces of one chunk, undisturbed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "PIECE_BYTES", 1)
        done = lepton.predict("shapes", many, many.with_name("undisturbed.zarr"), here=True)
    answers = done.arrays["y"][:]
    images = lepton.open_dataset(many).x[:]
    known = keras_model.predict(images, batch_size=512, verbose=0)
    np.testing.assert_allclose(answers, known, atol=1e-5)
    return answers


def partial(dest):
    return dest.with_name(f".{dest.name}.partial")


def listed(folder):
    return sorted(path.name for path in folder.iterdir())


def noted(dest):
    """Return the lines of the pieces that are done, none once `dest` is there."""
    try:
        lines = (partial(dest) / ".lepton-done").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines if line.endswith("}")]


# ---- what is written


def test_the_result_is_cut_and_named_as_the_samples_are(shapes, many, expected):
    root = zarr.open_group(many.with_name("undisturbed.zarr"), mode="r")
    array = root["y"]
    assert (array.shape, array.chunks, array.shards) == ((MANY, 3), (64, 3), None)
    assert array.metadata.dimension_names == ("sample", "class")
    known = root.attrs["lepton"]
    (made,) = known["history"]
    assert known["classes"] == CLASSES
    assert (made["action"], made["model"], made["version"]) == ("predict", "shapes", 1)
    assert (made["source"], made["samples"]) == (str(many), MANY)
    assert made["digest"] == shapes.version(1).digest
    assert len(made["fingerprint"]) == 64
    assert listed(many.with_name("undisturbed.zarr")) == ["y", "zarr.json"]


def test_shards_stay_shards_and_a_split_is_a_view_of_its_samples(shapes, tmp_path, keras_model):
    images = np.random.default_rng(1).integers(0, 255, (1000, 12, 12, 1), dtype="uint8")
    zarr.create_array(
        tmp_path / "sharded.zarr", data=images, chunks=(32, 12, 12, 1), shards=(256, 12, 12, 1)
    )
    ds = lepton.open_dataset(tmp_path / "sharded.zarr")
    done = lepton.predict("shapes", ds, tmp_path / "out.zarr")
    assert (done.arrays["y"].zarr.chunks, done.arrays["y"].zarr.shards) == ((32, 3), (256, 3))
    known = keras_model.predict(images, verbose=0)
    np.testing.assert_allclose(done.arrays["y"][:], known, atol=1e-5)
    train, _ = ds.split(0.5, seed=3)
    part = lepton.predict("shapes", train, tmp_path / "part.zarr")
    known = keras_model.predict(train.x[:], verbose=0)
    np.testing.assert_allclose(part.arrays["y"][:], known, atol=1e-5)


def test_several_inputs_go_by_their_names_and_recipes_are_applied(tmp_path, no_records):
    import keras

    left, right = keras.Input((2,), name="left"), keras.Input((), name="right", dtype="int32")
    total = left + keras.ops.cast(right, "float32")[:, None]
    group = zarr.create_group(tmp_path / "two.zarr")
    values = {"left": np.arange(20.0).reshape(10, 2), "right": np.arange(10, dtype="int16")}
    for name, array in values.items():
        group.create_array(name, data=array, chunks=(4, *array.shape[1:]))
    lepton.save_model(keras.Model([left, right], total), "two", samples=tmp_path / "two.zarr")
    done = lepton.predict("two", tmp_path / "two.zarr", tmp_path / "sums.zarr")
    sums = values["left"] + values["right"][:, None]
    assert np.array_equal(done.arrays["y"][:], sums.astype("float32"))

    ds = lepton.open_dataset(write_dataset(tmp_path / "raw.zarr", 100)).normalize("x")
    flat = keras.Sequential([keras.Input((12, 12, 1)), keras.layers.Flatten()])
    lepton.save_model(flat, "normalized", samples=ds)
    done = lepton.predict("normalized", tmp_path / "raw.zarr", tmp_path / "flat.zarr")
    known = np.concatenate([np.asarray(x).reshape(len(x), -1) for x, _ in ds.batches(50)])
    np.testing.assert_allclose(done.arrays["y"][:], known, atol=1e-5)


# ---- what is refused


def test_what_does_not_fit_is_refused_before_anything_is_written(shapes, dataset, tmp_path):
    zarr.create_array(tmp_path / "wide.zarr", data=np.zeros((5, 9)))
    (tmp_path / "there.zarr").mkdir()
    zarr.create_group(tmp_path / "there.zarr", overwrite=True)
    (tmp_path / "other").mkdir()
    with pytest.raises(UsageError, match="ndarray is no dataset"):
        lepton.predict("shapes", np.zeros((5, 9)), tmp_path / "x.zarr")
    before = listed(tmp_path)
    for source, dest, options, kind, message in [
        (tmp_path / "wide.zarr", "x.zarr", {}, DataError, r"\(\*, 9\) float64.*\(\*, 12, 12, 1\)"),
        (dataset.with_name("shape.zarr"), "x.zarr", {}, NotFoundError, "Did you mean"),
        (dataset, "there.zarr", {}, DataError, "exists already.*--force"),
        (dataset, "other", {"force": True}, DataError, "not a Zarr dataset"),
        (dataset, "no/where.zarr", {}, DataError, "does not exist"),
        (dataset, "x.zarr", {"batch": 0}, UsageError, "--batch 0"),
        (dataset, "x.zarr", {"version": 9}, NotFoundError, "no version 9"),
        (dataset, "x.zarr", {"cluster": "gpu"}, NotFoundError, "gpu"),
    ]:
        with pytest.raises(kind, match=message):
            lepton.predict("shapes", source, tmp_path / dest, **options)
    with pytest.raises(DataError, match="is the source"):
        lepton.predict("shapes", dataset, dataset, force=True)
    assert listed(tmp_path) == before


def test_nan_is_refused_by_the_number_of_the_sample_unless_it_is_allowed(tmp_path, no_records):
    import keras

    values = np.ones((500, 2), "float32")
    values[321, 1] = np.nan
    zarr.create_array(tmp_path / "holes.zarr", data=values, chunks=(50, 2))
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    lepton.save_model(model, "sum")
    with pytest.raises(DataError, match=r"Sample 321 of 'x' .* has NaN.*--allow-nan"):
        lepton.predict("sum", tmp_path / "holes.zarr", tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr").exists()
    done = lepton.predict("sum", tmp_path / "holes.zarr", tmp_path / "out.zarr", allow_nan=True)
    assert np.flatnonzero(np.isnan(done.arrays["y"][:, 0])).tolist() == [321]

    broken = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x / 0.0)])
    lepton.save_model(broken, "broken")
    zarr.create_array(tmp_path / "fine.zarr", data=np.ones((5, 2)))
    with pytest.raises(DataError, match=r"answers NaN or infinity.*sample 0 .*are finite"):
        lepton.predict("broken", tmp_path / "fine.zarr", tmp_path / "no.zarr")


def test_a_damaged_chunk_is_named_and_what_is_done_is_kept(shapes, tmp_path, small_pieces):
    source = write_dataset(tmp_path / "source.zarr", 600)
    chunk = source / "x" / "c" / "5" / "0" / "0" / "0"
    whole = chunk.read_bytes()
    chunk.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LeptonError, match=r"x.*5"):
        lepton.predict("shapes", source, tmp_path / "out.zarr", here=True)
    assert not (tmp_path / "out.zarr").exists()
    assert {line["start"] for line in noted(tmp_path / "out.zarr")} <= {0, 64, 128, 192, 256}
    chunk.write_bytes(whole)
    assert len(lepton.predict("shapes", source, tmp_path / "out.zarr", here=True)) == 600


def test_ctrl_c_leaves_nothing(shapes, many, tmp_path, small_pieces):
    def interrupt(done, _total, _text):
        if done > 3000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lepton.predict("shapes", many, tmp_path / "out.zarr", here=True, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


# ---- what is killed

AS_ASKED = """if True:
    import sys
    import lepton_jlab as lepton
    from lepton_jlab.models.offline import plan
    plan.PIECE_BYTES = 1
    _, name, source, dest = sys.argv
    lepton.predict(name, source, dest)
"""


def wait_for(process, dest, count):
    """Return the lines of so many pieces, or more, while `process` is at work."""

    def enough():
        assert process.poll() is None, "it has ended"
        return len(lines := noted(dest)) >= count and lines

    return wait_until(enough, 120, f"{count} pieces")


def begin(name, source, dest):
    return subprocess.Popen([sys.executable, "-c", AS_ASKED, name, str(source), str(dest)])


@pytest.mark.fault
def test_killed_twice_it_goes_on_and_the_output_is_equal(shapes, many, expected, tmp_path):
    dest = tmp_path / "scores.zarr"
    enough = 0
    for more in (30, 60):
        process = begin("shapes", many, dest)
        enough += more
        wait_for(process, dest, enough)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        assert not dest.exists()
    lines = noted(dest)
    assert 90 <= len(lines) < MANY // 64
    assert len({line["start"] for line in lines}) == len(lines)  # none was computed twice
    finished = {line["start"] // 64 for line in lines}
    before = {n: (partial(dest) / f"y/c/{n}/0").stat().st_mtime_ns for n in finished}
    assert begin("shapes", many, dest).wait(120) == 0
    assert np.array_equal(lepton.open_dataset(dest).arrays["y"][:], expected)
    assert {n: (dest / f"y/c/{n}/0").stat().st_mtime_ns for n in finished} == before
    assert listed(tmp_path) == ["scores.zarr"]


@pytest.mark.fault
def test_another_question_does_not_go_on_with_what_was_left(
    shapes, many, dataset, tmp_path, small_pieces
):
    dest = tmp_path / "scores.zarr"
    process = begin("shapes", many, dest)
    wait_for(process, dest, 1)
    with pytest.raises(DataError, match=r"writing scores\.zarr now"):
        lepton.predict("shapes", dataset, dest)
    process.kill()
    process.wait()
    assert len(lepton.predict("shapes", dataset, dest)) == 600


@pytest.mark.fault
def test_on_a_cluster_a_killed_worker_and_a_killed_parent_cost_little(
    shapes, many, expected, tmp_path, cluster, small_pieces
):
    dest = tmp_path / "scores.zarr"
    parent = begin("shapes", many, dest)
    lines = wait_for(parent, dest, 20)
    os.kill(lines[-1]["pid"], signal.SIGKILL)  # a child: its share is tried again
    wait_for(parent, dest, len(lines) + 20)
    parent.kill()
    parent.wait()
    first = {run.sweep for run in lepton.runs() if run.name == "predict shapes:1"}
    assert len(first) == 1
    told = []
    done = lepton.predict(
        "shapes", many, dest, cluster=cluster.name, progress=lambda *said: told.append(said)
    )
    assert np.array_equal(done.arrays["y"][:], expected)
    assert told[-1][0] == MANY
    runs = [run for run in lepton.runs() if run.name == "predict shapes:1"]
    assert {run.state for run in runs if run.sweep not in first} == {"done"}
    assert not {run.state for run in runs} & {"queued", "running"}


def test_the_terminal_and_the_magic_say_what_came_of_it(shapes, dataset, tmp_path, capsys):
    from lepton_jlab.cli import main

    words = ["model", "predict", "shapes", str(dataset), "--out", str(tmp_path / "s.zarr")]
    assert main([*words, "--here", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["samples"] == 600
    assert "100%" in printed.err
    assert main(words) == 1
    assert "--force" in capsys.readouterr().err


# ---- from a run to its answers

CELL = """
import keras
import lepton_jlab as lepton

keras.utils.set_random_seed(scale)
layers = [keras.Input((12, 12, 1)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")]
model = keras.Sequential(layers)
spare = keras.Sequential(layers) if scale == 3 else None
lepton.log(accuracy=scale / 10)
"""


def test_the_best_run_of_a_sweep_is_saved_and_used(dataset, tmp_path, cluster):
    trials = lepton.submit(CELL, sweep={"scale": [1, 2, 3]}, pull=["model", "spare"])
    trials.wait(120)
    names = {"trials": trials, "best": trials.best("accuracy"), "ds": lepton.open_dataset(dataset)}

    def say(line):
        return perform(parse(split(line)), Context("line", names))

    with pytest.raises(
        UsageError, match=rf"a sweep of 3 runs.*%lepton runs best METRIC {trials.id}"
    ):
        say("model save trials --name picked")
    with pytest.raises(
        UsageError, match=r"several models: model, spare\. Say which: --value model"
    ):
        say("model save best --name picked")
    with pytest.raises(NotFoundError, match=r"No run named 'bset'.*No variable"):
        say("model save bset --name picked")
    saved = say("model save best --name picked --value model --samples ds --note 'by accuracy'")
    facts = saved.document()
    assert (facts["run"], facts["metrics"], facts["params"]) == (
        *(trials[2].id, {"accuracy": 0.3}, {"scale": 3}),
    )
    assert "3 classes: circle, square, cross" in saved.text
    say(f"model save {trials[1].id} --name picked")
    listed = say("model list")
    assert "picked" in listed.text
    assert "<table>" in listed.html
    shown = say("model show picked:2")
    assert f"scale={2}" in shown.text
    assert trials[1].id in shown.html
    assert lepton.model("picked")._repr_html_() == say("model show picked").html
    changed = {
        row["what"]: (row["old"], row["new"])
        for row in say("model diff picked").document()["differences"]
    }
    assert changed["metrics.accuracy"] == (0.3, 0.2)
    assert "promoted is 2, it was 1" in say("model promote picked").text
    say(f"model predict picked:1 ds --out {tmp_path / 'scores.zarr'}")
    known = trials[2].values["model"].predict(names["ds"].x[:], verbose=0)
    answers = lepton.open_dataset(tmp_path / "scores.zarr").arrays["y"][:]
    np.testing.assert_allclose(answers, known, atol=1e-6)
    say("model drop picked --force")


def test_a_run_without_a_model_says_how_to_keep_one(cluster):
    run = lepton.submit("x = 1", pull=["x"]).wait(60)
    with pytest.raises(LeptonError, match=r"kept no Keras model.*%%lepton run --pull model"):
        lepton.save_model(run, "none")
