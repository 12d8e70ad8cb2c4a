"""Keras in a run child: `fit` reports by itself, with TensorFlow preloaded and without."""

from __future__ import annotations

import asyncio

import pytest

from lepton_jlab.runs import values

pytestmark = pytest.mark.integration

MODEL = """\
import keras
import numpy as np

x, y = np.random.rand(64, 4), np.random.rand(64)
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
model.compile("sgd", "mse", metrics=["mae"])
"""


def test_tensorflow_is_preloaded_without_a_thread(keras_worker):
    assert keras_worker.info["preloaded"] == ["tensorflow", "keras"]
    assert len(keras_worker.info["threads"]) == 1


def test_fit_reports_metrics_and_progress(keras_worker):
    heard = keras_worker.run(
        MODEL + "model.fit(x, y, batch_size=8, epochs=2, validation_split=0.25)\n"
        "model.fit(x, y, batch_size=8);"
    )
    assert heard.end["state"] == "done", heard.text
    metrics = heard.of("metrics")
    assert [m["step"] for m in metrics] == [1, 2, 3]
    assert set(metrics[0]["values"]) == {"loss", "mae", "val_loss", "val_mae", "learning_rate"}
    assert set(metrics[2]["values"]) == {"loss", "mae", "learning_rate"}
    assert metrics[0]["values"]["learning_rate"] == pytest.approx(0.01)
    last = heard.of("progress")[-1]
    assert (last["epoch"], last["epochs"], last["batch"], last["batches"]) == (1, 1, 8, 8)
    assert len(list((keras_worker.folder / heard.end["id"] / "tensorboard").iterdir())) == 1


def test_precision_is_the_policy_of_the_run_s_models(keras_worker):
    code = "import keras\nprint(keras.layers.Dense(1).compute_dtype, keras.layers.Dense(1).dtype)"
    assert keras_worker.run(code, precision="mixed_float16").text.split() == ["float16", "float32"]
    assert keras_worker.run(code).text.split() == ["float32", "float32"]


def test_a_share_of_a_gpu_is_taken_when_tensorflow_makes_its_context(keras_worker):
    heard = keras_worker.run(
        "import tensorflow as tf\n"
        "from tensorflow.python.eager import context\n"
        "print(hasattr(context.Context.ensure_initialized, '__wrapped__'))\n"
        "print(context.context()._initialized, int(tf.constant(2) + 1))",
        gpu_share=0.5,
    )
    assert heard.text.split() == ["True", "False", "3"]


def test_there_is_a_line_an_epoch_and_no_progress_bar(keras_worker):
    heard = keras_worker.run(
        MODEL + "model.fit(x, y, batch_size=8, epochs=2)\n"
        "print('evaluate')\nmodel.evaluate(x, y)\nprint('predict')\nmodel.predict(x);"
    )
    lines = heard.text.splitlines()
    assert lines[0] == "Epoch 1/2"
    assert lines[1].startswith("8/8 - ")
    assert lines[2] == "Epoch 2/2"
    assert lines[4] == "evaluate"
    assert lines[5].startswith("2/2 - ")
    assert lines[6:] == ["predict"]


def test_callbacks_given_in_every_way_are_kept(keras_worker):
    heard = keras_worker.run(
        MODEL + "class Told(keras.callbacks.Callback):\n"
        "    def on_epoch_end(self, epoch, logs=None):\n"
        "        logs['told'] = 7.0\n"
        "for given in (Told(), [Told()], (Told(),), keras.callbacks.CallbackList("
        "[Told()], add_history=True, model=model, epochs=1, steps=2, verbose=0)):\n"
        "    model.fit(x, y, callbacks=given, verbose=0)\n"
    )
    assert heard.end["state"] == "done", heard.messages
    assert [m["values"]["told"] for m in heard.of("metrics")] == [7.0] * 4
    assert [m["step"] for m in heard.of("metrics")] == [1, 2, 3, 4]


def test_an_error_in_fit_is_the_users_own(keras_worker):
    heard = keras_worker.run(MODEL + "model.fit(x, y[:3])")
    assert heard.error["kind"] == "exception"
    assert heard.error["message"].startswith("ValueError: Data cardinality")
    assert "keras_fit" not in "\n".join(heard.error["traceback"])


def test_a_model_can_be_pulled_and_loaded(keras_worker):
    heard = keras_worker.run(
        MODEL + "import lepton_jlab as lepton\n"
        "lepton.log(loss=keras.ops.mean(x), bias=model.layers[0].bias[0])\n"
        "told = float(model(x[:1])[0, 0])\nfirst = x[:1]",
        pull=["model", "told", "first"],
    )
    assert heard.end["state"] == "done", heard.error
    assert [v["kind"] for v in heard.end["values"]] == ["keras", "pickle", "pickle"]
    model, told, first = (values.load(v["file"]) for v in heard.end["values"])
    assert float(model(first)[0, 0]) == pytest.approx(told)


def test_a_model_with_a_loss_of_the_notebook_is_loaded_and_predicts(keras_worker):
    heard = keras_worker.run(
        MODEL + "def gap(truth, guess):\n    return keras.ops.mean(keras.ops.abs(truth - guess))\n"
        "model.compile(loss=gap)\nmodel.fit(x, y)\nfirst = x[:1]\ntold = float(model(first)[0, 0])",
        pull=["model", "told", "first"],
    )
    model, told, first = (values.load(v["file"]) for v in heard.end["values"])
    assert float(model(first)[0, 0]) == pytest.approx(told)


def test_training_can_be_interrupted(keras_worker):
    async def interrupt(conversation):
        await conversation.until(lambda heard: heard.of("progress"))
        conversation.child.interrupt()

    heard = keras_worker.run(MODEL + "model.fit(x, y, epochs=10**6)", meanwhile=interrupt)
    assert heard.end["state"] == "cancelled"


def test_an_interrupt_that_something_swallows_cancels_all_the_same(keras_worker):
    """Keras itself does so in `pythonify_logs`, while it waits for a batch."""

    async def interrupt(conversation):
        await conversation.until(lambda heard: heard.of("progress"))
        conversation.child.interrupt()

    heard = keras_worker.run(
        MODEL + "import time\n"
        "class Deaf(keras.callbacks.Callback):\n"
        "    def on_train_batch_end(self, batch, logs=None):\n"
        "        try:\n"
        "            time.sleep(0.05)\n"
        "        except BaseException:\n"
        "            pass\n"
        "model.fit(x, y, epochs=10**6, callbacks=[Deaf()])",
        meanwhile=interrupt,
    )
    assert heard.end["state"] == "cancelled"


def test_children_do_not_share_keras_random_state(keras_worker):
    code = "import keras\nprint(float(keras.random.normal(())))"
    assert keras_worker.run(code).text != keras_worker.run(code).text


def test_keras_imported_by_the_cell_reports_too(worker):
    pytest.importorskip("keras")
    heard = worker.run(MODEL + "model.fit(x, y);")
    assert [m["step"] for m in heard.of("metrics")] == [1]


def test_four_children_train_at_once(keras_worker):
    async def train():
        conversation = await keras_worker.fork()
        heard = await conversation.run(keras_worker.spec(MODEL + "model.fit(x, y);"))
        await conversation.close()
        return heard.end["state"]

    async def train_four():
        return await asyncio.gather(*(train() for _ in range(4)))

    assert keras_worker.do(train_four()) == ["done"] * 4
