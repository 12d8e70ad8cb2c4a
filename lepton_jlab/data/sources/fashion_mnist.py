"""Fashion-MNIST by name: from Debian's package, else Keras, else the sample in the repository."""

from __future__ import annotations

import os
import urllib.request
from dataclasses import replace
from pathlib import Path

from lepton_jlab.data.sources import Loaded, idx, keras_datasets, npz, without_label
from lepton_jlab.data.sources.keras_datasets import CLOTHES
from lepton_jlab.errors import LeptonError, NotFoundError

FORM = "fashion-mnist"
NAMES = ("fashion-mnist",)

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
SAMPLE = "fashion-mnist-sample.npz"
KERAS_ADDRESS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/train-labels-idx1-ubyte.gz"
)
PATIENCE = 3  # s, for a first answer of the server that Keras downloads from


def accepts(source: str) -> bool:
    """Whether `source` is this name, and not a path of that name."""
    return source in NAMES


def load(_source: str, label: str | None) -> Loaded:
    """Take the first that is there: images of ten kinds of clothes, (28, 28, 1) uint8."""
    without_label(label, FORM)
    for origin in (from_debian, from_keras, from_sample):
        try:
            return replace(origin(), classes=CLOTHES)
        except LeptonError:  # the next one will do
            continue
    raise NotFoundError(
        "Fashion-MNIST was not found: install Debian's dataset-fashion-mnist, or connect to the "
        f"internet for Keras, or work in Lepton's repository, which has {SAMPLE}."
    )


def from_debian() -> Loaded:
    """Read the files of Debian's package dataset-fashion-mnist: 60,000 and 10,000 images."""
    if not DEBIAN.is_dir():
        raise NotFoundError(f"There is no {DEBIAN}.")
    return replace(idx.load(str(DEBIAN), None), origin=f"Debian's dataset-fashion-mnist, {DEBIAN}")


def from_keras() -> Loaded:
    """Read Keras's copy, downloading it if the server answers soon."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    kept = home / "datasets" / "fashion-mnist"
    if len(list(kept.glob("*-ubyte.gz"))) == 4:
        return replace(idx.load(str(kept), None), origin=f"keras.datasets.fashion_mnist, {kept}")
    try:
        urllib.request.urlopen(KERAS_ADDRESS, timeout=PATIENCE).close()
    except OSError as error:
        raise NotFoundError(f"{KERAS_ADDRESS} does not answer: {error}") from error
    return keras_datasets.load("keras:fashion_mnist", None)


def from_sample() -> Loaded:
    """Read the sample in ``notebooks/data`` of the repository this is run from."""
    here = Path.cwd()
    roots = [Path(__file__).parents[3], here, *here.parents]
    places = [root / "notebooks" / "data" / SAMPLE for root in roots] + [here / "data" / SAMPLE]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise NotFoundError(f"There is no notebooks/data/{SAMPLE} here.")
    return replace(npz.load(str(found), None), origin=f"Lepton's sample of Fashion-MNIST, {SAMPLE}")
