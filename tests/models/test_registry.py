"""What is saved with a model, and what is said about it."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import lepton_jlab as lepton
from lepton_jlab.cli import main
from lepton_jlab.errors import LeptonError, NotFoundError, UsageError
from lepton_jlab.models import places

from .conftest import CLASSES, pictures

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def folder(shapes):
    return shapes.version(1).folder


def printed(capsys, *words):
    assert main(list(words)) == 0
    return json.loads(capsys.readouterr().out)


def test_a_version_holds_what_was_given_and_what_was_found_out(shapes, dataset):
    version = shapes.version(1)
    assert version.inputs == [{"name": "x", "shape": [None, 12, 12, 1], "dtype": "float32"}]
    assert version.outputs == [{"name": "y", "shape": [None, 3], "dtype": "float32"}]
    assert version.classes == CLASSES
    document = shapes.to_dict()["versions"][0]
    assert (document["note"], document["parameters"], document["preprocessing"]) == (
        *("the first", 1243, None),
    )
    samples = version.samples
    images, labels = pictures(600)
    rows = np.arange(16) * 600 // 16
    assert np.array_equal(samples.inputs["x"], images[rows].astype("float32"))
    assert np.array_equal(samples.labels, labels[rows])


def test_the_folder_is_a_saved_model_as_it_is(folder, keras_model):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    images, _ = pictures(5)
    answers = loaded.signatures["serving_default"](x=tf.constant(images.astype("float32")))
    assert list(answers) == ["y"]
    np.testing.assert_allclose(answers["y"], keras_model.predict(images, verbose=0), atol=1e-6)


def test_it_comes_back_as_a_keras_model(shapes, keras_model):
    images, _ = pictures(5)
    again = shapes.load()
    assert np.array_equal(again.predict(images, verbose=0), keras_model.predict(images, verbose=0))


def test_sample_answers_are_those_of_the_model(shapes, keras_model):
    samples = shapes.version().samples
    expected = keras_model.predict(samples.inputs["x"], verbose=0)
    np.testing.assert_allclose(samples.outputs["y"], expected, atol=1e-6)


def test_a_file_is_saved_by_the_terminal_and_inherits_samples_and_classes(
    shapes, keras_file, capsys
):
    saved = printed(capsys, "model", "save", str(keras_file), "--name", "shapes", "--json")
    assert saved["promoted"] == 1
    assert saved["classes"] == CLASSES
    assert not saved["samples"]["made_up"]
    shown = printed(capsys, "model", "show", "shapes", "--json")
    assert [version["version"] for version in shown["versions"]] == [1, saved["version"]]
    difference = printed(capsys, "model", "diff", "shapes", f"shapes:{saved['version']}", "--json")
    assert "classes" not in {row["what"] for row in difference["differences"]}
    assert printed(capsys, "model", "promote", f"shapes:{saved['version']}", "--json")["promoted"]
    assert lepton.model("shapes").promoted == saved["version"]
    assert printed(capsys, "model", "rollback", "shapes", "--json")["promoted"] == 1
    printed(capsys, "model", "drop", f"shapes:{saved['version']}", "--json")
    assert places.numbers("shapes") == [1]


def test_a_new_process_saves_it_when_tensorflow_is_not_here(keras_file, dataset, no_records):
    code = f"""if True:
        import sys
        import lepton_jlab as lepton
        lepton.save_model({str(keras_file)!r}, "apart", samples={str(dataset)!r})
        assert not {{"tensorflow", "keras"}} & set(sys.modules), "it is here"
    """
    subprocess.run([sys.executable, "-c", code], check=True)
    assert lepton.model("apart").version().classes == CLASSES


def test_listing_needs_neither_tensorflow_nor_zarr(shapes):
    code = """if True:
        import sys
        import lepton_jlab as lepton
        documents = [model.to_dict() for model in lepton.models()]
        assert "shapes" in {document["name"] for document in documents}
        heavy = {"tensorflow", "keras", "zarr", "dask"} & set(sys.modules)
        assert not heavy, heavy
    """
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_model_without_an_input_needs_samples(no_records):
    import keras

    class Doubling(keras.Model):
        def call(self, inputs):
            return inputs * 2

    with pytest.raises(UsageError, match="samples"):
        lepton.save_model(Doubling(), "doubling")
    assert lepton.models() == []
    saved = lepton.save_model(Doubling(), "doubling", samples=np.ones((4, 3), "float32"))
    assert saved.version().inputs[0]["shape"] == [None, 3]
    assert np.array_equal(saved.version().samples.outputs["y"], np.full((4, 3), 2.0))


def test_several_inputs_and_outputs_keep_their_names(no_records):
    import keras

    left, right = keras.Input((2,), name="left"), keras.Input((2,), name="right", dtype="int32")
    total = left + keras.ops.cast(right, "float32")
    model = keras.Model({"left": left, "right": right}, {"sum": total, "half": total / 2})
    samples = {"right": np.ones((3, 2), "int64"), "left": np.ones((3, 2))}
    version = lepton.save_model(model, "two", samples=samples).version()
    assert {tensor["name"] for tensor in version.inputs} == {"left", "right"}
    assert version.samples.outputs["half"].tolist() == [[1, 1]] * 3


def test_what_cannot_be_saved_is_named(shapes, tmp_path, no_records, keras_model):
    (tmp_path / "broken.keras").write_text("no model")
    with pytest.raises(NotFoundError, match="Did you mean 'broken"):
        lepton.save_model(tmp_path / "broke.keras", "x")
    with pytest.raises(LeptonError, match="cannot be loaded by Keras"):
        lepton.save_model(tmp_path / "broken.keras", "x")
    with pytest.raises(UsageError, match="A dict cannot be saved"):
        lepton.save_model({}, "x")
    with pytest.raises(NotFoundError, match="No run named 'r99'"):
        lepton.save_model("r99", "x")
    with pytest.raises(LeptonError, match=r"\(\*, 5\) float64.*\(\*, 12, 12, 1\) float32"):
        lepton.save_model(keras_model, "x", samples=np.ones((4, 5)))
    with pytest.raises(UsageError, match="2 classes are given; the model tells 3 apart"):
        lepton.save_model(keras_model, "x", classes=["a", "b"])
    assert lepton.models() == []
    assert list(places.root().iterdir()) == []


def test_texts_are_samples_of_a_model_whose_recipe_counts_their_words(tmp_path, no_records):
    import keras

    texts = ["good day", "bad day", "good bad"] * 8
    x = np.array(texts, np.dtypes.StringDType())
    ds = lepton.import_dataset({"x": x, "y": np.arange(24) % 3}, tmp_path / "texts.zarr")
    view = ds.tokenize(vocabulary=4, mode="count")
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    lepton.save_model(model, "words", samples=view)
    samples = lepton.model("words").version(1).samples
    assert samples.raw["x"].tolist() == [texts[i * 24 // 16] for i in range(16)]
    assert samples.inputs["x"].sum(axis=1).tolist() == [2.0] * len(samples.raw["x"])
