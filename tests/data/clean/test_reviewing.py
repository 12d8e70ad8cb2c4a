"""Findings are decided one by one, or all of a kind, and applied as decided."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

from lepton_jlab.data import open_dataset
from lepton_jlab.data.clean.findings import Finding, Findings
from lepton_jlab.data.clean.reviewing import Review
from lepton_jlab.errors import UsageError


@pytest.fixture
def review(tmp_path: Path) -> Review:
    attributes = {"lepton": {"classes": ["cat", "dog"]}}
    group = zarr.create_group(str(tmp_path / "a.zarr"), attributes=attributes)
    pixels = np.arange(20 * 64, dtype="u1").reshape(20, 8, 8)
    group.create_array("x", data=pixels, chunks=(5, 8, 8))
    group.create_array("y", data=np.arange(20, dtype="i4") % 2, chunks=(5,))
    found = [
        Finding("label", 1, 0.9, "looks like a cat", suggested=0),
        Finding("label", 2, 0.8, "looks like a dog", suggested=1),
        Finding("duplicate", 5, 1.0, "the same as 3", other=3),
        Finding("outlier", 7, 0.7, "far from all others"),
        Finding("schema", None, 1.0, "about the whole"),
    ]
    checks = ("label", "duplicate", "outlier", "schema")
    return Review(Findings(open_dataset(tmp_path / "a.zarr"), found, checks))


def test_what_nobody_decides_is_as_apply_has_it(review: Review, tmp_path: Path) -> None:
    assert review.counts() == {"dropped": 3, "relabelled": 0, "left": 17}
    made = review.apply(str(tmp_path / "b.zarr"))
    by_itself = review.findings.apply(tmp_path / "c.zarr")
    assert np.array_equal(made.x[:], by_itself.x[:])
    assert len(made) == 17


def test_decisions_are_applied(review: Review, tmp_path: Path) -> None:
    review.decide(1, 0)
    review.decide(2, "keep")
    review.decide(7, "drop")
    assert review.counts() == {"dropped": 2, "relabelled": 1, "left": 18}
    made = review.apply(str(tmp_path / "b.zarr"))
    kept = np.setdiff1d(np.arange(20), [5, 7])
    assert np.array_equal(made.x[:], review.findings.dataset.x[kept])
    wanted = kept % 2
    wanted[1] = 0
    assert made.y[:].tolist() == wanted.tolist()
    assert made.info()["history"][-1]["removed"] == {"duplicate": [5], "outlier": [7]}


def test_all_of_a_kind_at_once(review: Review) -> None:
    review.decide_all("label", "suggested")
    assert [review.decision(sample) for sample in (1, 2, 5)] == [0, 1, "drop"]
    review.decide_all("duplicate", "keep")
    assert review.counts() == {"dropped": 0, "relabelled": 2, "left": 20}


def test_a_page_is_given_findings_and_pictures(review: Review) -> None:
    opened = review.answer({"do": "open"})
    assert opened["kinds"] == {"label": 2, "duplicate": 1, "outlier": 1, "schema": 1}
    assert opened["decisions"] == {1: "drop", 2: "drop", 5: "drop", 7: "keep"}
    (shown,) = review.answer({"do": "show", "samples": [5]})["shown"]
    assert (shown["label"], shown["twin"]["sample"]) == ("dog", 3)
    assert shown["image"].startswith("data:image/png")
    answer = review.answer({"do": "decide", "sample": 5, "decision": "keep"})
    assert answer["counts"]["dropped"] == 2


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"do": "decide", "sample": 4, "decision": "drop"}, "Nothing was found about sample 4"),
        ({"do": "decide", "sample": 1, "decision": 2}, "2 is neither drop, keep"),
        ({"do": "decide", "sample": 1, "decision": "burn"}, "'burn' is neither"),
        ({"do": "all", "kind": "lable", "decision": "drop"}, "no check 'lable'"),
        ({"do": "dance"}, "asked for 'dance'"),
    ],
)
def test_what_cannot_be_is_refused(review: Review, request_: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        review.answer(request_)
    assert review.decided == {}
