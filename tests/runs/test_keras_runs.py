"""Keras on a cluster: preloaded, logged without a line of user code, and brought back."""

from __future__ import annotations

import pytest

import lepton_jlab as lepton

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("cluster")]

FIT = """
import keras
import numpy as np

keras.utils.set_random_seed(1)
x = np.random.rand(256, 4).astype("float32")
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
model.fit(x, x.sum(1), epochs=3, batch_size=32, validation_split=0.25, verbose=0)
"""


@pytest.fixture(scope="module")
def trials(cluster):
    sweep = lepton.submit(FIT, sweep={"units": [1, 8]}, pull=["model"]).wait(200)
    assert [run.state for run in sweep] == ["done", "done"], [run.error for run in sweep]
    return sweep


def test_fit_logs_its_metrics_per_epoch(trials):
    for run in trials:
        assert {"loss", "mae", "val_loss", "val_mae"} <= run.metrics.keys()
        assert len(run.history) == 3
        assert run.metrics["loss"] == run.history["loss"].iloc[-1]
    assert trials.best("val_loss") in list(trials)


def test_fit_tells_its_progress(trials):
    assert trials[0].to_dict()["progress"]["epoch"] == 3
    assert trials[0].to_dict()["progress"]["epochs"] == 3


def test_a_model_comes_back_and_predicts(trials):
    import numpy as np

    model = trials[1].values["model"]
    assert model.layers[0].units == 8
    assert model.predict(np.zeros((2, 4), "float32"), verbose=0).shape == (2, 1)


def test_tensorflow_is_there_before_the_run(trials):
    run = lepton.submit("import sys\nprint('tensorflow' in sys.modules)").wait(60)
    assert run.output == "True\n"
