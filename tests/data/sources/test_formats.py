"""Every further format comes in as it is; what cannot be read is an error that names the place."""

from __future__ import annotations

import gzip
import json
import warnings
import wave
from pathlib import Path

import numpy as np
import pytest
import zarr
from PIL import Image

from lepton_jlab.data import import_dataset, open_dataset
from lepton_jlab.data.clean import clean
from lepton_jlab.errors import DataError, UsageError

RANDOM = np.random.default_rng(0)


def lines(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows) + "\n")
    return path


def test_json_lines(tmp_path):
    rows = [{"a": i, "b": i / 2, "text": f"t{i}", "kind": "pq"[i % 2]} for i in range(20)]
    ds = import_dataset(lines(tmp_path / "a.jsonl", *rows), tmp_path / "a.zarr", label="kind")
    np.testing.assert_array_equal(ds.x[:], [[i, i / 2] for i in range(20)])
    assert ds.arrays["text"][3] == "t3"
    assert (ds.classes, ds.y[:4].tolist()) == (["p", "q"], [0, 1, 0, 1])
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes()))
    assert len(import_dataset(tmp_path / "b.jsonl.gz", tmp_path / "b.zarr")) == 20


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (({"a": 1}, '{"a": 2'), "line 2 cannot be read"),
        (({"a": 1}, "[1]"), "line 2: .* is no object"),
        (("",), "has no lines"),
    ],
)
def test_broken_lines_are_named(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        import_dataset(lines(tmp_path / "a.jsonl", *rows), tmp_path / "a.zarr")
    assert not (tmp_path / "a.zarr").exists()


def test_a_csv_with_a_broken_line_or_another_encoding_says_where(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n3,4,5\n6,7\n")
    with pytest.raises(DataError, match=r"line 3"):
        import_dataset(path, tmp_path / "a.zarr")
    path.write_bytes("a,b\n1,x\n2,Müller\n".encode("cp1252"))
    with pytest.raises(DataError, match=r"is not UTF-8 \(line 3\)"):
        import_dataset(path, tmp_path / "a.zarr")


def test_texts_and_duplicate_keys_of_a_table_become_findings(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("key,text,v\nk1,one word,1\nk2,,2\nk1,three words here,\n")
    ds = import_dataset(path, tmp_path / "a.zarr")
    found = clean(ds, ["broken", "schema", "nonfinite"])
    assert {(f.kind, f.index) for f in found} == {("broken", 1), ("schema", 2), ("nonfinite", 2)}


def test_texts_by_line_in_two_encodings(tmp_path):
    (tmp_path / "a.txt").write_bytes("naïve\n\n".encode() + "café\n".encode("cp1252"))
    ds = import_dataset(tmp_path / "a.txt", tmp_path / "a.zarr")
    assert ds.x[:].tolist() == ["naïve", "", "café"]
    assert ds.attrs["lepton"]["history"][-1]["not_utf8"] == 1
    assert [f.index for f in clean(ds, ["broken"])] == [1]


def test_texts_by_class(tmp_path):
    for part, count in (("train", 6), ("test", 4)):
        for i in range(count):
            folder = tmp_path / "reviews" / part / ("neg", "pos")[i % 2]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{i}.txt").write_text(f"{part} {('neg', 'pos')[i % 2]} {i}")
    ds = import_dataset(tmp_path / "reviews", tmp_path / "a.zarr")
    assert (len(ds), len(ds["test"]), ds.classes) == (6, 4, ["neg", "pos"])
    assert [text.split()[1] for text in ds.x[:]] == [ds.classes[n] for n in ds.y[:]]


def test_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    x = RANDOM.normal(size=(50, 4))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["train/images"], file["train/labels"] = x, np.arange(50) % 3
        file["test/images"], file["test/labels"] = x[:7], np.arange(7)
        file["train/names"] = [f"n{i}" for i in range(50)]
    ds = import_dataset(tmp_path / "a.h5", tmp_path / "a.zarr")
    np.testing.assert_array_equal(ds.x[:], x)
    np.testing.assert_array_equal(ds["test"].y[:], np.arange(7))
    assert ds.arrays["names"][49] == "n49"
    with pytest.raises(UsageError, match=r"no array 'train/label'\. Did you mean"):
        import_dataset(tmp_path / "a.h5", tmp_path / "b.zarr", label="train/label")
    (tmp_path / "b.h5").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be read as HDF5"):
        import_dataset(tmp_path / "b.h5", tmp_path / "b.zarr")


@pytest.mark.parametrize("reader", ["h5netcdf", "scipy"])
def test_netcdf_with_units_and_coordinates(tmp_path, reader):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip(reader)
    field = RANDOM.normal(size=(30, 4, 5)).astype("f4")
    made = xarray.Dataset(
        {
            "t": (("time", "lat", "lon"), field, {"units": "K"}),
            "rain": ("time", np.arange(30.0)),
        },
        coords={"lat": np.arange(4.0)},
        attrs={"title": "weather"},
    )
    made.to_netcdf(tmp_path / "a.nc", engine=reader)
    ds = import_dataset(tmp_path / "a.nc", tmp_path / "a.zarr", label="rain")
    np.testing.assert_array_equal(ds.x[:], field)
    np.testing.assert_array_equal(ds.y[:], np.arange(30))
    assert (ds.x.dims, ds.x.zarr.attrs["units"]) == (("time", "lat", "lon"), "K")
    assert ds.left_out == ["lat"]
    assert ds.attrs["title"] == "weather"


def sound(path: Path, frames: int, rate: int = 8000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.arange(1, frames + 1, dtype="<i2").tobytes())


def test_sounds_by_class(tmp_path):
    for i in range(6):
        sound(tmp_path / "s" / ("hi", "lo")[i % 2] / f"{i}.wav", 100 + i)
    ds = import_dataset(tmp_path / "s", tmp_path / "a.zarr")
    assert (ds.x.shape, ds.x.dtype, ds.classes) == ((6, 105, 1), np.int16, ["hi", "lo"])
    for row, frames in enumerate(ds.arrays["frames"][:]):
        np.testing.assert_array_equal(ds.x[row, :frames, 0], np.arange(1, frames + 1))
        assert not ds.x[row, frames:].any()
        assert ds.y[row] == frames % 2
    sound(tmp_path / "s" / "hi" / "other.wav", 10, rate=44100)
    with pytest.raises(DataError, match=r"Sounds differ: .* 44100 Hz"):
        import_dataset(tmp_path / "s", tmp_path / "b.zarr")


def pictures(folder: Path) -> list[np.ndarray]:
    folder.mkdir(parents=True)
    made = [RANDOM.integers(0, 256, size, np.uint8) for size in ((10, 12, 3), (8, 20, 3))]
    for i, image in enumerate(made):
        Image.fromarray(image).save(folder / f"{i}.png")
    return made


def check_boxes(ds, images) -> None:
    assert (ds.x.shape, ds.classes) == ((2, 10, 20, 3), ["cat", "dog"])
    for row, image in enumerate(images):
        height, width = ds.arrays["size"][row]
        np.testing.assert_array_equal(ds.x[row, :height, :width], image)
    np.testing.assert_array_equal(ds.y[:], [[1, 0], [-1, -1]])
    np.testing.assert_array_equal(ds.arrays["boxes"][0], [[1, 2, 3, 4], [5, 6, 1, 1]])
    assert np.isnan(ds.arrays["boxes"][1]).all()
    assert not clean(ds, ["nonfinite"])


def test_coco(tmp_path):
    images = pictures(tmp_path / "images")
    document = {
        "images": [{"id": 10 + i, "file_name": f"{i}.png"} for i in range(2)],
        "categories": [{"id": 1, "name": "cat"}, {"id": 7, "name": "dog"}],
        "annotations": [
            {"image_id": 10, "category_id": 7, "bbox": [1, 2, 3, 4]},
            {"image_id": 10, "category_id": 1, "bbox": [5, 6, 1, 1]},
        ],
    }
    (tmp_path / "a.json").write_text(json.dumps(document))
    check_boxes(import_dataset(tmp_path / "a.json", tmp_path / "a.zarr"), images)
    (tmp_path / "b.json").write_text('{"images": []}')
    with pytest.raises(DataError, match="no COCO document: KeyError 'categories'"):
        import_dataset(tmp_path / "b.json", tmp_path / "b.zarr")
    (tmp_path / "images" / "1.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"1\.png cannot be read as an image"):
        import_dataset(tmp_path / "a.json", tmp_path / "b.zarr")


def test_pascal_voc(tmp_path):
    images = pictures(tmp_path / "voc" / "JPEGImages")
    (tmp_path / "voc" / "Annotations").mkdir()
    boxes = [("dog", 1, 2, 4, 6), ("cat", 5, 6, 6, 7)]
    for i in range(2):
        objects = "".join(
            f"<object><name>{n}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax>"
            f"<ymax>{d}</ymax></bndbox></object>"
            for n, a, b, c, d in (boxes if i == 0 else [])
        )
        (tmp_path / "voc" / "Annotations" / f"{i}.xml").write_text(
            f"<annotation><filename>{i}.png</filename>{objects}</annotation>"
        )
    check_boxes(import_dataset(tmp_path / "voc", tmp_path / "a.zarr"), images)


def test_an_unknown_format_gets_the_list(tmp_path):
    (tmp_path / "a.xyz").write_text("?")
    with pytest.raises(DataError, match=r"of no known format. Known: .*JSON lines.*netCDF"):
        import_dataset(tmp_path / "a.xyz", tmp_path / "a.zarr")


def test_nan_in_batches_is_not_unnoticed(tmp_path):
    x = RANDOM.normal(size=(100, 3)).astype("f4")
    x[70] = np.nan
    group = zarr.create_group(str(tmp_path / "a.zarr"))
    group.create_array("x", data=x)
    batches = open_dataset(tmp_path / "a.zarr").batches(32)
    with pytest.warns(UserWarning, match="Batch 2 of epoch 0 has 1 samples with values that are"):
        list(batches.numpy())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(batches.numpy())  # said once
        list(open_dataset(tmp_path / "a.zarr").select(np.arange(70)).batches(32).numpy())
