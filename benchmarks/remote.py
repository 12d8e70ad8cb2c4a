"""How much of a slow link a remote dataset gets: every chunk once, 20 ms a request."""

from __future__ import annotations

import http.client
import importlib.util
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import TIMES, Figure, Result
from benchmarks.rounds import Samples, interleave, median_of, ratio, seconds

_LINKS = {"30 MB/s": 30e6, "100 MB/s": 100e6}
_DELAY = 0.02  # seconds a request
_SPELL = 3.0  # seconds that the bare link takes for all chunks
_ROWS, _ROW = 128, 784  # samples in a chunk, and bytes in a sample
_CHUNK = _ROWS * _ROW  # bytes as stored, and as decoded
_THREADS = 64

_BARE = "64 bare connections"
_CHUNKS = "lepton, chunks"
_BATCHES = "lepton, shuffled batches"
_FAULTY = "lepton, chunks, with faults"


def measure(rounds: int, quick: bool) -> Result:
    """Read all chunks through a limited link in every way in turn, and compare with the link."""
    figures, samples = [], Samples()
    notes = [
        "The web server, its clients and all decoding share the cores. Faults: of the requests, "
        "1 % each are answered 500, reset in the middle, or stall."
    ]
    for name, rate in _LINKS.items():
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            count = int(rate * (_SPELL / 10 if quick else _SPELL) / _CHUNK)
            _write(folder / "data.zarr", count)
            clear, faulty = (
                stack.enter_context(_webserver().WebServer(folder, _DELAY, rate)) for _ in range(2)
            )
            for kind in ("reset", "stall"):
                faulty.fail("/x/c/", kind, every=100)
            faulty.fail("/x/c/", "status", every=100, status=500)
            threads = stack.enter_context(ThreadPoolExecutor(_THREADS))
            ways = _ways(clear, faulty, count, threads, notes)
            taken = interleave(ways, rounds)
        size = count * _CHUNK
        samples |= {f"{way}, {name}": values for way, values in taken.items()}
        link = f"of {name} with 20 ms a request"
        figures += [
            Figure(f"share {link}: {way}", size / rate / median_of(taken, way), TIMES, at_least=0.9)
            for way in (_CHUNKS, _BATCHES, _FAULTY)
        ]
        figures += [
            Figure(f"{_CHUNKS} against {way}, {name}", ratio(taken, way, _CHUNKS), TIMES)
            for way in taken
            if way not in (_CHUNKS, _BATCHES, _FAULTY)
        ]
    return Result(figures, samples, list(dict.fromkeys(notes)))


def _ways(
    clear: Any, faulty: Any, count: int, threads: ThreadPoolExecutor, notes: list[str]
) -> dict[str, Callable[[], float]]:
    url = f"{clear.url}/data.zarr"
    ways: dict[str, Callable[[], float]] = {
        _BARE: partial(_bare, clear.port, count, threads),
        _CHUNKS: partial(_chunks, url, count, threads),
        _FAULTY: partial(_chunks, f"{faulty.url}/data.zarr", count, threads),
        _BATCHES: partial(_batches, url, count),
        "zarr-python with obstore": partial(_zarr, _by_obstore, url, count),
    }
    for name, module, way in (
        ("zarr-python with fsspec", "aiohttp", partial(_zarr, _by_fsspec, url, count)),
        ("tensorstore", "tensorstore", partial(_tensorstore, url, count)),
    ):
        if importlib.util.find_spec(module):
            ways[name] = way
        else:
            notes.append(f"{name}: not measured, for {module} is not installed.")
    return ways


# ---- the ways; each returns the seconds for all chunks, with everything opened before


def _bare(port: int, count: int, threads: ThreadPoolExecutor) -> float:
    """Keep connections busy that do nothing but read."""
    free = [http.client.HTTPConnection("127.0.0.1", port) for _ in range(_THREADS)]

    def get(number: int) -> None:
        connection = free.pop()
        connection.request("GET", f"/data.zarr/x/c/{number}/0")
        _check(len(connection.getresponse().read()) == _CHUNK)
        free.append(connection)

    return seconds(lambda: list(threads.map(get, range(count))))


def _chunks(url: str, count: int, threads: ThreadPoolExecutor) -> float:
    from lepton_jlab.data.store import open_node

    store = open_node(url).store

    def get(number: int) -> None:
        _check(len(store.read(f"x/c/{number}/0")) == _CHUNK)

    return seconds(lambda: list(threads.map(get, range(count))))


def _batches(url: str, count: int) -> float:
    from lepton_jlab.data import open_dataset

    batches = open_dataset(url).batches(_ROWS, shuffle=True)

    def read() -> None:
        _check(sum(len(batch) for batch in batches) == count * _ROWS)

    return seconds(read)


def _by_obstore(url: str) -> Any:
    from obstore.store import HTTPStore
    from zarr.storage import ObjectStore

    client = HTTPStore(url, client_options={"allow_http": True})
    return ObjectStore(client, read_only=True)


def _by_fsspec(url: str) -> Any:
    from zarr.storage import FsspecStore

    return FsspecStore.from_url(url, read_only=True)


def _zarr(opened: Callable[[str], Any], url: str, count: int) -> float:
    """Let zarr-python read as many chunks at once as the others do, a slice at a time."""
    import zarr

    with zarr.config.set({"async.concurrency": _THREADS}):
        array: Any = zarr.open(opened(url), mode="r")["x"]
        step = _ROWS * _THREADS

        def read() -> None:
            for start in range(0, count * _ROWS, step):
                _check(array[start : start + step].shape[0] > 0)

        return seconds(read)


def _tensorstore(url: str, count: int) -> float:
    import tensorstore

    context = tensorstore.Context({"http_request_concurrency": {"limit": _THREADS}})
    spec = {"driver": "zarr3", "kvstore": {"driver": "http", "base_url": f"{url}/x/"}}
    array = tensorstore.open(spec, read=True, context=context).result()

    def read() -> None:
        waiting: list[Any] = []
        for start in range(0, count * _ROWS, _ROWS):
            if len(waiting) == _THREADS:
                waiting.pop(0).result()
            waiting.append(array[start : start + _ROWS].read())
        for future in waiting:
            future.result()

    return seconds(read)


# ---- what they read


def _write(path: Path, count: int) -> None:
    """Write samples of random bytes: what is stored is as large as what is decoded."""
    import zarr

    group = zarr.create_group(str(path))
    x = group.create_array(
        "x", shape=(count * _ROWS, _ROW), chunks=(_ROWS, _ROW), dtype="u1", compressors=None
    )
    random = np.random.default_rng(0)
    for start in range(0, count * _ROWS, _ROWS):
        x[start : start + _ROWS] = random.integers(0, 256, (_ROWS, _ROW), dtype="u1")
    zarr.consolidate_metadata(str(path))


def _webserver() -> Any:
    """Return the module of the web server that the tests use."""
    path = Path(__file__).parents[1] / "tests" / "webserver.py"
    spec = importlib.util.spec_from_file_location("webserver", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _check(right: bool) -> None:
    if not right:
        raise AssertionError("not all came")
