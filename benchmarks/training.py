"""The training cell that Lepton and its peers execute, word for word the same."""

from __future__ import annotations

_CELL = """
import keras
import numpy as np

random = np.random.default_rng(seed)
x = random.standard_normal(({samples}, 28, 28, 1), dtype="float32")
y = random.integers(0, 10, {samples})
keras.utils.set_random_seed(seed)
model = keras.Sequential([
    keras.layers.Input((28, 28, 1)),
    keras.layers.Conv2D(16, 3, activation="relu"),
    keras.layers.MaxPooling2D(),
    keras.layers.Conv2D(32, 3, activation="relu"),
    keras.layers.Flatten(),
    keras.layers.Dense(10),
])
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
callbacks = []
{before}
model.fit(x, y, epochs={epochs}, batch_size=64, verbose=0, callbacks=callbacks)
{after}
"""


def training_cell(epochs: int = 3, samples: int = 2048, before: str = "", after: str = "") -> str:
    """Return the source of a cell that trains a small CNN; it reads the variable `seed`.

    Parameters
    ----------
    before, after
        Lines around `fit`; what they put into `callbacks` is called by it.
    """
    return _CELL.format(epochs=epochs, samples=samples, before=before, after=after)
