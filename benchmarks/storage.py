"""What three versions of a dataset take on disk, against DVC and Icechunk; and what writing costs.

The second version has one sample changed and one label in a hundred fixed, the third 1 % of rows
appended. Every way but zarr-python's default has the chunks and the codec of an import.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import storage_ways
from benchmarks.report import TIMES, Figure, Result
from benchmarks.rounds import interleave, ratio, seconds
from benchmarks.storage_ways import Data, Way, disk_bytes
from benchmarks.stream_data import pictures, tiles

_MB = "MB"
_WRITES = 3  # a round: the disk is a noisy neighbour
_SAMPLES = {"tiles": 4000, "pictures": 60_000}
_TITLES = {"tiles": f"64{TIMES}64{TIMES}3", "pictures": "Fashion-MNIST"}
_LEPTON, _DEFAULT, _COPIES = "Lepton", "three copies, zarr-python's default", "three copies"


def measure(rounds: int, quick: bool) -> Result:
    """Keep the versions in each way, and weigh them; write with and without sharing."""
    kinds = {
        "tiles": Data(*tiles(_SAMPLES["tiles"] // (10 if quick else 1)), 64),
        "pictures": Data(*pictures(_SAMPLES["pictures"] // (10 if quick else 1)), 1024),
    }
    ways, notes = _ways()
    folder = Path(tempfile.mkdtemp(prefix="storage-"))
    try:
        sizes = {kind: _weigh(data, ways, folder) for kind, data in kinds.items()}
        samples = interleave(
            {
                **{
                    f"three versions of {_TITLES['tiles']}, {name}": partial(
                        _time, way, kinds["tiles"], folder
                    )
                    for name, way in ways.items()
                },
                **{
                    f"writing {_TITLES[kind]}, {name}": partial(_write, data, folder, name)
                    for kind, data in kinds.items()
                    for name in ("plain", "shared at once")
                },
            },
            rounds,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures = []
    for kind, data in kinds.items():
        figures += _figures(_TITLES[kind], data, sizes[kind], is_target=kind == "tiles")
    for kind in kinds:
        title = f"writing {_TITLES[kind]}"
        cost = ratio(samples, f"{title}, shared at once", f"{title}, plain")
        figures.append(
            Figure(f"{title}, chunks shared at once: against zarr", cost, TIMES, at_most=1.25)
        )
    mine = f"three versions of {_TITLES['tiles']}, {_LEPTON}"
    figures += [
        Figure(f"{title}: time against Lepton's", ratio(samples, title, mine), TIMES)
        for title in samples
        if title.startswith("three versions") and title != mine
    ]
    return Result(figures, samples, notes)


def _ways() -> tuple[dict[str, Way], list[str]]:
    ways: dict[str, Way] = {
        _LEPTON: storage_ways.lepton,
        "Lepton, --private": storage_ways.private,
        _DEFAULT: storage_ways.by_default,
        _COPIES: storage_ways.copies,
    }
    notes = [
        "Three versions can at most be a third of three copies with the same codec; against "
        "zarr-python's default the codec and the chunks of an import count too. Fashion-MNIST "
        "itself does not compress to less than about half by any codec of Zarr: that bounds what "
        "its versions can be against raw bytes. Sizes are of files, each inode once, metadata "
        "included; they are the same in every round."
    ]
    if find_spec("icechunk"):
        ways["Icechunk"] = storage_ways.icechunk
    else:
        notes.append("Icechunk is not installed: pip install icechunk.")
    if storage_ways.dvc_program():
        ways["DVC"] = storage_ways.dvc
    else:
        notes.append("DVC is not installed: install it in an environment of its own, name it $DVC.")
    return ways, notes


def _weigh(data: Data, ways: dict[str, Way], folder: Path) -> dict[str, int]:
    sizes = {}
    for name, way in ways.items():
        place = Path(tempfile.mkdtemp(dir=folder))
        way(data, place)
        sizes[name] = disk_bytes(place)
        shutil.rmtree(place)
    return sizes


def _time(way: Way, data: Data, folder: Path) -> float:
    place = Path(tempfile.mkdtemp(dir=folder))
    try:
        return seconds(lambda: way(data, place))
    finally:
        shutil.rmtree(place)
        os.sync()


def _write(data: Data, folder: Path, how: str) -> float:
    from zarr.storage import LocalStore

    from lepton_jlab.data.storage.linked_store import LinkedStore

    times = []
    for _ in range(_WRITES):
        place = Path(tempfile.mkdtemp(dir=folder))
        root = place / "a.zarr"
        store: Any = LocalStore(root) if how == "plain" else LinkedStore(root, force=True)
        try:
            times.append(seconds(partial(data.write, store)))
        finally:
            store.close()
            shutil.rmtree(place)
            os.sync()
    return statistics.median(times)


def _figures(title: str, data: Data, sizes: dict[str, int], is_target: bool) -> list[Figure]:
    mine = sizes[_LEPTON]
    figures = [
        Figure(f"three versions of {title}: raw", data.raw_bytes / 1e6, _MB),
        *(
            Figure(f"three versions of {title}: {name}", size / 1e6, _MB)
            for name, size in sizes.items()
        ),
        Figure(
            f"three versions of {title}: raw against Lepton",
            data.raw_bytes / mine,
            TIMES,
            at_least=9 if is_target else None,
        ),
        Figure(
            f"three versions of {title}: compression alone (zarr-python's default) against Lepton",
            sizes[_DEFAULT] / mine,
            TIMES,
            at_least=3,
        ),
        Figure(
            f"three versions of {title}: compression alone (the same codec) against Lepton",
            sizes[_COPIES] / mine,
            TIMES,
        ),
    ]
    return figures + [
        Figure(f"three versions of {title}: {peer} against Lepton", sizes[peer] / mine, TIMES)
        for peer in ("Icechunk", "DVC")
        if peer in sizes
    ]
