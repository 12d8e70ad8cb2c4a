"""Imports that are killed go on where they stopped; those that run at once do not meet."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_jlab.data import import_dataset, importing, open_dataset, unfinished, writing
from lepton_jlab.data.sources import Loaded
from lepton_jlab.errors import DataError

VALUES = np.random.default_rng(0).integers(0, 256, (4000, 16), dtype=np.uint8)
OPTIONS: dict[str, Any] = {"chunk": 100, "shard": "none"}
BLOCK = 100 * 16  # one chunk

HELD = """
import sys, threading
from lepton_jlab.data import import_dataset, writing
writing.BLOCK_BYTES = 1600
def progress(done, total, text):
    if done >= 10 * 1600:
        print("writing", flush=True)
        threading.Event().wait()
import_dataset(sys.argv[1], sys.argv[2], chunk=100, shard="none", progress=progress)
"""


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "BLOCK_BYTES", BLOCK)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file of 40 chunks."""
    np.save(tmp_path / "a.npy", VALUES)
    return tmp_path / "a.npy"


@pytest.fixture
def held(source: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """An import in another process that has written 10 chunks, and waits."""
    command = [sys.executable, "-c", HELD, str(source), str(tmp_path / "a.zarr")]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    yield process
    process.kill()
    process.wait(30)


@pytest.fixture
def killed(source: Path, tmp_path: Path) -> Path:
    """The folder of an import that was killed after 10 chunks: in this process, so at once."""

    class KilledError(BaseException):
        pass

    def progress(done: int, total: int, text: str) -> None:
        if done >= 10 * BLOCK:
            raise KilledError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda *_args, **_more: None)  # the dead remove nothing
        with pytest.raises(KilledError):
            import_dataset(source, tmp_path / "a.zarr", progress=progress, **OPTIONS)
    return tmp_path / ".a.zarr.partial"


def chunks(folder: Path) -> dict[str, int]:
    """Return the files of chunks and which inodes they are; a file written anew is another."""
    return {str(p.relative_to(folder)): p.stat().st_ino for p in (folder / "x" / "c").glob("*/0")}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def finished(folder: Path) -> set[str]:
    """Return the chunks that the journal of a killed import says are written."""
    lines = (folder / unfinished.JOURNAL).read_text().splitlines()[1:]
    return {f"x/c/{json.loads(line)['start'] // 100}/0" for line in lines}


@pytest.mark.fault
def test_a_killed_import_goes_on(held: subprocess.Popen[str], source: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Another import is writing a.zarr now"):
        import_dataset(source, tmp_path / "a.zarr", force=True)
    held.send_signal(signal.SIGKILL)
    held.wait(30)
    partial = tmp_path / ".a.zarr.partial"
    assert names(tmp_path) == [".a.zarr.partial", "a.npy"]
    done, before = finished(partial), chunks(partial)
    assert len(done) >= 9
    said: list[tuple[int, int, str]] = []
    ds = import_dataset(
        source, tmp_path / "a.zarr", progress=lambda *words: said.append(words), **OPTIONS
    )
    assert (0, 0, "going on where an import was killed") in said
    assert next(words for words in said if words[1])[0] == len(done) * BLOCK
    assert np.array_equal(ds.x[:], VALUES)
    after = chunks(tmp_path / "a.zarr")
    assert {name: after[name] for name in done} == {name: before[name] for name in done}
    assert names(tmp_path) == ["a.npy", "a.zarr"]
    assert names(tmp_path / "a.zarr") == ["x", "zarr.json"]
    assert len(ds.attrs["lepton"]["history"]) == 1


@pytest.mark.fault
def test_an_interrupt_removes_what_was_written(held: subprocess.Popen[str], tmp_path: Path) -> None:
    held.send_signal(signal.SIGINT)
    held.wait(30)
    assert names(tmp_path) == ["a.npy"]


def test_what_was_cut_off_is_cleared(killed: Path, source: Path, tmp_path: Path) -> None:
    (killed / "x" / "c" / "39").mkdir(parents=True)
    (killed / "x" / "c" / "39" / "0.1234.partial").write_bytes(b"half a chunk")
    with (killed / unfinished.JOURNAL).open("a") as journal:
        journal.write('{"array": "x", "sta')
    before, done = chunks(killed), finished_lines(killed)
    ds = import_dataset(source, tmp_path / "a.zarr", **OPTIONS)
    assert np.array_equal(ds.x[:], VALUES)
    after = chunks(tmp_path / "a.zarr")
    assert sum(after[name] == inode for name, inode in before.items()) >= done
    assert not list((tmp_path / "a.zarr").rglob("*.partial"))


def finished_lines(folder: Path) -> int:
    lines = (folder / unfinished.JOURNAL).read_text().splitlines()
    return sum(line.endswith("}") for line in lines[1:])


def other_source(source: Path, _patch: pytest.MonkeyPatch) -> dict[str, Any]:
    values = VALUES.copy()
    values[1234] = 0  # same shape and size: the time of change tells
    np.save(source, values)
    return OPTIONS


def other_options(_source: Path, _patch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {**OPTIONS, "codec": "zstd"}


def another_boot(source: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    source.with_name("boot").write_text("another")
    patch.setattr(unfinished, "BOOT", source.with_name("boot"))
    return OPTIONS


@pytest.mark.parametrize("change", [other_source, other_options, another_boot])
def test_another_import_begins_anew(
    killed: Path,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path, pytest.MonkeyPatch], dict[str, Any]],
) -> None:
    (killed / "left").write_text("over")
    options = change(source, monkeypatch)
    said: list[Any] = []
    ds = import_dataset(
        source, tmp_path / "a.zarr", progress=lambda *words: said.append(words), **options
    )
    assert said[1][:2] == (0, 40 * BLOCK)
    assert np.array_equal(ds.x[:], np.load(source))
    assert names(tmp_path / "a.zarr") == ["x", "zarr.json"]


def test_killed_before_all_arrays_were_made_it_begins_anew(source: Path, tmp_path: Path) -> None:
    partial = tmp_path / ".a.zarr.partial"
    (partial / "x").mkdir(parents=True)
    (partial / "zarr.json").write_text("{")
    assert np.array_equal(import_dataset(source, tmp_path / "a.zarr").x[:], VALUES)


@pytest.mark.parametrize("replaced", [True, False])
def test_killed_while_renaming_the_old_dataset_comes_back(
    source: Path, tmp_path: Path, replaced: bool
) -> None:
    import_dataset(source, tmp_path / "a.zarr")
    (tmp_path / "a.zarr").rename(tmp_path / ".a.zarr.replaced")
    if replaced:
        import_dataset(source, tmp_path / "b.zarr")
        (tmp_path / "b.zarr").rename(tmp_path / "a.zarr")
        import_dataset(source, tmp_path / "a.zarr", force=True)
    else:
        with pytest.raises(DataError, match="exists already"):
            import_dataset(source, tmp_path / "a.zarr")
    assert names(tmp_path) == ["a.npy", "a.zarr"]
    assert len(open_dataset(tmp_path / "a.zarr")) == 4000


class Samples:
    """Samples that fail once in the middle, and count how far reading is ahead of writing."""

    shape, dtype = VALUES.shape, VALUES.dtype

    def __init__(self) -> None:
        self.fails_at = -1
        self.read = 0

    def __getitem__(self, rows: slice) -> np.ndarray[Any, Any]:
        if rows.start == self.fails_at:
            self.fails_at = -1
            raise DataError("The server went away.")
        self.read += rows.stop - rows.start == 100
        return VALUES[rows]


@pytest.fixture
def samples(monkeypatch: pytest.MonkeyPatch) -> Samples:
    found = Samples()

    class Source:
        @staticmethod
        def load(_source: str, _label: str | None) -> Loaded:
            return Loaded({"": {"x": found}}, "somewhere")

    monkeypatch.setattr(importing, "find_source", lambda _name: Source)
    return found


def test_a_failing_url_keeps_what_was_read(samples: Samples, tmp_path: Path) -> None:
    samples.fails_at = 2000
    address, out = "http://127.0.0.1:9/a.zarr", tmp_path / "a.zarr"
    with pytest.raises(DataError, match=r"went away. What was read is kept: import again"):
        import_dataset(address, out, **OPTIONS)
    assert names(tmp_path) == [".a.zarr.partial"]
    samples.read = 0
    assert np.array_equal(import_dataset(address, out, **OPTIONS).x[:], VALUES)
    assert samples.read <= 22
    samples.fails_at = 2000
    with pytest.raises(DataError, match=r"went away.$"):
        import_dataset("a-file", tmp_path / "b.zarr", **OPTIONS)
    assert names(tmp_path) == ["a.zarr"]


def test_a_place_that_cannot_be_written_is_named(
    samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def progress(done: int, total: int, text: str) -> None:
        if done == 10 * BLOCK:  # chunks cannot be made below a file
            chunks_folder = tmp_path / ".a.zarr.partial" / "x" / "c"
            chunks_folder.rename(tmp_path / "elsewhere")
            chunks_folder.touch()

    monkeypatch.setattr(writing, "WRITERS", 1)  # nothing is on its way meanwhile
    with pytest.raises(DataError, match=r"x cannot be written: "):
        import_dataset("a-file", tmp_path / "a.zarr", progress=progress, **OPTIONS)
    assert names(tmp_path) == ["elsewhere"]


def test_reading_is_only_a_few_blocks_ahead(samples: Samples, tmp_path: Path) -> None:
    ahead = []

    def progress(done: int, total: int, text: str) -> None:
        if done:
            ahead.append(samples.read - done // BLOCK)

    import_dataset("a-file", tmp_path / "a.zarr", progress=progress, **OPTIONS)
    assert len(ahead) == 40
    assert max(ahead) < writing.WRITERS
