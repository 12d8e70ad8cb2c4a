"""Models that are made in a moment, and one endpoint that many tests ask."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import lepton_jlab as lepton


@pytest.fixture(scope="session")
def halves() -> lepton.Model:
    """``halves``: half of x plus 2 (version 1), plus 3 (version 2), of any number of numbers."""
    import keras

    for offset in (2, 3):
        layers = [keras.layers.Input(()), keras.layers.Rescaling(0.5, offset=offset)]
        samples = np.array([1.0, 2.0, 5.0], "float32")
        model = lepton.save_model(keras.Sequential(layers), "halves", samples=samples)
    return model


@pytest.fixture(scope="module")
def stopped() -> Iterator[None]:
    """Nothing is left of what a module deployed."""
    from lepton_jlab.models import serving

    yield
    serving.stop([endpoint.name for endpoint in lepton.endpoints()])
