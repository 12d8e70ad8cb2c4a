"""Every chunk is checked; what is broken or missing is named, and repaired from a copy."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from data.storage.conftest import IMAGES, chunk_files, everything, values, write
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, ShardingCodec, ZstdCodec

from lepton_jlab.data import import_dataset
from lepton_jlab.data.storage import dedup, snapshot, verify, version_folder
from lepton_jlab.errors import DataError, NotFoundError

FLIP: Callable[[bytes], bytes] = lambda b: b[:-30] + bytes([b[-30] ^ 1]) + b[-29:]  # noqa: E731
CUT: Callable[[bytes], bytes] = lambda b: b[: len(b) // 2]  # noqa: E731


def damage(file: Path, how: Callable[[bytes], bytes]) -> None:
    """Write into a file in place, as a failing disk does, or a program run by root."""
    mode, content = file.stat().st_mode, file.read_bytes()
    file.chmod(0o644)
    with file.open("r+b") as opened:
        opened.truncate(0)
        opened.write(how(content))
    file.chmod(mode)


@pytest.fixture
def imported(tmp_path: Path) -> Path:
    """A dataset as `data import` writes it, with checksums."""
    np.savez(tmp_path / "a.npz", x=IMAGES, y=np.arange(400) % 10)
    import_dataset(tmp_path / "a.npz", tmp_path / "i.zarr", chunk=64)
    (tmp_path / "a.npz").unlink()
    return tmp_path / "i.zarr"


def test_a_sound_dataset(imported: Path) -> None:
    found = verify(imported)
    assert found.ok
    assert found.findings == []
    assert {(a.path, a.means, a.files) for a in found.arrays} == {
        ("x", "checksum", 7),
        ("y", "checksum", 1),
    }
    assert not (imported.parent / ".lepton").exists()  # looking leaves no traces


@pytest.mark.parametrize("how", [FLIP, CUT, lambda _: b""])
def test_a_broken_chunk_is_named(imported: Path, how: Callable[[bytes], bytes]) -> None:
    damage(imported / "x/c/3/0/0", how)
    found = verify(imported)
    assert not found.ok
    (finding,) = found.findings
    assert (finding.version, finding.array, finding.chunk) == (None, "x", "3/0/0")
    assert (finding.key, finding.kind) == ("x/c/3/0/0", "broken")
    assert finding.path == str(imported / "x/c/3/0/0")
    assert "Chunk" not in finding.problem


def test_several_are_all_named(imported: Path) -> None:
    damage(imported / "x/c/0/0/0", FLIP)
    damage(imported / "x/c/6/0/0", CUT)
    (imported / "y/c/0").unlink()
    found = {f.key: f.kind for f in verify(imported).findings}
    assert found == {"x/c/0/0/0": "broken", "x/c/6/0/0": "broken", "y/c/0": "missing"}


def test_a_missing_chunk_is_damage_where_all_were_written(imported: Path, tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.zarr")
    for folder in (imported, plain):
        (folder / "x/c/2/0/0").unlink()
    (finding,) = verify(imported).findings
    assert finding.kind == "missing"
    found = verify(plain)
    assert found.ok
    assert [a.absent for a in found.arrays] == [1, 0]


CODECS: dict[str, tuple[dict[str, Any], str]] = {
    "blosc": ({"compressors": [BloscCodec(cname="lz4")]}, "decoding"),
    "blosc and checksum": ({"compressors": [BloscCodec(), Crc32cCodec()]}, "checksum"),
    "zstd": ({"compressors": [ZstdCodec()]}, "decoding"),
    "zstd with checksum": ({"compressors": [ZstdCodec(checksum=True)]}, "checksum"),
    "none": ({"compressors": None}, "size"),
    "shards": ({"shards": (100, 8, 8)}, "decoding"),
    "checked shards": (
        {"shards": (100, 8, 8), "compressors": [ZstdCodec(), Crc32cCodec()]},
        "checksum",
    ),
    "outer compression": (
        {
            "compressors": [ZstdCodec(checksum=True)],
            "serializer": ShardingCodec(chunk_shape=(10, 8, 8), codecs=[BytesCodec()]),
        },
        "checksum",
    ),
    "in pieces": ({"chunks": (20, 4, 8)}, "decoding"),
    "flat names": (
        {"chunk_key_encoding": {"name": "v2", "separator": "."}},
        "decoding",
    ),
}


@pytest.mark.parametrize("name", CODECS)
def test_each_way_of_storing(tmp_path: Path, name: str) -> None:
    options, means = CODECS[name]
    group = zarr.create_group(str(tmp_path / "a.zarr"))
    array: Any = group.create_array(
        "x", shape=IMAGES.shape, dtype="u1", **{"chunks": (20, 8, 8), **options}
    )
    array[:] = IMAGES
    found = verify(tmp_path / "a.zarr")
    assert found.ok
    assert found.arrays[0].means == means
    files = sorted(chunk_files(tmp_path / "a.zarr"))
    assert found.arrays[0].files == len(files)
    damage(tmp_path / "a.zarr" / files[1], CUT)
    (finding,) = verify(tmp_path / "a.zarr").findings
    assert finding.key == files[1]


def test_a_chunk_inside_a_shard_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "a.zarr", shards=(100, 8, 8), compressors=[Crc32cCodec()])
    content = (folder / "x/c/1/0/0").read_bytes()
    at = content.index(IMAGES[145:150].tobytes())
    damage(folder / "x/c/1/0/0", lambda b: b[:at] + b"\xff\x00" + b[at + 2 :])
    (finding,) = verify(folder).findings
    assert (finding.key, finding.chunk) == ("x/c/1/0/0", "7/0/0")


def test_datasets_inside_and_single_values(tmp_path: Path) -> None:
    group = zarr.create_group(str(tmp_path / "a.zarr"))
    group.create_array("scale", shape=(), dtype="f4")[()] = 2
    group.create_array("none", shape=(0, 4), dtype="f4")
    group.create_group("test").create_array("x", shape=(9,), dtype="i4", chunks=(4,))[:] = 1
    found = verify(tmp_path / "a.zarr")
    assert {a.path: a.files for a in found.arrays} == {"scale": 1, "none": 0, "test/x": 3}
    damage(tmp_path / "a.zarr/test/x/c/2", CUT)
    damage(tmp_path / "a.zarr/scale/c", CUT)
    assert {f.array for f in verify(tmp_path / "a.zarr").findings} == {"test/x", "scale"}
    (finding,) = verify(tmp_path / "a.zarr" / "test").findings
    assert finding.key == "x/c/2"


def test_strings(tmp_path: Path) -> None:
    group = zarr.create_group(str(tmp_path / "a.zarr"))
    array: Any = group.create_array("name", shape=(30,), dtype="str", chunks=(10,))
    array[:] = np.array([f"name {i}" for i in range(30)], np.dtypes.StringDType())
    assert verify(tmp_path / "a.zarr").ok
    damage(tmp_path / "a.zarr/name/c/1", CUT)
    assert [f.chunk for f in verify(tmp_path / "a.zarr").findings] == ["1"]


def test_flipped_bits_without_a_checksum_are_noticed_where_chunks_are_shared(
    tmp_path: Path,
) -> None:
    folder = write(tmp_path / "a.zarr", compressors=None)
    damage(folder / "x/c/3/0/0", FLIP)
    assert verify(folder).ok  # which is why arrays tell by what means they were checked
    dedup(folder, force=True)
    damage(folder / "x/c/3/0/0", FLIP)
    (finding,) = verify(folder).findings
    assert (finding.kind, finding.key) == ("overwritten", "x/c/3/0/0")
    assert [a.compared for a in verify(folder).arrays] == [20, 2]


def test_versions_are_checked_by_their_record(dataset: Path) -> None:
    snapshot(dataset, "v1", private=True)
    kept = Path(version_folder(dataset, "v1"))
    damage(kept / "x/c/3/0/0", FLIP)
    damage(kept / "zarr.json", lambda b: b + b" ")
    (kept / "y/c/1").chmod(0o644)
    (kept / "y/c/1").unlink()
    found = verify(dataset)
    assert {(f.version, f.array, f.chunk, f.kind) for f in found.findings} == {
        ("v1", "x", "3/0/0", "broken"),
        ("v1", "", "zarr.json", "broken"),
        ("v1", "y", "1", "missing"),
    }
    assert found.versions == {"v1": 25}
    assert verify(dataset, repair_from=dataset).ok
    assert np.array_equal(values(kept)["x"], IMAGES)
    assert verify(dataset).findings == []


# ---- repair


def test_repair_from_a_version_touches_nothing_else(imported: Path) -> None:
    before = everything(imported)
    snapshot(imported, "v1", private=True)
    damage(imported / "x/c/3/0/0", FLIP)
    (imported / "y/c/0").unlink()
    inodes = {key: s.st_ino for key, s in chunk_files(imported).items()}
    found = verify(imported, repair_from="v1")
    assert found.ok
    assert {f.key: f.repaired for f in found.findings} == {"x/c/3/0/0": True, "y/c/0": True}
    assert "taken from v1, checked" in found.findings[0].repair
    assert everything(imported) == before
    after = {key: s.st_ino for key, s in chunk_files(imported).items()}
    assert {k for k in inodes if inodes[k] != after[k]} == {"x/c/3/0/0"}
    assert verify(imported).findings == []


def test_repair_from_another_copy_without_a_store(imported: Path, tmp_path: Path) -> None:
    shutil.copytree(imported, tmp_path / "copy.zarr")
    damage(imported / "x/c/3/0/0", CUT)
    assert verify(imported, repair_from=tmp_path / "copy.zarr").ok
    assert np.array_equal(values(imported)["x"], IMAGES)
    assert chunk_files(imported)["x/c/3/0/0"].st_nlink == 1


def test_what_comes_from_a_copy_is_checked_first(imported: Path, tmp_path: Path) -> None:
    shutil.copytree(imported, tmp_path / "copy.zarr")
    for folder in (imported, tmp_path / "copy.zarr"):
        damage(folder / "x/c/3/0/0", CUT)
        (folder / "x/c/4/0/0").unlink()
    before = everything(imported)
    found = verify(imported, repair_from=tmp_path / "copy.zarr")
    assert not found.ok
    told = {f.key: f.repair for f in found.findings}
    assert "it is broken in" in told["x/c/3/0/0"]
    assert "does not have it" in told["x/c/4/0/0"]
    assert everything(imported) == before


def test_a_copy_that_is_stored_otherwise_is_of_no_use(imported: Path, tmp_path: Path) -> None:
    import_dataset(imported, tmp_path / "gzip.zarr", codec="gzip", chunk=64)
    damage(imported / "x/c/3/0/0", CUT)
    (finding,) = verify(imported, repair_from=tmp_path / "gzip.zarr").findings
    assert (finding.repaired, "stored in another way" in finding.repair) == (False, True)


def test_a_file_shared_by_all_is_repaired_everywhere(imported: Path, tmp_path: Path) -> None:
    shutil.copytree(imported, tmp_path / "elsewhere" / "copy.zarr")
    snapshot(imported, "v1", private=False)
    snapshot(imported, "v2", private=False)
    damage(imported / "x/c/3/0/0", FLIP)
    found = verify(imported)
    assert {f.version for f in found.findings} == {None, "v1", "v2"}
    assert all(len(f.shared_with) == 2 for f in found.findings)
    assert not verify(imported, repair_from="v1").ok  # it is the same file
    found = verify(imported, repair_from=tmp_path / "elsewhere" / "copy.zarr")
    assert found.ok
    assert all("exactly as it was" in f.repair for f in found.findings)
    assert verify(imported).findings == []
    assert len({s.st_ino for s in (chunk_files(imported)["x/c/3/0/0"],)}) == 1
    assert chunk_files(imported)["x/c/3/0/0"].st_nlink == 4  # shared again, by the store too


def test_what_cannot_be_repaired_from(imported: Path) -> None:
    damage(imported / "x/c/3/0/0", FLIP)
    with pytest.raises(NotFoundError):
        verify(imported, repair_from="v9")


def test_a_zip_file_is_checked_and_not_repaired(imported: Path, tmp_path: Path) -> None:
    name = shutil.make_archive(str(tmp_path / "i.zarr"), "zip", imported)
    assert verify(name).ok
    damage(imported / "x/c/3/0/0", FLIP)
    (imported / "y/c/0").unlink()
    name = shutil.make_archive(str(tmp_path / "j.zarr"), "zip", imported)
    assert {f.kind for f in verify(name).findings} == {"broken", "missing"}
    with pytest.raises(DataError, match="Only a dataset in a folder"):
        verify(name, repair_from=imported)


def test_over_http(imported: Path) -> None:
    pytest.importorskip("obstore")
    handler = functools.partial(Quiet, directory=str(imported.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/i.zarr"
        assert verify(address).ok
        damage(imported / "x/c/3/0/0", FLIP)
        (imported / "y/c/0").unlink()
        found = {f.key: (f.kind, f.path) for f in verify(address).findings}
        server.shutdown()
        thread.join()
    assert {key: kind for key, (kind, _) in found.items()} == {
        "x/c/3/0/0": "broken",
        "y/c/0": "missing",
    }
    assert found["y/c/0"][1].endswith("i.zarr/y/c/0")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, and says nothing."""

    def log_message(self, *_: Any) -> None:
        pass


def test_progress_is_told(imported: Path) -> None:
    said: list[tuple[int, int]] = []
    snapshot(imported, "v1", private=False)
    verify(imported, progress=lambda done, total, _: said.append((done, total)))
    assert said[-1] == (19, 19)  # 8 chunks; 8 chunks and 3 documents of the version
