"""Every reader opens shared datasets and their versions, and gets equal bytes."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from data.storage.conftest import IMAGES, LABELS, values, write

from lepton_jlab.data import open_dataset
from lepton_jlab.data.storage import dedup, export, snapshot, version_folder
from lepton_jlab.errors import DataError, NotFoundError


def by_zarr(folder: str, name: str) -> Any:
    return zarr.open_group(folder, mode="r")[name][:]  # type: ignore[index]


def by_zarrs(folder: str, name: str) -> Any:
    pytest.importorskip("zarrs")
    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
        return by_zarr(folder, name)


def by_xarray(folder: str, name: str) -> Any:
    xarray = pytest.importorskip("xarray")
    with xarray.open_zarr(folder, consolidated=False, chunks=None) as opened:
        return opened[name].values


def by_tensorstore(folder: str, name: str) -> Any:
    tensorstore = pytest.importorskip("tensorstore")
    store = {"driver": "file", "path": f"{folder}/{name}"}
    return tensorstore.open({"driver": "zarr3", "kvstore": store}).result().read().result()


def by_fsspec(folder: str, name: str) -> Any:
    return by_zarr(f"file://{folder}", name)


def by_lepton(folder: str, name: str) -> Any:
    return open_dataset(folder).arrays[name][:]


READERS = [by_zarr, by_zarrs, by_xarray, by_tensorstore, by_fsspec, by_lepton]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, Any]]:
    """A deduplicated dataset and two of its versions, with what its images are."""
    folder = write(tmp_path_factory.mktemp("data") / "a.zarr")
    dedup(folder, force=True)
    snapshot(folder, "v1", private=False)
    fixed = IMAGES.copy()
    fixed[5] = 0
    array: Any = zarr.open_group(str(folder), mode="r+")["x"]
    array[5] = 0
    snapshot(folder, "v2", private=False)
    first, second = (version_folder(folder, name) for name in ("v1", "v2"))
    return {"now": (str(folder), fixed), "v1": (first, IMAGES), "v2": (second, fixed)}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("which", ["now", "v1", "v2"])
def test_equal_bytes(
    folders: dict[str, tuple[str, Any]], reader: Callable[..., Any], which: str
) -> None:
    folder, images = folders[which]
    assert np.asarray(reader(folder, "x")).tobytes() == images.tobytes()
    assert np.asarray(reader(folder, "y")).tobytes() == LABELS.tobytes()


# ---- exports


@pytest.fixture
def exported(folders: dict[str, tuple[str, Any]], tmp_path: Path) -> dict[str, Any]:
    return export(folders["now"][0], tmp_path / "target", ["v1", "v2"])


def test_equal_chunks_are_exported_once(
    folders: dict[str, tuple[str, Any]], exported: dict[str, Any], tmp_path: Path
) -> None:
    assert exported["new_chunks"] == exported["chunks"] == 23
    assert len(list((tmp_path / "target" / "chunks").iterdir())) == 23
    assert export(folders["now"][0], tmp_path / "target")["new_chunks"] == 0
    documents = sorted(path.name for path in (tmp_path / "target").glob("*.json"))
    assert documents == ["a.zarr.json", "a.zarr.v1.json", "a.zarr.v2.json"]


def test_stock_fsspec_reads_what_was_exported(
    folders: dict[str, tuple[str, Any]], exported: dict[str, Any]
) -> None:
    for document, which in zip(exported["references"], ("v1", "v2"), strict=True):
        group: Any = zarr.open_group("reference://", storage_options={"fo": document}, mode="r")
        assert np.array_equal(group["x"][:], folders[which][1])
        assert np.array_equal(group["y"][:], LABELS)


def test_virtualizarr_reads_versions(folders: dict[str, tuple[str, Any]]) -> None:
    """Which is the way into an Icechunk repository; its parser of references knows no Zarr v3."""
    virtualizarr = pytest.importorskip("virtualizarr")
    pytest.importorskip("arro3.core")
    from obspec_utils.registry import ObjectStoreRegistry
    from obstore.store import LocalStore
    from virtualizarr.parsers import ZarrParser

    registry = ObjectStoreRegistry({"file://": LocalStore()})
    for which in ("now", "v1"):
        folder = folders[which][0]
        with virtualizarr.open_virtual_dataset(
            f"file://{folder}", parser=ZarrParser(), registry=registry
        ) as found:
            chunks = found["x"].data.manifest.dict()
            assert chunks["19.0.0"]["path"].endswith(f"{folder}/x/c/19/0/0")
            assert len(chunks) == 20


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """A web server on the folder of the tests."""
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.integration
def test_over_http(folders: dict[str, tuple[str, Any]], served: str, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    export(folders["now"][0], tmp_path / "target", ["v1"], base=f"{served}/target")
    options = {
        "fo": f"{served}/target/a.zarr.v1.json",
        "remote_protocol": "http",
        "remote_options": {"asynchronous": True},
    }
    group: Any = zarr.open_group("reference://", storage_options=options, mode="r")
    assert np.array_equal(group["x"][:], IMAGES)


def test_to_a_bucket(folders: dict[str, tuple[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    obstore = pytest.importorskip("obstore")
    from obstore.store import MemoryStore

    bucket = MemoryStore()
    monkeypatch.setattr("lepton_jlab.data.remote.connect.connect", lambda *_, **__: bucket)
    done = export(folders["now"][0], "s3://bucket/data", ["v1", "v2"])
    assert done["references"][0] == "s3://bucket/data/a.zarr.v1.json"
    assert done["new_chunks"] == 23
    assert export(folders["now"][0], "s3://bucket/data")["new_chunks"] == 0
    document = json.loads(obstore.get(bucket, "a.zarr.v1.json").bytes().to_bytes())
    assert document["templates"] == {"u": "s3://bucket/data"}
    name, start, size = document["refs"]["x/c/0/0/0"]
    chunk = obstore.get(bucket, name.removeprefix("{{u}}/")).bytes().to_bytes()
    assert (start, size) == (0, len(chunk))
    assert chunk == (Path(folders["v1"][0]) / "x/c/0/0/0").read_bytes()


def test_what_is_damaged_is_not_exported(tmp_path: Path) -> None:
    folder = write(tmp_path / "a.zarr")
    snapshot(folder, "v1", private=True)
    chunk = Path(version_folder(folder, "v1")) / "x/c/3/0/0"
    chunk.chmod(0o644)
    chunk.write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"x/c/3/0/0 is damaged"):
        export(folder, tmp_path / "target", ["v1"])
    assert not list((tmp_path / "target").glob("*.json"))


def test_where_it_cannot_be_exported_to(tmp_path: Path) -> None:
    folder = write(tmp_path / "a.zarr")
    with pytest.raises(DataError, match="export to a folder, s3:// or gs://"):
        export(folder, "http://host/target")
    with pytest.raises(NotFoundError):
        export(folder, tmp_path / "target", ["v9"])
    assert values(folder)
