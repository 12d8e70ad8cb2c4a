"""Faults planted into Fashion-MNIST are found, by `data clean` on a cluster as by the function."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import zarr

import lepton_jlab as lepton
from benchmarks.planted import Planted, plant
from lepton_jlab.cli import main
from lepton_jlab.data.clean import clean
from lepton_jlab.data.sources import fashion_mnist
from lepton_jlab.errors import LeptonError

pytestmark = pytest.mark.integration
SAMPLES = 2500


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Planted]:
    """A part of Fashion-MNIST in which no two images are the same, with faults."""
    try:
        loaded = fashion_mnist.load("fashion-mnist", None)
    except LeptonError as error:
        pytest.skip(str(error))
    x, y = (np.asarray(loaded.parts[""][name][: 2 * SAMPLES]) for name in ("x", "y"))
    _, first = np.unique(x.reshape(len(x), -1), axis=0, return_index=True)
    first = np.sort(first)[:SAMPLES]
    made = plant(x[first], y[first], seed=3)
    path = tmp_path_factory.mktemp("planted") / "fashion.zarr"
    group = zarr.create_group(str(path), attributes={"lepton": {"classes": loaded.classes}})
    for name, values in (("x", made.x), ("y", made.y)):
        array = group.create_array(
            name, shape=values.shape, dtype=values.dtype, chunks=(512, *values.shape[1:])
        )
        array[:] = values
    return path, made


def shares(found: set, true: set) -> tuple[float, float]:
    """Return precision and recall."""
    return len(found & true) / max(1, len(found)), len(found & true) / len(true)


def pairs(findings) -> set:
    return {frozenset((one["index"], one["other"])) for one in findings}


def test_copies_near_copies_and_broken_images(planted):
    path, known = planted
    found = clean(lepton.open_dataset(path), ["duplicate", "near-duplicate", "constant", "broken"])
    listed = [one.to_dict() for one in found]
    copies = pairs(one for one in listed if one["kind"] == "duplicate")
    near = pairs(one for one in listed if one["kind"] == "near-duplicate")
    assert shares(copies, set(map(frozenset, known.copies.tolist()))) == (1.0, 1.0)
    precision, recall = shares(near, set(map(frozenset, known.near.tolist())))
    assert precision >= 0.9
    assert recall >= 0.95
    broken = set(found.indices("constant", "broken").tolist())
    assert min(shares(broken, set(known.broken.tolist()))) >= 0.95


@pytest.mark.timeout(900)  # five trainings
def test_wrong_labels_by_runs_of_a_cluster(planted, cluster, capsys, tmp_path):
    path, known = planted
    out = tmp_path / "cleaned.zarr"
    words = ["data", "clean", str(path), "--checks", "label,broken,constant", "--epochs", "10"]
    assert main([*words, "--apply", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["counts"].keys() == {"label", "constant", "broken"}
    labels = [one for one in document["findings"] if one["kind"] == "label"]
    precision, recall = shares({one["index"] for one in labels}, set(known.wrong.tolist()))
    assert precision >= 0.75  # of 2,500 images; the figures of all are in docs/cleaning.md
    assert recall >= 0.5
    right = [one["suggested"] == known.truth[one["index"]] for one in labels]
    assert np.mean(right) > 0.7
    runs = [run for run in lepton.runs() if run.name == "clean"]
    assert {run.state for run in runs} == {"done"}
    assert len(runs) == 5
    cleaned = lepton.open_dataset(out)
    dropped = {one["index"] for one in document["findings"]}
    assert len(cleaned) == document["applied"]["samples"] == len(known.x) - len(dropped)
    np.testing.assert_array_equal(cleaned.x[:], np.delete(known.x, sorted(dropped), axis=0))
