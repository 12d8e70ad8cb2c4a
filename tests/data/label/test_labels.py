"""Labels are kept at once, by whom and when; undone, agreed upon, and never lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from lepton_jlab.data.label import Labels, find_labels, open_labels
from lepton_jlab.data.label.agreement import cohen_kappa
from lepton_jlab.errors import DataError, NotFoundError, UsageError


def test_what_is_given_is_there_for_whoever_opens_it_next(photos: Path, labels: Labels) -> None:
    labels.give(3, "dog", "ann")
    labels.give(3, 0, "bob")
    labels.skip(4, "ann")
    again = open_labels(photos)
    assert again.by("ann") == {3: 1}
    assert again.by("bob") == {3: 0}
    assert again.done() == {3, 4}
    assert again.classes == ["cat", "dog", "bird"]
    assert labels.path.name == "photos.labels.zarr"


def test_it_is_plain_zarr(labels: Labels) -> None:
    labels.give(3, "dog", "ann")
    labels.give(7, "cat", "bob")
    group = zarr.open_group(str(labels.path), mode="r")
    assert group["sample"][:].tolist() == [3, 7]
    assert group["label"][:].tolist() == [1, 0]
    assert group["time"].metadata.dimension_names == ("event",)
    assert np.all(np.diff(group["time"][:]) > 0)


def test_undo_brings_back_what_was_said_before(labels: Labels) -> None:
    labels.give(1, "cat", "ann")
    labels.give(1, "dog", "bob")
    labels.give(1, "bird", "ann")
    labels.give(2, "cat", "ann")
    assert labels.undo("ann") == 2
    assert labels.done("ann") == {1}
    assert labels.undo("ann") == 1
    assert labels.by("ann") == {1: 0}
    labels.give(5, "dog", "ann")
    assert [labels.undo("ann") for _ in range(3)] == [5, 1, None]
    assert labels.by("ann") == {}
    assert labels.by("bob") == {1: 1}


def test_boxes_are_given_undone_and_said_to_be_none(boxes: Labels) -> None:
    boxes.give_boxes(0, [("cat", (1, 2, 3, 4)), ("dog", (5, 6, 7, 8.5))], "ann")
    boxes.give_boxes(1, [], "ann")
    found = boxes.of(0, "ann")
    assert [(event.label, event.box) for event in found] == [(0, (1, 2, 3, 4)), (1, (5, 6, 7, 8.5))]
    boxes.give_boxes(0, [("bird", (0, 0, 2, 2))], "ann")
    boxes.undo("ann")
    assert [event.box for event in boxes.of(0)] == [(1, 2, 3, 4), (5, 6, 7, 8.5)]
    assert boxes.done() == {0, 1}
    with pytest.raises(UsageError, match="is no box"):
        boxes.give_boxes(0, [("cat", (1, 1, 0, 4))], "ann")


def test_annotators_agree_or_not(labels: Labels) -> None:
    for sample, (ann, bob, cy) in enumerate(["ccc", "ccd", "ddd", "dcd", "cdb"]):
        for name, label in (("ann", ann), ("bob", bob), ("cy", cy)):
            labels.give(sample, {"c": "cat", "d": "dog", "b": "bird"}[label], name)
    assert labels.consensus() == {0: 0, 1: 0, 2: 1, 3: 1}
    assert labels.consensus("unanimous") == {0: 0, 2: 1}
    assert labels.consensus("latest") == {0: 0, 1: 1, 2: 1, 3: 1, 4: 2}
    assert labels.disagreements() == [1, 3, 4]
    (first, *_) = labels.agreement()
    assert (first["annotators"], first["shared"], first["same"]) == (["ann", "bob"], 5, 3)
    assert first["kappa"] == pytest.approx(1 / 6)  # 3/5 seen, 13/25 by chance
    with pytest.raises(UsageError, match=r"no policy 'majorty'. Did you mean 'majority'"):
        labels.consensus("majorty")  # type: ignore[arg-type]


def test_kappa_of_the_textbook() -> None:
    # Two readers of 50 proposals: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no.
    said = [(1, 1)] * 20 + [(1, 0)] * 5 + [(0, 1)] * 10 + [(0, 0)] * 15
    one, other = (dict(enumerate(column)) for column in zip(*said, strict=True))
    assert cohen_kappa(one, other) == pytest.approx(0.4)
    assert cohen_kappa({1: 0}, {2: 0}) is None
    assert cohen_kappa({1: 0, 2: 0}, {1: 0, 2: 0}) == 1.0


def test_labels_as_they_were(labels: Labels) -> None:
    labels.give(1, "cat", "ann")
    then = labels.of(1)[0].time
    labels.give(1, "dog", "ann")
    assert labels.as_of(then).by("ann") == {1: 0}
    assert labels.by("ann") == {1: 1}
    with pytest.raises(UsageError, match="as they were"):
        labels.as_of(then).give(1, "cat", "ann")


def test_classes_are_added_at_the_end(photos: Path, labels: Labels) -> None:
    labels.give(0, "bird", "ann")
    assert open_labels(photos, ["fish", "cat"]).classes == ["cat", "dog", "bird", "fish"]
    labels.give(1, "dog", "ann")
    assert labels.classes[-1] == "fish"  # another process's class is heard of with its labels
    with pytest.raises(UsageError, match="is a class 'cat' already"):
        labels.add_class("cat")


@pytest.mark.parametrize(
    ("do", "told"),
    [
        (lambda all_: all_.give(0, "cta", "ann"), "no class 'cta'. Did you mean 'cat'"),
        (lambda all_: all_.give(50, "cat", "ann"), "no sample 50; it has 0 to 49"),
        (lambda all_: all_.give(0, 3, "ann"), "no class 3"),
        (lambda all_: all_.give(0, "cat", " "), "name of who gives it"),
    ],
)
def test_what_cannot_be_is_named_and_not_kept(labels: Labels, do, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        do(labels)
    assert labels.done() == set()


def test_labels_are_not_begun_without_need(photos: Path) -> None:
    with pytest.raises(NotFoundError, match="has no labels yet"):
        find_labels(photos)
    with pytest.raises(UsageError, match="does not say what classes"):
        open_labels(photos)
    with pytest.raises(UsageError, match="'cat' is there twice"):
        open_labels(photos, ["cat", "cat"])
    with pytest.raises(
        UsageError, match=r"cannot be labelled as 'text'. They can as: image, boxes"
    ):
        open_labels(photos, ["cat"], kind="text")
    assert [path.name for path in photos.parent.iterdir()] == ["photos.zarr"]


def test_labels_of_another_number_of_samples_are_refused(photos: Path, labels: Labels) -> None:
    labels.give(0, "cat", "ann")
    zarr.open_group(str(photos))["x"].resize((40, 16, 24, 3))
    with pytest.raises(DataError, match=r"has labels of 50 samples, and photos.zarr has 40 now"):
        open_labels(photos)


_ANNOTATE = """
import sys
from lepton_jlab.data.label import open_labels
labels = open_labels(sys.argv[1])
for sample in range(int(sys.argv[3])):
    labels.give(sample % 50, sample % 3, sys.argv[2])
    print(sample, flush=True)
"""


def annotate(photos: Path, name: str, count: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", _ANNOTATE, str(photos), name, str(count)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


@pytest.mark.integration
def test_several_annotators_at_once_lose_nothing(photos: Path, labels: Labels) -> None:
    working = [annotate(photos, name, 25) for name in ("ann", "bob", "cy")]
    for process in working:
        assert len(process.communicate()[0].split()) == 25
    for name in ("ann", "bob", "cy"):
        assert labels.by(name) == {sample: sample % 3 for sample in range(25)}


@pytest.mark.fault
def test_what_was_kept_before_a_kill_is_there_and_labelling_goes_on(
    photos: Path, labels: Labels
) -> None:
    for round_ in range(5):
        process = annotate(photos, f"a{round_}", 10_000)
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(7 + round_)]
        process.kill()
        said += [int(line) for line in process.stdout.read().split()]
        process.wait()
        process.stdout.close()
        given = labels.by(f"a{round_}")
        assert set(given) >= {sample % 50 for sample in said}
        assert all(given[sample] == sample % 3 for sample in said if len(said) <= 50)
        labels.give(round_, "bird", "ann")
        assert labels.by("ann")[round_] == 2


def test_a_full_disk_says_that_the_label_was_not_kept(
    labels: Labels, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource
    import signal

    labels.give(0, "cat", "ann")
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))
        with pytest.raises(DataError, match="The label was not kept"):
            labels.give(1, "dog", "ann")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    labels.give(1, "bird", "ann")
    assert find_labels(labels.dataset.path).by("ann") == {0: 0, 1: 2}
