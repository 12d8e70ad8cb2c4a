"""Imports: every format comes back as it was, and a failed or killed one leaves nothing."""

from __future__ import annotations

import gzip
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zarr
from PIL import Image

from lepton_jlab.data import import_dataset, open_dataset
from lepton_jlab.data.sources import fashion_mnist, sources
from lepton_jlab.errors import DataError, LeptonError, NotFoundError, UsageError

RNG = np.random.default_rng(0)


def images(count: int, *shape: int) -> np.ndarray[Any, Any]:
    return RNG.integers(0, 256, (count, *shape), dtype=np.uint8)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_idx(path: Path, values: np.ndarray[Any, Any]) -> None:
    head = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    data = head + values.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


# ---- formats


def test_npz_with_train_and_test(tmp_path: Path) -> None:
    x, y = images(300, 9, 9), RNG.integers(0, 3, 300)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x[:40], y_test=y[:40])
    ds = import_dataset(tmp_path / "a.npz", tmp_path / "a.zarr")
    assert np.array_equal(ds.x[:], x)
    assert ds.y.dtype == y.dtype
    assert np.array_equal(ds["test"].y[:], y[:40])
    assert dict(ds["test"].roles) == {"x": "x", "y": "y"}


def test_npz_by_other_names_and_with_text_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=images(4, 9, 9), kind=["dog", "cat", "dog", "eel"])
    ds = import_dataset(tmp_path / "a.npz", tmp_path / "a.zarr", label="kind")
    assert ds.y[:].tolist() == [1, 0, 1, 2]
    assert ds.classes == ["cat", "dog", "eel"]
    with pytest.raises(UsageError, match=r"no array 'kinds'. Did you mean 'kind'"):
        import_dataset(tmp_path / "a.npz", tmp_path / "b.zarr", label="kinds")


def test_npz_without_known_names_keeps_them(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", height=np.arange(5), width=np.arange(5))
    ds = import_dataset(tmp_path / "a.npz", tmp_path / "a.zarr")
    assert set(ds.arrays) == {"height", "width"}
    assert not ds.roles


def test_arrays_in_memory_by_the_names_of_an_npz(tmp_path: Path) -> None:
    x, y = np.arange(24.0).reshape(6, 4), np.array(["b", "a", "b", "a", "b", "b"])
    ds = import_dataset({"x": x, "y": y, "x_test": x[:2], "y_test": y[:2]}, tmp_path / "a.zarr")
    np.testing.assert_array_equal(ds.x[:], x)
    assert [ds.classes[i] for i in ds.y[:]] == y.tolist()
    assert len(ds["test"]) == 2
    with pytest.raises(DataError, match="differ in their number of samples"):
        import_dataset({"x": x, "y": y[:3]}, tmp_path / "b.zarr")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


def test_npy_becomes_x(tmp_path: Path) -> None:
    values = RNG.normal(size=(1000, 7))
    np.save(tmp_path / "a.npy", values)
    ds = import_dataset(tmp_path / "a.npy", tmp_path / "a.zarr")
    assert np.array_equal(ds.x[:], values)
    with pytest.raises(UsageError, match="leave out the label"):
        import_dataset(tmp_path / "a.npy", tmp_path / "b.zarr", label="y")


@pytest.mark.parametrize("end", ["", ".gz"])
def test_idx_folder_and_file(tmp_path: Path, end: str) -> None:
    x, y = images(30, 8, 9), images(30)
    (tmp_path / "idx").mkdir()
    for part, count in (("train", 30), ("t10k", 10)):
        write_idx(tmp_path / "idx" / f"{part}-images-idx3-ubyte{end}", x[:count])
        write_idx(tmp_path / "idx" / f"{part}-labels-idx1-ubyte{end}", y[:count])
    ds = import_dataset(tmp_path / "idx", tmp_path / "a.zarr")
    assert np.array_equal(ds.x[:], x[..., None])
    assert np.array_equal(ds["test"].y[:], y[:10])
    assert ds.x.dims == ("sample", "height", "width", "channel")
    single = import_dataset(tmp_path / "idx" / f"t10k-images-idx3-ubyte{end}", tmp_path / "b.zarr")
    assert np.array_equal(single.y[:], y[:10])


def test_damaged_idx_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a-images-idx3-ubyte"
    write_idx(path, images(3, 4, 4))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="is damaged"):
        import_dataset(path, tmp_path / "a.zarr")
    path.write_bytes(b"something else")
    with pytest.raises(DataError, match="not an IDX file"):
        import_dataset(path, tmp_path / "a.zarr")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tables(tmp_path: Path, kind: str) -> None:
    table = pd.DataFrame(
        {
            "width": [1, 2, 3],
            "open": [True, False, True],
            "weight": [0.5, None, 2.5],
            "name": ["p", "q", "r"],
            "kind": ["dog", "cat", "dog"],
        }
    )
    path = tmp_path / f"t.{kind}"
    if kind == "csv":
        table.to_csv(path, index=False)
    else:
        pytest.importorskip("pyarrow")
        table.to_parquet(path)
    ds = import_dataset(path, tmp_path / "t.zarr", label="kind")
    expected = [[1, 1, 0.5], [2, 0, np.nan], [3, 1, 2.5]]
    assert np.array_equal(ds.x[:], expected, equal_nan=True)
    assert ds.y[:].tolist() == [1, 0, 1]
    assert ds.classes == ["cat", "dog"]
    (imported,) = ds.attrs["lepton"]["history"]
    assert imported["columns"] == ["width", "open", "weight"]
    assert "left_out" not in imported
    assert ds.arrays["name"].dtype.kind == "T"
    with pytest.raises(UsageError, match=r"no column 'kin'. Did you mean 'kind'"):
        import_dataset(path, tmp_path / "u.zarr", label="kin")


def test_a_table_without_label_has_inputs_only_and_numbers_stay(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1, 2], "b": [3, 4]}).to_csv(tmp_path / "t.csv", index=False)
    ds = import_dataset(tmp_path / "t.csv", tmp_path / "t.zarr")
    assert dict(ds.roles) == {"x": "x"}
    ds = import_dataset(tmp_path / "t.csv", tmp_path / "u.zarr", label="b")
    assert ds.y[:].tolist() == [3, 4]
    assert ds.classes is None


@pytest.mark.parametrize("part", ["", "train"])
def test_a_folder_of_images_by_class(tmp_path: Path, part: str) -> None:
    root = tmp_path / "pets"
    for top in [part] if not part else [part, "test"]:
        for number, name in enumerate(["cat", "dog"]):
            (root / top / name).mkdir(parents=True)
            for i in range(5):
                pixels = np.full((10, 12, 3), 20 * i + number, np.uint8)
                Image.fromarray(pixels).save(root / top / name / f"{i}.png")
    ds = import_dataset(root, tmp_path / "pets.zarr")
    assert ds.x.shape == (10, 10, 12, 3)
    assert ds.classes == ["cat", "dog"]
    assert np.array_equal(ds.x[:][:, 0, 0, 0] % 20, ds.y[:])
    assert sorted(ds.x[:][:, 0, 0, 0]) == sorted(20 * i + n for i in range(5) for n in (0, 1))
    assert ds.groups == (["test"] if part else [])


def test_images_of_different_sizes_are_refused_by_name(tmp_path: Path) -> None:
    for name, size in (("cat", 8), ("dog", 9)):
        (tmp_path / "pets" / name).mkdir(parents=True)
        Image.new("L", (size, 8)).save(tmp_path / "pets" / name / "1.png")
    with pytest.raises(DataError, match=r"cat/1.png is 8 by 8, .*dog/1.png is 9 by 8"):
        import_dataset(tmp_path / "pets", tmp_path / "a.zarr")


def test_an_unknown_keras_dataset_gets_a_suggestion(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    with pytest.raises(NotFoundError, match="Did you mean 'mnist'"):
        import_dataset("keras:mnst", tmp_path / "a.zarr")


def test_fashion_mnist_comes_from_the_sample_where_nothing_else_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "none")
    monkeypatch.setattr(fashion_mnist, "KERAS_ADDRESS", "http://127.0.0.1:9/refused")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    ds = import_dataset("fashion-mnist", tmp_path / "f.zarr")
    assert (len(ds), len(ds["test"])) == (12_000, 2_000)
    assert ds.x.shape[1:] == (28, 28, 1)
    assert ds.classes is not None
    assert ds.classes[9] == "Ankle boot"
    assert np.bincount(ds.y[:]).tolist() == [1200] * 10
    assert "sample" in ds.attrs["lepton"]["source"]
    assert capfd.readouterr() == ("", "")


def test_fashion_mnist_prefers_debians_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in ("train", "t10k"):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", images(20, 28, 28))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", images(20) % 10)
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path)
    ds = import_dataset("fashion-mnist", tmp_path / "f.zarr")
    assert len(ds) == 20
    assert "Debian" in ds.attrs["lepton"]["source"]


def test_every_source_says_what_it_takes() -> None:
    assert len(sources()) >= 7
    for source in sources():
        assert source.FORM
        assert not source.accepts("/no/such/thing")


# ---- what is written


def test_plain_zarr_v3_with_names_checksums_and_history(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=images(5000, 16, 16, 3), y=np.arange(5000))
    ds = import_dataset(tmp_path / "a.npz", tmp_path / "a.zarr")
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="r")
    assert group.metadata.zarr_format == 3
    x, y = group["x"], group["y"]
    assert x.metadata.dimension_names == ("sample", "height", "width", "channel")
    assert 0.5 * 2**20 < np.prod(x.chunks) <= 2**20
    assert y.chunks[0] == 5000 or y.chunks[0] % x.chunks[0] == 0
    assert [codec["name"] for codec in ds.info()["arrays"][0]["codecs"]][-2:] == ["blosc", "crc32c"]
    assert ds.attrs["lepton"]["roles"] == {"x": "x", "y": "y"}
    assert ds.attrs["lepton"]["history"][0]["action"] == "import"


def test_a_flipped_bit_is_an_error(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", images(100, 16, 16))
    ds = import_dataset(tmp_path / "a.npy", tmp_path / "a.zarr")
    chunk = next(path for path in (tmp_path / "a.zarr" / "x" / "c").rglob("*") if path.is_file())
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(data)
    with pytest.raises(DataError, match="cannot be read"):
        ds.x[:]


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", images(100, 16, 16))
    said: list[tuple[int, int, str]] = []
    import_dataset(
        tmp_path / "a.npy", tmp_path / "a.zarr", progress=lambda *words: said.append(words)
    )
    assert said[0][1] == 0
    assert said[-1] == (25_600, 25_600, "writing")


# ---- what is refused, and what is left behind


@pytest.mark.parametrize(
    ("source", "error", "says"),
    [
        ("fashion-mnst", NotFoundError, "Did you mean 'fashion-mnist'"),
        ("/no/such/file.npz", NotFoundError, "Known: .*npz"),
        ("text.xyz", DataError, "of no known format. Known: .*fashion-mnist.*parquet"),
        ("broken.npz", DataError, "cannot be read as a NumPy archive"),
        ("objects.npz", DataError, "cannot be read as a NumPy archive"),
        ("unequal.npz", DataError, "number of samples: x 3, y 4"),
        ("empty.npz", DataError, "has no samples"),
        ("nothing.csv", DataError, "has no samples"),
    ],
)
def test_bad_sources_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, error: type, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.xyz").write_text("hello")
    Path("nothing.csv").write_text("a,b\n")
    Path("broken.npz").write_bytes(b"PK not really")
    np.savez("objects.npz", x=np.array([{}, []], dtype=object))
    np.savez("unequal.npz", x=np.arange(3), y=np.arange(4))
    np.savez("empty.npz", x=np.zeros((0, 3)))
    before = names(tmp_path)
    with pytest.raises(error, match=says):
        import_dataset(source, "out.zarr")
    assert names(tmp_path) == before


def test_an_existing_destination_needs_force(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(10))
    np.save(tmp_path / "b.npy", np.arange(20))
    import_dataset(tmp_path / "a.npy", tmp_path / "a.zarr")
    with pytest.raises(DataError, match=r"exists already. Replace it with --force"):
        import_dataset(tmp_path / "b.npy", tmp_path / "a.zarr")
    assert len(open_dataset(tmp_path / "a.zarr")) == 10
    assert len(import_dataset(tmp_path / "b.npy", tmp_path / "a.zarr", force=True)) == 20
    (tmp_path / "mine").mkdir()
    with pytest.raises(DataError, match="not a Zarr dataset; --force does not replace it"):
        import_dataset(tmp_path / "b.npy", tmp_path / "mine", force=True)
    assert names(tmp_path) == ["a.npy", "a.zarr", "b.npy", "mine"]


@pytest.mark.parametrize("dest", ["s3://bucket/a.zarr", "no-folder/a.zarr", "a.zip"])
def test_destinations_that_cannot_be_written_are_refused(tmp_path: Path, dest: str) -> None:
    np.save(tmp_path / "a.npy", np.arange(10))
    with pytest.raises(DataError):
        import_dataset(tmp_path / "a.npy", dest if "//" in dest else tmp_path / dest)


def test_a_failure_while_writing_keeps_the_old_dataset_and_nothing_else(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(10))
    import_dataset(tmp_path / "a.npy", tmp_path / "a.zarr")
    (tmp_path / "pets" / "cat").mkdir(parents=True)
    for i in range(3):
        Image.new("L", (8, 8)).save(tmp_path / "pets" / "cat" / f"{i}.png")
    broken = tmp_path / "pets" / "cat" / "1.png"
    broken.write_bytes(broken.read_bytes()[:-30])
    with pytest.raises(LeptonError, match=r"1.png cannot be read"):
        import_dataset(tmp_path / "pets", tmp_path / "a.zarr", force=True)
    assert len(open_dataset(tmp_path / "a.zarr")) == 10
    assert names(tmp_path) == ["a.npy", "a.zarr", "pets"]


HELD = """
import sys, threading
from lepton_jlab.data import import_dataset
def progress(done, total, text):
    if done:
        print("writing", flush=True)
        threading.Event().wait()
import_dataset(sys.argv[1], sys.argv[2], progress=progress)
"""


@pytest.mark.fault
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_import_leaves_no_dataset(tmp_path: Path, number: signal.Signals) -> None:
    np.save(tmp_path / "a.npy", images(100, 16, 16))
    command = [sys.executable, "-c", HELD, str(tmp_path / "a.npy"), str(tmp_path / "a.zarr")]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.send_signal(number)
    process.wait(30)
    assert not (tmp_path / "a.zarr").exists()
    left = sorted(p.name for p in tmp_path.iterdir() if p.name != "a.npy")
    assert len(left) == (1 if number == signal.SIGKILL else 0)  # hidden, and cleared by the next
    import_dataset(tmp_path / "a.npy", tmp_path / "a.zarr")
    assert names(tmp_path) == ["a.npy", "a.zarr"]


FREED = """
import ctypes, pathlib, sys
import numpy as np, psutil
from lepton_jlab.data import import_dataset

values = np.random.default_rng(0).normal(size=(20_000, 24, 24)).astype("f4").round(2)
import_dataset({"x": values}, pathlib.Path(sys.argv[1]), max_error=0.005)
before = psutil.Process().memory_full_info().uss
ctypes.CDLL(None).malloc_trim(0)
print(before - psutil.Process().memory_full_info().uss)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="malloc_trim is glibc's")
def test_an_import_keeps_back_no_memory_that_it_has_freed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FREED, str(tmp_path / "a.zarr")]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    assert int(done.stdout) < 8 << 20  # 30 to 40 MiB, if nothing were given back
