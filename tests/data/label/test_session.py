"""What a labelling page is given, and the order in which samples come."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

from lepton_jlab.data.label import Labels, open_labels
from lepton_jlab.data.label.queue import Queue, doubt
from lepton_jlab.data.label.session import AHEAD, Session
from lepton_jlab.errors import UsageError


def session(labels: Labels, queue: Queue | None = None) -> Session:
    return Session(labels, "ann", queue or Queue(len(labels.dataset)), "in sequence")


def test_a_page_is_given_samples_ahead_and_each_once(labels: Labels) -> None:
    work = session(labels)
    first = work.answer({"do": "open", "have": []})
    numbers = [sample["sample"] for sample in first["samples"]]
    assert numbers == list(range(AHEAD))
    assert first["state"]["done"] == 0
    assert first["samples"][0]["image"].startswith("data:image/png;base64,")
    after = work.answer({"do": "give", "sample": 0, "label": 1, "have": numbers[1:]})
    assert [sample["sample"] for sample in after["samples"]] == [AHEAD]
    assert after["state"]["done"] == 1
    assert after["state"]["counts"] == {"cat": 0, "dog": 1, "bird": 0}


def test_a_page_that_is_opened_again_goes_on(labels: Labels) -> None:
    work = session(labels)
    work.answer({"do": "give", "sample": 0, "label": 1})
    work.answer({"do": "skip", "sample": 1})
    again = session(open_labels(labels.dataset.path)).answer({"do": "open"})
    assert [sample["sample"] for sample in again["samples"]][:2] == [2, 3]
    undone = work.answer({"do": "undo"})["undone"]
    assert (undone["sample"], undone["skipped"], undone["given"]) == (1, False, [])


def test_scores_bring_samples_forward(labels: Labels) -> None:
    work = session(labels)
    scores = np.zeros(50)
    scores[[41, 7]] = 2, 1
    scores[0] = np.nan
    work.reorder(scores, "by doubt")
    answer = work.answer({"do": "reorder"})
    assert [sample["sample"] for sample in answer["samples"]][:3] == [41, 7, 1]
    assert answer["reordered"]
    assert answer["state"]["order"] == "by doubt"


def test_agreement_with_others_is_told(labels: Labels) -> None:
    for sample, label in enumerate(["cat", "dog", "dog"]):
        labels.give(sample, label, "ann")
        labels.give(sample, label, "bob")
    assert session(labels).answer({"do": "open"})["state"]["agreement"] == "bob: κ 1.00 on 3"


def test_a_random_order_is_of_its_seed() -> None:
    assert Queue(50, "random", 3).first(50) == Queue(50, "random", 3).first(50)
    assert Queue(50, "random", 3).first(50) != Queue(50, "random", 4).first(50)
    assert Queue(50).first(3, without={0, 2}) == [1, 3, 4]


def test_doubt_by_each_measure() -> None:
    sure, torn, flat = [0.98, 0.01, 0.01], [0.49, 0.49, 0.02], [1 / 3, 1 / 3, 1 / 3]
    assert doubt([sure, torn, flat]) == pytest.approx([0.03, 1, 1])
    assert np.argsort(doubt([flat, sure, torn], "entropy")).tolist() == [1, 2, 0]
    assert doubt([sure, flat], "least-confident") == pytest.approx([0.02, 2 / 3])
    for wrong in ([0.1, 0.9], [[1.0], [1.0]]):
        with pytest.raises(UsageError, match="shape"):
            doubt(wrong)


@pytest.mark.parametrize(
    ("values", "kind", "has"),
    [
        (np.array(["good", "bad ☃"]), "text", {"text": "good"}),
        (np.zeros((2, 32), "f4"), "plot", {"length": 32}),
        (np.zeros((2, 3), "f4"), "row", {"values": [["x", "0  0  0"]]}),
        (np.zeros((2, 32, 32), "u1"), "image", {"width": 32, "height": 32}),
    ],
)
def test_samples_are_shown_as_what_they_are(
    tmp_path: Path, values: np.ndarray, kind: str, has: dict[str, object]
) -> None:
    group = zarr.create_group(str(tmp_path / "a.zarr"))
    dtype = "string" if values.dtype.kind == "U" else values.dtype
    array = group.create_array("x", shape=values.shape, dtype=dtype, chunks=values.shape)
    array[:] = values
    labels = open_labels(tmp_path / "a.zarr", ["yes", "no"])
    assert labels.kind == kind
    document = session(labels).answer({"do": "open"})["samples"][0]
    assert has.items() <= document.items()
