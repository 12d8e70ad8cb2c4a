"""Exports answer as the model does, or there is none; the edge folder runs where nothing is."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import lepton_jlab as lepton
from lepton_jlab.errors import DataError, LeptonError, MissingDependencyError, UsageError
from lepton_jlab.models import places
from lepton_jlab.models.exporting.checking import compare, demand

from .clean import clean_environment
from .conftest import CLASSES, pictures, write_dataset


def one_hot(*classes):
    return {"y": np.eye(3, dtype="float32")[list(classes)]}


# ---- the bounds


def test_accuracy_counts_where_labels_are_known():
    check = compare(one_hot(0, 1, 2, 0), one_hot(0, 1, 2, 1), np.array([0, 1, 2, 0]))
    assert (check.accuracy, check.accuracy_export, check.loss, check.changed) == (
        1,
        0.75,
        0.25,
        0.25,
    )
    with pytest.raises(LeptonError, match=r"25\.00% of accuracy \(100\.00% became 75\.00%\)"):
        demand(check, "int8", 0.01, None)
    demand(check, "int8", 0.25, None)


def test_an_export_that_is_better_loses_nothing():
    check = compare(one_hot(0, 1), one_hot(0, 2), np.array([0, 2]))
    demand(check, "dynamic", 0, None)


def test_changed_classes_count_where_labels_are_not_known():
    check = compare(one_hot(0, 1), one_hot(0, 2), None)
    assert check.loss == 0.5
    with pytest.raises(LeptonError, match="share of unchanged classes"):
        demand(check, "dynamic", 0.1, None)


def test_numbers_are_held_to_differences():
    before = {"y": np.array([[10.0], [-20.0]])}
    check = compare(before, {"y": np.array([[10.0], [-19.0]])}, None)
    assert (check.difference, check.loss) == (0.05, None)
    demand(check, "dynamic", 0.01, None)
    with pytest.raises(LeptonError, match=r"0\.05 of the largest answer"):
        demand(check, "none", 0.01, None)
    with pytest.raises(LeptonError, match="--max-difference"):
        demand(check, "int8", 0.01, 0.02)


def test_nan_and_other_shapes_are_no_answer():
    with pytest.raises(LeptonError, match="NaN"):
        compare({"y": np.ones((2, 1))}, {"y": np.array([[1], [np.nan]])}, None)
    with pytest.raises(LeptonError, match="shape"):
        compare({"y": np.ones((2, 1))}, {"y": np.ones((2, 2))}, None)


# ---- what is refused before anything starts


@pytest.mark.integration
def test_wishes_that_cannot_be_are_named(shapes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for wish, message in [
        ({"to": "tflite"}, r"litert, onnx.*Did you mean 'litert'"),
        ({"to": "onnx", "quantize": "int8"}, "onnx keeps the model's own numbers"),
        ({"to": "litert", "max_loss": 5}, "a share"),
    ]:
        with pytest.raises(UsageError, match=message):
            lepton.export_model("shapes", **wish)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").touch()
    with pytest.raises(DataError, match="no export"):
        lepton.export_model("shapes", "edge", out="mine", force=True)
    with pytest.raises(DataError, match="does not exist"):
        lepton.export_model("shapes", "edge", out="no/where")
    with pytest.raises(DataError, match=r"\(\*, 5\) float64"):
        lepton.export_model("shapes", "litert", samples=np.ones((9, 5)))
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.integration
@pytest.mark.parametrize(("to", "module"), [("litert", "ai_edge_litert"), ("onnx", "tf2onnx")])
def test_a_missing_library_is_named_with_its_install_line(shapes, monkeypatch, to, module):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == module else find(name, *a)
    )
    with pytest.raises(MissingDependencyError, match=rf"pip install 'lepton_jlab\[{to}\]'"):
        lepton.export_model("shapes", to)


# ---- real exports


@pytest.fixture(scope="module")
def exports(shapes, tmp_path_factory):
    """Every kind of export, made two at a time."""
    folder = tmp_path_factory.mktemp("exports")
    wishes = {
        "edge": {"to": "edge", "quantize": "int8", "out": folder / "edge"},
        "litert": {"to": "litert"},
        "litert-dynamic": {"to": "litert", "quantize": "dynamic"},
        "onnx": {"to": "onnx"},
        "savedmodel": {"to": "savedmodel", "out": folder / "served"},
    }
    with ThreadPoolExecutor(2) as pool:
        made = {n: pool.submit(lepton.export_model, "shapes", **w) for n, w in wishes.items()}
    return {name: future.result() for name, future in made.items()}


@pytest.mark.integration
def test_every_export_is_within_its_bound(exports):
    for name, export in exports.items():
        check = export["check"]
        print(name, export["bytes"], check)
        assert check["samples"] >= 300
        assert check["accuracy"] > 0.95
        assert check["loss"] <= 0.01
        exact = export["quantize"] == "none"
        assert check["difference"] <= (1e-3 if exact else 0.2)


@pytest.mark.integration
def test_exports_are_kept_with_the_version(shapes, exports):
    version = shapes.version(1)
    assert {"litert", "litert-dynamic", "onnx"} <= set(shapes.to_dict()["versions"][0]["exports"])
    small, whole = version.export_file("litert-dynamic"), version.export_file("litert")
    assert small.stat().st_size < whole.stat().st_size
    digest = hashlib.sha256(whole.read_bytes()).hexdigest()
    assert digest == exports["litert"]["sha256"]


@pytest.mark.integration
def test_runtimes_take_any_number_of_samples(shapes, exports, keras_model):
    import onnxruntime
    from ai_edge_litert.interpreter import Interpreter

    session = onnxruntime.InferenceSession(exports["onnx"]["file"])
    run = Interpreter(exports["litert"]["file"]).get_signature_runner("serving_default")
    for count in (1, 5, 2):
        images = pictures(count, seed=3)[0].astype("float32")
        expected = keras_model.predict(images, verbose=0)
        np.testing.assert_allclose(session.run(["y"], {"x": images})[0], expected, atol=1e-4)
        np.testing.assert_allclose(run(x=images)["y"], expected, atol=1e-4)


@pytest.mark.integration
def test_a_savedmodel_lies_as_tensorflow_serving_wants_it(exports, keras_model):
    import tensorflow as tf

    images, _ = pictures(3)
    served = tf.saved_model.load(exports["savedmodel"]["file"]).signatures["serving_default"]
    answers = served(x=tf.constant(images.astype("float32")))["y"]
    np.testing.assert_allclose(answers, keras_model.predict(images, verbose=0), atol=1e-6)
    assert exports["savedmodel"]["file"].endswith("served/1")


@pytest.mark.integration
def test_what_is_refused_leaves_nothing(shapes, tmp_path):
    wrong = np.random.default_rng(0).integers(0, 3, 400)  # labels by chance
    with pytest.raises(LeptonError, match=r"--max-difference.*quantize less"):
        lepton.export_model(
            "shapes",
            "edge",
            quantize="int8",
            samples=(pictures(400)[0], wrong),
            max_loss=1,
            max_difference=1e-9,
            out=tmp_path / "edge",
        )
    assert list(tmp_path.iterdir()) == []
    assert not list(places.root().glob(f"{places.AT_WORK}*"))


@pytest.mark.integration
def test_several_inputs_and_outputs_are_exported_by_name(tmp_path, no_records):
    import keras

    left, right = keras.Input((2,), name="left"), keras.Input((2,), name="right")
    model = keras.Model({"left": left, "right": right}, {"sum": left + right, "less": left - right})
    random = np.random.default_rng(0)
    samples = {name: random.random((40, 2), "float32") for name in ("left", "right")}
    lepton.save_model(model, "two", samples=samples)
    for to in ("onnx", "litert"):
        assert lepton.export_model("two", to, samples=samples)["check"]["samples"] == 40


# ---- the edge


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory):
    """Python with NumPy and the LiteRT runtime, without TensorFlow and without Lepton."""
    return clean_environment(tmp_path_factory.mktemp("bare") / "venv", "ai-edge-litert", "numpy")


def run_there(python, folder, *words, **more):
    bare = {"PATH": os.environ["PATH"], **more.pop("env", {})}
    done = subprocess.run(
        [python, *words], cwd=folder, env=bare, capture_output=True, text=True, **more
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.integration
def test_the_edge_folder_answers_in_a_clean_environment(exports, bare_python, tmp_path):
    edge = exports["edge"]["folder"]
    lacks = """if True:
        import importlib.util
        print([importlib.util.find_spec(name) for name in ("tensorflow", "keras", "lepton_jlab")])
    """
    assert run_there(bare_python, edge, "-c", lacks).strip() == "[None, None, None]"
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=edge, check=True)
    assert "largest difference from its export" in run_there(bare_python, edge, "model.py")
    images, labels = pictures(50, seed=9)
    np.save(tmp_path / "images.npy", images)
    lines = run_there(bare_python, edge, "predict.py", str(tmp_path / "images.npy")).splitlines()
    best = [CLASSES.index(json.loads(line)[0]["class"]) for line in lines]
    assert np.mean(best == labels) > 0.95


@pytest.mark.integration
def test_the_edge_takes_a_fifth_of_tensorflows_memory(exports, bare_python, shapes):
    end = "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
    edge = f"from model import Model; m = Model(); m.predict(m.samples()); {end}"
    tensorflow = f"""if True:
        import numpy as np, tensorflow as tf
        served = tf.saved_model.load({str(shapes.version().folder)!r})
        served.signatures["serving_default"](x=tf.constant(np.ones((16, 12, 12, 1), "float32")))
        {end}
    """
    small = int(run_there(bare_python, exports["edge"]["folder"], "-c", edge))
    whole = int(run_there(sys.executable, ".", "-c", tensorflow))
    print(f"edge {small / 1024:.0f} MiB, TensorFlow {whole / 1024:.0f} MiB: {small / whole:.2f}")
    assert small * 5 <= whole


@pytest.mark.integration
def test_the_edge_serves_with_a_token(exports, bare_python):
    edge = exports["edge"]["folder"]
    service = subprocess.Popen(
        [bare_python, "serve.py", "--port", "0"],
        cwd=edge,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    try:
        url = service.stdout.readline().strip()
        token = service.stdout.readline().removeprefix("token: ").strip()

        def ask(path, body=None, **headers):
            headers = {"Authorization": f"Bearer {token}", **headers}
            request = urllib.request.Request(url + path, body, headers)
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as error:
                return error.code, json.load(error)

        images, labels = pictures(4)
        rows = json.dumps({"instances": images.tolist()}).encode()
        status, answer = ask(":predict", rows)
        assert status == 200
        assert np.argmax(answer["predictions"], axis=1).tolist() == labels.tolist()
        columns = json.dumps({"inputs": {"x": images.tolist()}}).encode()
        assert ask(":predict", columns)[1]["outputs"] == answer["predictions"]
        assert ask("/versions/1:predict", rows)[1] == answer
        assert ask("")[1]["model_version_status"][0]["state"] == "AVAILABLE"
        assert ask("/metadata")[1]["classes"] == CLASSES
        for path, body, headers, wanted, told in [
            (":predict", rows, {"Authorization": "Bearer x"}, 401, "Authorization"),
            (":predict", b"{", {}, 400, "not JSON"),
            (":predict", b"[]", {}, 400, "not a JSON object"),
            (":predict", b"{}", {}, 400, "neither 'instances'"),
            (":predict", b'{"instances": [[1, 2]]}', {}, 400, "the model takes (*, 12, 12, 1)"),
            (":predict", b'{"instances": [["a"]]}', {}, 400, "the model takes"),
            (":predict", b'{"instances": [[1], [1, 2]]}', {}, 400, "inhomogeneous"),
            (":predict", b'{"inputs": {"z": [1]}}', {}, 400, "no input 'z'"),
            (":predict", b'{"instances": []}', {}, 400, "no samples"),
            ("/elsewhere", None, {}, 404, "the model is at"),
        ]:
            status, answer = ask(path, body, **headers)
            assert (status, told in answer["error"]) == (wanted, True), answer
        assert ask(":predict", rows)[0] == 200
    finally:
        service.kill()
        service.wait()


@pytest.mark.integration
def test_preprocessing_goes_along_to_the_edge(bare_python, tmp_path, no_records):
    import keras

    recipes = pytest.importorskip("lepton_jlab.data.prepare")
    ds = lepton.open_dataset(write_dataset(tmp_path / "raw.zarr", 200))
    prepared = ds.normalize("x")
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((12, 12, 1)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")]
    )
    version = lepton.save_model(model, "prepared", samples=prepared).version()
    assert isinstance(version.recipe, recipes.Recipe)
    assert version.raw_inputs[0]["dtype"] == "uint8"
    lepton.export_model("prepared", "edge", out=tmp_path / "edge")
    code = """if True:
        import json
        from model import Model
        model = Model()
        print(json.dumps(model.predict(model.samples()).tolist()))
    """
    answers = json.loads(run_there(bare_python, tmp_path / "edge", "-c", code))
    np.testing.assert_allclose(answers, version.samples.outputs["y"], atol=1e-5)
