"""The small world in which the commands of the documentation are run: what each page speaks of."""

from __future__ import annotations

import gzip
import json
import re
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_jlab.data import import_dataset
from lepton_jlab.data.sources import fashion_mnist
from lepton_jlab.data.sources.keras_datasets import CLOTHES

from .blocks import Block

_COMMON = """
%reset -f
%load_ext lepton_jlab
import json
import numpy as np
import zarr
import lepton_jlab as lepton
from lepton_jlab.data.sources import fashion_mnist
fashion_mnist.DEBIAN = fashion_mnist.Path('{files}') / 'clothes'

def build(*parameters):
    import keras
    model = keras.Sequential([
        keras.layers.Input((28, 28, 1)),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Flatten(),
        keras.layers.Dense(10, activation="softmax"),
    ])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
"""

_OPEN = "ds = lepton.open_dataset('fashion.zarr')\n"
_PARTS = _OPEN + "train, val = ds.split(0.9)\ntest = ds['test']\n"
_FASHION = """
best = build()
for version in (1, 2, 3):
    lepton.save_model(best, "fashion", samples="fashion.zarr")
"""

FRESH = ("README.md", "docs/tutorial.md")  # these pages make their dataset themselves

# What the reader has when a page begins, beside the files of `prepare`.
BEFORE = {
    "docs/cleaning.md": _OPEN,
    "docs/cost.md": _OPEN,
    # It starts a cluster of its own, with other options.
    "docs/tutorial.md": "%lepton cluster stop -f",
    "docs/labelling.md": "import time\nmonday = time.time()\n",
    "docs/models.md": _OPEN + _FASHION,
    "docs/placement.md": """
import os
from pathlib import Path
light = Path(os.environ["JUPYTER_CONFIG_DIR"], "lepton_config.json")
light.parent.mkdir(exist_ok=True)
light.write_text('{"Settings": {"preload": []}}')  # nothing on this page needs TensorFlow
%lepton cluster start --name site --workers 1 --place edge
light.unlink()
def train(): return sum(range(1000))
""",
    "docs/preparing.md": """
def build():
    import keras
    model = keras.Sequential([
        keras.layers.Input((32, 32, 1)),
        keras.layers.Flatten(),
        keras.layers.Dense(10, activation="softmax"),
    ])
    model.compile("adam", "categorical_crossentropy")
    return model
model = build()
""",
    "docs/replicas.md": _PARTS,
    "docs/searching.md": _PARTS,
    "docs/serving.md": _OPEN
    + _FASHION
    + """
images = ds.x[:5].astype("float32")
picture = images[0]
encode = lambda texts: np.zeros((len(texts), 4))
""",
    "docs/streaming.md": _OPEN
    + "import tensorflow as tf\nmodel = build()\neasy, hard = ds.split(0.5)\n",
}

# An answer that is an error fails as a wrong command does.
TERMINAL = f"""%%bash
set -euo pipefail
PATH={Path(sys.executable).parent}:$PATH
curl() {{ command curl --fail --silent --show-error "$@"; }}
"""

# What the page has started ends well, unless the page itself cancels it.
SETTLED = """
for run in lepton.runs():
    if run.submitted > {began}:
        run.wait(60)
        assert run.state in ("done", "cancelled"), (run.id, run.error)
"""

# Endpoints and clusters that it has started end with the page, and what all use is as it was.
AFTER = """
for endpoint in lepton.endpoints():
    endpoint.stop()
for cluster in lepton.clusters():
    if cluster.name != "local":
        cluster.stop(force=True)
    else:
        lepton.use_cluster("local").scale(2)
"""

# The same commands, with less to do.
SMALLER = [
    (r"\bepochs=\d+", "epochs=1"),
    (r"cluster start( --kernel)?(?= *(#|$))", r"cluster start --workers 2\1"),
    (r"range\(6_000\)", "range(1_000)"),
    (r"--trials 50\b", "--trials 3"),
    (r"--trials 80\b", "--trials 4"),
    (r"\[30000\]", "[300]"),
    (r"--replicas 4", "--replicas 2"),
    (r"(model deploy \S+)", r"\1 --runtime savedmodel"),
    (r"data dedup", "data dedup -f"),  # tests may be root
    (r"%lepton data clean", "%lepton data clean --checks duplicate,broken"),
    (r"--checks label,duplicate", "--checks duplicate"),
    (r"clean\(ds\)", "clean(ds, checks=['duplicate', 'broken'])"),
]


def prepare(folder: Path) -> None:
    """Write the files that the pages name: a few hundred samples each."""
    clothes = fashion_mnist.load("fashion-mnist", None)
    x, y = (np.asarray(clothes.parts[""][name][:3000]) for name in "xy")
    held = {f"{name}_test": clothes.parts["test"][name][:100] for name in "xy"}

    def write(name: str, **arrays: Any) -> None:
        import_dataset({"classes": np.array(CLOTHES), **arrays}, folder / name)

    write("fashion.zarr", x=x[:2000], y=y[:2000], **held)
    write("test.zarr", x=x[2000:], y=y[2000:])
    for name, start in {"a.zarr": 0, "b.zarr": 80, "c.zarr": 300, "other.zarr": 0}.items():
        write(name, x=x[start : start + 100], y=y[start : start + 100])
    (folder / "clothes").mkdir()
    for name, values in {"train-images": x[:2000, ..., 0], "train-labels": y[:2000]}.items():
        _write_idx(folder / "clothes", name, values)
        _write_idx(folder / "clothes", name.replace("train", "t10k"), values[:100])
    number = np.arange(50)
    import_dataset({"x": x[:50], "id": number}, folder / "images.zarr")
    import_dataset({"age": number + 20.0, "id": number[::-1]}, folder / "patients.zarr")
    import_dataset({"x": x[:50]}, folder / "photos.zarr")
    (folder / "old.csv").write_text("sample,label\n0,cat\n1,dog\n2,bird\n3,cat\n")
    (folder / "classes.json").write_text(json.dumps({"b.zarr": {"Sandal": "Sneaker"}}))


def _write_idx(folder: Path, name: str, values: NDArray[np.uint8]) -> None:
    head = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    with gzip.open(folder / f"{name}-idx{values.ndim}-ubyte.gz", "wb") as file:
        file.write(head + values.tobytes())


def common(files: Path) -> str:
    """Return what every page begins with; Fashion-MNIST is a small part of it here."""
    return _COMMON.replace("{files}", str(files))


def smaller(block: Block) -> str:
    """Return a block as a cell, with less to do."""
    source = block.text
    for words, fewer in SMALLER:
        source = re.sub(words, fewer, source, flags=re.MULTILINE)
    return TERMINAL + source if block.language == "bash" else source
