"""One small Keras model, made once, and a dataset that it takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

CLASSES = ["circle", "square", "cross"]


def pictures(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return images (count, 12, 12, 1) uint8 and labels: where the bright third is tells which."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    images = random.integers(0, 120, (count, 12, 12, 1), dtype=np.uint8)
    for third in range(3):
        images[labels == third, 4 * third : 4 * third + 4] += 100
    return images, labels


def write_dataset(path: Path, count: int, chunk: int = 64, seed: int = 0) -> Path:
    images, labels = pictures(count, seed)
    group = zarr.create_group(path, attributes={"lepton": {"classes": CLASSES}})
    for name, values in (("x", images), ("y", labels)):
        names = ("sample", "row", "column", "channel")[: values.ndim]
        group.create_array(
            name, data=values, chunks=(chunk, *values.shape[1:]), dimension_names=names
        )
    return path


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 600 small pictures of three classes."""
    return write_dataset(tmp_path_factory.mktemp("data") / "shapes.zarr", 600)


@pytest.fixture(scope="session")
def keras_model() -> "keras.Model":  # noqa: F821, UP037
    """A model that tells the three classes apart."""
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((12, 12, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    images, labels = pictures(600)
    model.fit(images, labels, epochs=6, batch_size=32, verbose=0)
    assert model.evaluate(images, labels, verbose=0)[1] > 0.95
    return model


@pytest.fixture(scope="session")
def keras_file(keras_model: "keras.Model", tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F821, UP037
    """That model in a file."""
    path = tmp_path_factory.mktemp("keras") / "shapes.keras"
    keras_model.save(path)
    return path


@pytest.fixture(scope="session")
def shapes(keras_model: "keras.Model", dataset: Path) -> "lepton.Model":  # noqa: F821, UP037
    """That model as a registered one, `shapes`, with samples of the dataset."""
    import lepton_jlab as lepton

    return lepton.save_model(keras_model, "shapes", "the first", samples=dataset)
