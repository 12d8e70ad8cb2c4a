"""Keeps the model of the quickstart, with its exports, for `benchmarks.serving`."""

from __future__ import annotations

import sys

import numpy as np


def main() -> None:
    """Save it under the name given."""
    import keras

    import lepton_jlab as lepton
    from lepton_jlab.errors import MissingDependencyError

    layers = keras.layers
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    samples = np.random.default_rng(0).integers(0, 255, (16, 28, 28, 1)).astype("float32")
    lepton.save_model(model, sys.argv[1], samples=samples)
    for form in ("litert", "onnx"):
        try:
            lepton.export_model(sys.argv[1], form)
        except MissingDependencyError as error:
            print(error, file=sys.stderr)


if __name__ == "__main__":
    main()
