"""The SavedModel of a version, by its signature ``serving_default``."""

from __future__ import annotations

from pathlib import Path

from lepton_jlab.models.serving.runtimes import Run
from lepton_jlab.models.serving.runtimes.tensorflow import calling, limit_threads
from lepton_jlab.models.version import Version


def load(version: Version, file: Path, threads: int) -> Run:
    """Load it."""
    limit_threads(threads)
    import tensorflow as tf

    loaded = tf.saved_model.load(str(file))
    return calling(version, loaded.signatures["serving_default"], loaded)
