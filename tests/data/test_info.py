"""What `data info` and `data import` tell: numbers, a tree, a verdict, pictures and plots."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from lepton_jlab.commands import perform
from lepton_jlab.commands.result import Context, Result
from lepton_jlab.data import import_dataset, open_dataset
from lepton_jlab.data.describe import codec_words
from lepton_jlab.data.verdict import verdict
from lepton_jlab.errors import UsageError
from lepton_jlab.parsing import parse, split

RNG = np.random.default_rng(0)


def command(line: str, said: list[str] | None = None) -> Result:
    return perform(parse(split(line)), Context(progress=([] if said is None else said).append))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with small images of two classes and a test part."""
    monkeypatch.chdir(tmp_path)
    x = np.linspace(0, 255, 900 * 256).reshape(900, 16, 16, 1).astype("u1")
    y = (np.arange(900) % 3 % 2).astype("u1")
    arrays = {"x_train": x, "y_train": y, "x_test": x[:90], "y_test": y[:90]}
    np.savez(tmp_path / "pets.npz", **arrays, classes=["<cat>", "dog"])
    return tmp_path


def drawings(html: str) -> list[str]:
    """Return the SVG pictures in a page."""
    found = re.findall(r"data:image/svg\+xml;base64,([^\"]+)", html)
    return [base64.b64decode(data).decode() for data in found]


# ---- numbers


def test_info_has_chunks_checksum_and_verdict(here: Path) -> None:
    ds = import_dataset("pets.npz", "pets.zarr", chunk=100)
    info = json.loads(json.dumps(ds.info()))
    x, y = info["arrays"]
    assert (x["chunk_bytes"], x["chunk_count"]) == (100 * 256, 9)
    assert (y["chunk_bytes"], y["chunk_count"]) == (900, 1)
    assert x["checksum"]
    assert x["verdict"] is None
    assert x["ratio"] == round(x["original_bytes"] / x["stored_bytes"], 3)


def test_checksums_of_both_formats_are_known(tmp_path: Path) -> None:
    from numcodecs import CRC32, Zstd
    from zarr.codecs import Crc32cCodec

    for version, codecs in ((2, {"filters": [CRC32()], "compressors": [Zstd()]}), (3, {})):
        group = zarr.create_group(str(tmp_path / f"{version}.zarr"), zarr_format=version)
        group.create_array("plain", shape=(10,), dtype="i4", compressors=None)
        more: dict[str, Any] = codecs or {"compressors": [Crc32cCodec()], "shards": (10,)}
        group.create_array("sure", shape=(10,), dtype="i4", chunks=(5,), **more)
        arrays = open_dataset(tmp_path / f"{version}.zarr").info()["arrays"]
        assert {array["name"]: array["checksum"] for array in arrays} == {
            "plain": False,
            "sure": True,
        }


@pytest.mark.parametrize(
    ("shape", "chunks", "shards", "says"),
    [
        ((50_000, 28, 28), (1280, 28, 28), None, None),
        ((100, 3), (10, 3), None, None),  # small, but few
        ((), (), None, None),
        ((0, 5), (1, 5), None, None),
        (
            (60_000, 28, 28),
            (1, 28, 28),
            None,
            "chunks of 3.14 kB are small: 60,000 files; import again with --chunk auto",
        ),
        ((60_000, 28, 28), (1, 28, 28), (6000, 28, 28), "are small: 60,000 chunks"),
        (
            (60_000, 64, 64),
            (60_000, 64, 64),
            None,
            "chunks of 983 MB are too large to shuffle: 60,000 samples must be decoded to get one",
        ),
        (
            (1000, 64, 64),
            (100, 32, 64),
            None,
            "chunks split the sample axes: the loader must assemble 2 chunks a sample",
        ),
        ((20, 9000, 9000), (1, 1000, 1000), None, None),  # samples so large may be cut
        ((20, 9000, 9000), (1, 9000, 9000), None, None),  # and one sample is not too many
        ((2_000_000, 1000), (100, 1000), None, "20,000 files are slow to list and to copy"),
        ((2_000_000, 1000), (100, 1000), (10_000, 1000), None),
    ],
)
def test_verdicts(
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    shards: tuple[int, ...] | None,
    says: str | None,
) -> None:
    found = verdict(shape, chunks, shards, 4)
    assert (found is None) if says is None else (says in str(found))


def test_what_an_import_writes_has_no_verdict(tmp_path: Path) -> None:
    for number, shape in enumerate([(5000,), (5000, 3), (70_000, 4), (300, 200, 200)]):
        np.save(tmp_path / "a.npy", np.zeros(shape, "f4"))
        ds = import_dataset(tmp_path / "a.npy", tmp_path / f"{number}.zarr")
        assert [array["verdict"] for array in ds.info()["arrays"]] == [None]


def test_codecs_are_written_as_they_are_asked_for() -> None:
    def blosc(**how: Any) -> dict[str, Any]:
        return {"name": "blosc", "configuration": how}

    plain = {"name": "bytes", "configuration": {}}
    assert codec_words([plain]) == "none"
    assert codec_words([plain, blosc(cname="zstd", shuffle="shuffle")]) == "blosc-zstd"
    bits = [blosc(cname="lz4", shuffle=2), {"name": "crc32c", "configuration": {}}]
    assert codec_words(bits) == "blosc-lz4-bitshuffle + crc32c"


# ---- in the terminal


def test_info_is_a_tree_in_the_terminal(here: Path) -> None:
    text = command("data import pets.npz pets.zarr --chunk 1 --shard none").text
    assert text == command("data info pets.zarr").text
    lines = text.splitlines()
    assert lines[0].startswith("pets.zarr, 900 samples, 2 classes, 254.4 kB in ")
    assert lines[1].split() == [
        *("array", "shape", "type", "chunk", "codec", "chunks", "size", "stored", "ratio")
    ]
    assert [line[:8].rstrip() for line in lines[2:7]] == [
        *("├─ x", "├─ y", "└─ test", "   ├─ x", "   └─ y")
    ]
    assert re.search("900 . 16 . 16 . 1  uint8", lines[2])
    assert "blosc-zstd + crc32c" in lines[2]
    assert lines[7] == "from pets.npz"
    assert lines[8].startswith("storage: 254.4 kB, compressed ")
    assert lines[9].startswith("place: warm ")
    assert len(lines) == 10  # 900 small chunks are not many
    zarr.create_group("b.zarr").create_array("x", shape=(5000,), dtype="f4", chunks=(1,))
    text = command("data info b.zarr").text
    assert "x: chunks of 4 bytes are small: 5,000 files; import again with --chunk auto" in text


def test_import_shows_the_trial_and_its_json_has_it(here: Path) -> None:
    said: list[str] = []
    result = command("data import pets.npz pets.zarr --for size", said)
    chosen = result.document()["codec_trial"]["x"]["chosen"]
    assert result.text.startswith(f"x: {chosen}, for size, by a sample of 230.4 kB")
    assert re.search(rf"^{chosen}\*  +\d", result.text, re.MULTILINE)
    assert "delta-zstd" in result.text
    assert "zarr-python only" in result.text
    assert f"★ {chosen}" in result._repr_html_()
    assert json.loads(result.json())["samples"] == 900
    plain = command("data import pets.npz other.zarr", said)
    assert json.loads(plain.json())["codec_trial"] is None
    assert "decode" not in plain.text


def test_progress_tells_share_and_speed(here: Path) -> None:
    said: list[str] = []
    command("data import pets.npz pets.zarr --codec auto", said)
    assert said[:2] == ["reading pets.npz", "trying codecs on x"]
    assert re.fullmatch(r"writing 100%, \d+ MB/s", said[-1])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--codec zst", "Did you mean 'zstd'"),
        ("--for sped", "Did you mean 'speed'"),
        ("--max-error much", "'much'"),
        ("--chunk much", "--chunk 'much' is neither"),
        ("--max-error 0.1", "there is nothing to round here: x uint8"),
    ],
)
def test_wrong_options_name_themselves(here: Path, line: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        command(f"data import pets.npz a.zarr {line}")


# ---- in the notebook


def test_images_and_classes_are_drawn(here: Path) -> None:
    html = command("data import pets.npz pets.zarr").html
    assert html.count("data:image/png;base64,") == 10
    (bars,) = drawings(html)
    assert bars.count("<rect") == 2
    assert "&lt;cat&gt;" in bars
    assert ">600</text>" in bars
    assert ">test/x<" in html
    assert "<cat>" not in html + bars


@pytest.mark.parametrize("curves", [(), (3,)])
def test_series_are_drawn_as_lines(tmp_path: Path, curves: tuple[int, ...]) -> None:
    x = np.cumsum(RNG.normal(size=(50, 400, *curves)), axis=1)
    x[0, :300] = np.nan
    x[1] = np.inf
    np.savez(tmp_path / "a.npz", x=x, y=RNG.normal(size=50))
    html = import_dataset(tmp_path / "a.npz", tmp_path / "a.zarr")._repr_html_()
    *lines, histogram = drawings(html)
    assert len(lines) == 5
    assert lines[2].count('fill="none"') == (curves[0] if curves else 1)
    assert lines[1].count('fill="none"') == 0
    assert histogram.count("<rect") == 30
    assert "nan" not in html + "".join(lines)


def test_a_spike_is_not_thinned_away(tmp_path: Path) -> None:
    x = np.zeros((1, 100_000))
    x[0, 54_321] = 1
    np.save(tmp_path / "a.npy", x)
    (line,) = drawings(import_dataset(tmp_path / "a.npy", tmp_path / "a.zarr")._repr_html_())
    assert len(line) < 4000
    curve = line.rpartition("<path")[2]
    heights = {float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", curve)}
    assert heights == {4.0, 60.0}


@pytest.mark.parametrize(
    ("labels", "drawn"),
    [
        (np.arange(300), 0),  # numbers of samples are no classes
        (np.zeros(300, "i8"), 0),
        (np.arange(300) % 40, 1),
        (np.arange(300) % 2 > 0, 1),
        (np.full(300, np.nan), 0),
        (np.full((300, 1), 2.5) + np.arange(300)[:, None], 1),
        (np.eye(3)[np.arange(300) % 3], 0),
    ],
)
def test_labels_are_counted_where_that_says_something(
    tmp_path: Path, labels: np.ndarray[Any, Any], drawn: int
) -> None:
    np.savez(tmp_path / "a.npz", x=RNG.normal(size=(300, 4)), y=labels)
    html = import_dataset(tmp_path / "a.npz", tmp_path / "a.zarr")._repr_html_()
    assert len(drawings(html)) == drawn


def test_a_verdict_is_shown_in_the_notebook(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((1100, 4), "f4"))
    ds = import_dataset(tmp_path / "a.npy", tmp_path / "a.zarr", chunk=1)
    assert "<b>x</b>: chunks of 16 bytes are small: 1,100 files" in ds._repr_html_()


def test_texts_have_no_ratio_of_their_own(tmp_path: Path) -> None:
    texts = np.array(["word " * i for i in range(300)], np.dtypes.StringDType())
    ds = import_dataset({"x": texts, "y": np.zeros(300, "f4")}, tmp_path / "a.zarr")
    info = ds.info()
    x, y = info["arrays"]
    assert x["ratio"] is None
    assert info["original_bytes"] == x["stored_bytes"] + 1200 == info["storage"]["original_bytes"]
    assert y["ratio"] > 1
