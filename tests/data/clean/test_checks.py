"""Each kind of finding, on data small enough to know all that is wrong with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

from lepton_jlab.data import open_dataset
from lepton_jlab.data.clean import KINDS, clean
from lepton_jlab.data.clean.labels import suspicions
from lepton_jlab.data.clean.twins import band_pairs, close_pairs
from lepton_jlab.errors import DataError, UsageError

UNTRAINED = tuple(kind for kind in KINDS if kind != "label")


def write(path: Path, classes: list[str] | None = None, chunk: int = 64, **arrays: np.ndarray):
    about = {"lepton": {"classes": classes}} if classes else None
    group = zarr.create_group(str(path), attributes=about)
    for name, values in arrays.items():
        kind = "str" if values.dtype.kind in "OUT" else values.dtype
        array = group.create_array(
            name,
            shape=values.shape,
            dtype=kind,
            chunks=(chunk, *(max(1, n) for n in values.shape[1:])),
        )
        array[:] = values
    return open_dataset(path)


def vectors(count: int = 400, width: int = 12) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, width)).astype("f4")


def pictures(count: int = 300) -> np.ndarray:
    """Smooth shapes on black, all different."""
    random = np.random.default_rng(0)
    down, across = np.mgrid[:28, :28]
    made = []
    for _ in range(count):
        image = np.zeros((28, 28))
        for _ in range(4):
            (a, b), s = random.uniform(8, 20, 2), random.uniform(1.5, 4)
            image += np.exp(-((down - a) ** 2 + (across - b) ** 2) / s**2)
        made.append(255 * image / image.max())
    return np.array(made).astype(np.uint8)[..., None]


def told(found, kind):
    return [(one.index, one.other) for one in found.of(kind)]


def test_nothing_is_found_in_good_data(tmp_path):
    ds = write(tmp_path / "a.zarr", x=pictures(), y=np.arange(300) % 3)
    assert list(clean(ds, UNTRAINED)) == []


def test_vectors(tmp_path):
    x = vectors()
    x[7, 3] = np.nan
    x[9] = np.inf
    x[20] = 5
    x[31] = x[30]
    x[300] = x[30]
    x[40, 2] = 99_999
    x[50] = 40 * np.sign(x[50])
    ds = write(tmp_path / "a.zarr", x=x, y=np.arange(400) % 3)
    before = {p: p.read_bytes() for p in (tmp_path / "a.zarr").rglob("*") if p.is_file()}
    found = clean(ds, UNTRAINED)
    assert told(found, "nonfinite") == [(7, None), (9, None)]
    assert found.of("nonfinite")[0].reason == "1 of 12 values of x are not finite"
    assert told(found, "constant") == [(9, None), (20, None)]
    assert told(found, "duplicate") == [(31, 30), (300, 30)]
    assert [f.index for f in found.of("schema")] == [40]
    assert "x[2] is 99999; it usually is between" in found.of("schema")[0].reason
    assert {40, 50} <= {f.index for f in found.of("outlier")} <= {20, 40, 50}
    assert before == {p: p.read_bytes() for p in before}


def test_a_column_without_values_is_one_finding_not_one_a_sample(tmp_path):
    x = vectors()
    x[:, 4] = np.nan
    x[8, 5] = np.nan
    found = clean(write(tmp_path / "a.zarr", x=x, y=np.arange(400) % 3), UNTRAINED)
    assert told(found, "nonfinite") == [(8, None)]
    assert [(f.index, f.reason) for f in found.of("schema")] == [
        (None, "x[4] is not finite in 100% of the samples")
    ]


def test_pictures_that_are_noise_cut_off_moved_or_of_another_brightness(tmp_path):
    x = pictures()
    random = np.random.default_rng(1)
    x[10] = random.integers(0, 256, x[10].shape)
    x[11, 15:] = 128
    x[12] = 77
    x[200] = np.roll(x[3], 1, axis=0)
    x[201] = np.clip(x[4] * 0.9 + random.normal(0, 4, x[4].shape), 0, 255)
    found = clean(write(tmp_path / "a.zarr", x=x), UNTRAINED)
    noise, cut = found.of("broken")
    assert (noise.index, cut.index) == (10, 11)
    assert noise.reason.startswith("noise: neighbouring pixels correlate by")
    assert cut.reason == "13 of 28 lines have the one value 128"
    assert told(found, "constant") == [(12, None)]
    assert sorted(told(found, "near-duplicate")) == [(200, 3), (201, 4)]
    assert "pictures" in found._repr_html_()


def test_copies_in_the_test_part_are_leakage(tmp_path):
    x = pictures()
    ds = write(tmp_path / "a.zarr", x=x[:200], y=np.arange(200) % 3)
    other = x[200:].copy()
    other[5], other[6] = x[50], np.roll(x[60], 1, axis=1)
    write(tmp_path / "a.zarr" / "test", x=other, y=np.arange(100) % 3)
    found = clean(open_dataset(ds.path), UNTRAINED)
    assert sorted(told(found, "leakage")) == [(50, 5), (60, 6)]
    assert {f.part for f in found.of("leakage")} == {"test"}
    assert "of test" in found.of("leakage")[0].reason
    cleaned = found.apply(tmp_path / "b.zarr")
    assert (len(cleaned), len(cleaned["test"])) == (198, 100)
    assert not clean(cleaned, ["leakage"])


def test_texts(tmp_path):
    words = np.array(["cat", "dog", "sat", "ran", "on", "under", "mat", "hat", "of", "big", "red"])
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(words, 14)) for _ in range(300)]
    texts[3], texts[4] = "", " \n"
    texts[5] = "MÃ¼ller went to the cafÃ© and read a book about nothing at all"
    texts[6] = "a text with \ufffd lost characters that cannot be brought back"
    texts[7] = texts[8].replace("the ", "THE  ", 1) + "."
    texts[100] = texts[101]
    found = clean(write(tmp_path / "a.zarr", x=np.array(texts, object)), UNTRAINED)
    reasons = {f.index: f.reason for f in found.of("broken")}
    assert sorted(reasons) == [3, 4, 5, 6]
    assert reasons[3] == "x is empty"
    assert "is 'Müller went to the café" in reasons[5]
    assert told(found, "duplicate") == [(101, 100)]
    assert told(found, "near-duplicate") == [(8, 7)]


def test_keys_that_come_twice_and_rules_that_are_declared(tmp_path):
    ds = write(
        tmp_path / "a.zarr",
        classes=["a", "b"],
        x=vectors(),
        y=np.r_[np.arange(398) % 2, 7, -1],
        id=np.r_[np.arange(399), 5],
        colour=np.array(["red", "blue"] * 199 + ["green", "red"], object),
    )
    schema = {"colour": {"values": ["red", "blue"]}, "x": {"max": 2.9}}
    found = clean(ds, ["schema"], schema=schema)
    reasons = {f.index: f.reason for f in found if f.index is not None and "x[" not in f.reason}
    assert reasons == {
        398: "y is 7; it may be between 0 and 1",
        399: "id is 5, as that of sample 5; each should be there once",
    } | {398: reasons[398]}
    assert any("colour is green" in f.reason for f in found)
    over = np.flatnonzero((ds.x[:] > np.float32(2.9)).any(1))
    assert set(over) <= set(found.indices("schema"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"checks": ["labels"]}, "no check 'labels'. Did you mean 'label'"),
        ({"schema": {"z": {}}}, "schema has an array 'z'"),
        ({"schema": {"x": {"maximum": 3}}}, "the rule 'maximum'"),
    ],
)
def test_what_cannot_be_asked_says_so(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        clean(write(tmp_path / "a.zarr", x=vectors()), **options)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((0, 3), "f4"), "no samples to clean"),
        (np.zeros((5, 0, 28, 1), "u1"), r"'x' in .* have no values: their shape is \(0, 28, 1\)"),
    ],
)
def test_datasets_without_values_say_so(tmp_path, x, message):
    with pytest.raises(DataError, match=message):
        clean(write(tmp_path / "a.zarr", x=x))


def test_a_fault_that_most_samples_have_is_no_exception(tmp_path):
    x = pictures()
    x[: 2 * len(x) // 3] = 0
    found = clean(write(tmp_path / "a.zarr", x=x), ["constant"])
    assert not found
    assert "these data are so" in found.notes[0]


def test_findings_are_a_table_a_document_and_pictures(tmp_path):
    x = pictures()
    x[9] = x[8]
    found = clean(write(tmp_path / "a.zarr", x=x, y=np.arange(300) % 3), ["duplicate", "constant"])
    assert found.to_dict() | {"notes": [], "samples": 300} == {
        "findings": [
            {
                "kind": "duplicate",
                "index": 9,
                "other": 8,
                "score": 1.0,
                "reason": "the same as sample 8",
            }
        ],
        "counts": {"duplicate": 1, "constant": 0},
        "samples": 300,
        "notes": [],
    }
    assert found.table()[["kind", "index", "other"]].values.tolist() == [["duplicate", 9, 8]]
    assert found._repr_html_().count("data:image/png") == 2
    assert "9: the same as sample 8" in repr(found)


def test_what_is_applied_is_listed_and_the_original_stays(tmp_path):
    x = vectors(40)
    x[5], x[6], x[8], x[9] = x[4], np.nan, x[7], x[7]
    ds = write(tmp_path / "a.zarr", x=x, y=np.arange(40) % 3, name=np.arange(40))
    found = clean(ds, ["duplicate", "nonfinite"])
    made = found.apply(tmp_path / "b.zarr", keep=[9], relabel={8: 2})
    assert made.arrays["name"][:].tolist() == [n for n in range(40) if n not in (5, 6)]
    assert made.y[:].tolist() == [2 if n == 8 else n % 3 for n in range(40) if n not in (5, 6)]
    entry = made.attrs["lepton"]["history"][-1]
    assert entry["removed"] == {"duplicate": [5], "nonfinite": [6]}
    assert entry["relabelled"] == {"8": 2}
    assert (entry["samples"], entry["kept"]) == (40, 38)
    assert len(open_dataset(ds.path)) == 40
    np.testing.assert_array_equal(found.apply(tmp_path / "c.zarr", drop=[]).x[:], x)
    for wrong in ({"keep": [40]}, {"relabel": {0: 3}}, {"drop": ["rare"]}):
        with pytest.raises(UsageError):
            found.apply(tmp_path / "d.zarr", **wrong)
    assert not (tmp_path / "d.zarr").exists()


def test_a_view_is_cleaned_by_its_own_numbers(tmp_path):
    x = vectors()
    x[300] = np.nan
    view = write(tmp_path / "a.zarr", x=x).select(np.arange(250, 350))
    assert told(clean(view, ["nonfinite"]), "nonfinite") == [(50, None)]


def test_errors_among_noisy_predictions_are_told_from_classes_that_look_alike():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.full(5, 0.01), 8000) * 0.995 + 0.001
    alike = random.random(8000) < 0.4  # 0 or 1, and the model cannot say which
    probabilities[alike] = 0.001
    probabilities[alike, 0] = random.uniform(0, 0.997, alike.sum())
    probabilities[alike, 1] = 0.997 - probabilities[alike, 0]
    sums = probabilities.cumsum(axis=1)
    truth = (sums < random.random((8000, 1)) * sums[:, -1:]).sum(axis=1)
    given = truth.copy()
    wrong = random.choice(8000, 400, replace=False)
    given[wrong] = (given[wrong] + random.integers(1, 5, 400)) % 5
    found = suspicions(probabilities, given)
    suspected = np.flatnonzero(found.wrong > 0.5)
    hits = np.isin(suspected, wrong).sum()
    assert hits / len(suspected) > 0.85
    assert hits / len(wrong) > 0.8
    assert abs(found.rate - 0.05) < 0.03
    sure = suspected[np.isin(suspected, wrong) & (truth[suspected] > 1)]
    assert (found.suggested[sure] == truth[sure]).mean() > 0.95


def test_all_close_pairs_but_a_few_are_found():
    random = np.random.default_rng(0)
    points = random.normal(size=(5000, 20))
    points[4000:] = points[:1000] + random.normal(0, 0.02, (1000, 20))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    pairs = {tuple(pair) for pair in close_pairs(points.astype("f2"), 0.1).tolist()}
    assert len(pairs & {(i, i + 4000) for i in range(1000)}) > 980
    assert len(pairs) < 1020


def test_texts_of_two_bands_are_candidates():
    bands = np.array([[1, 2, 5], [3, 2, 5], [0, 0, 0], [0, 0, 0], [1, 9, 6]], np.uint32)
    assert band_pairs(bands).tolist() == [[0, 1]]


def test_an_interrupted_look_stops(tmp_path):
    def interrupt(function, pieces):
        yield function(pieces[0])
        raise KeyboardInterrupt

    ds = write(tmp_path / "a.zarr", x=vectors())
    with pytest.raises(KeyboardInterrupt):
        clean(ds, ["nonfinite"], parallel=interrupt)
