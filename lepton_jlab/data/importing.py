"""Imports other formats as datasets: finds the format, writes Zarr, says where it came from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lepton_jlab import __version__
from lepton_jlab.data.dataset import Dataset, open_dataset
from lepton_jlab.data.schema import ROLES
from lepton_jlab.data.sources import Loaded, Samples, find_source
from lepton_jlab.data.store import is_url, is_zarr
from lepton_jlab.data.writing import (
    Progress,
    check_destination,
    new_folder,
    total_bytes,
    write_arrays,
)
from lepton_jlab.errors import DataError


def import_dataset(
    source: str | os.PathLike[str],
    dest: str | os.PathLike[str],
    *,
    force: bool = False,
    label: str | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Write `source` as a Zarr v3 dataset and open it.

    Images and labels become ``x`` and ``y``, of a test part those of the dataset ``test`` inside.
    Nothing is seen under the name `dest` before all is written.

    Parameters
    ----------
    source
        ``fashion-mnist``, ``keras:NAME``, or the path of an .npz, .npy, IDX, CSV or Parquet file or
        of a folder of images by class.
    dest
        The folder to make, such as ``fashion.zarr``.
    force
        Replace a dataset that is there already.
    label
        Name of the column (or array) that becomes ``y``.
    progress
        Called with (bytes done, bytes in all, what is being done); in all is 0 while unknown.

    Raises
    ------
    NotFoundError
        If there is no such source.
    DataError
        If the source cannot be read, or `dest` exists.
    UsageError
        If `label` names nothing.
    """
    name, destination = os.fspath(source), Path(dest).expanduser().absolute()
    report = progress or _silent
    if is_url(os.fspath(dest)):
        raise DataError(f"{dest} is a URL; import into a local folder, then copy it there.")
    check_destination(destination, force)  # before anything is read
    if is_zarr(Path(name).expanduser()):
        raise DataError(f"{name} is a Zarr dataset already: lepton.open_dataset({name!r}).")
    report(0, 0, f"reading {name}")
    loaded = find_source(name).load(name, label)
    _check(loaded, name)
    with new_folder(destination, force) as folder:
        _write(folder, loaded, report)
    return open_dataset(destination)


def _silent(_done: int, _total: int, _text: str) -> None:
    """Report to nobody."""


def _write(folder: Path, loaded: Loaded, report: Progress) -> None:
    import zarr

    total = sum(total_bytes(arrays) for arrays in loaded.parts.values())
    done = 0

    def advance(size: int) -> None:
        nonlocal done
        done += size
        report(done, total, "writing")

    root = zarr.create_group(str(folder), attributes={"lepton": _schema(loaded, "")})
    for part, arrays in loaded.parts.items():
        schema = {"lepton": _schema(loaded, part)}
        group = root.create_group(part, attributes=schema) if part else root
        write_arrays(group, arrays, advance)


def _schema(loaded: Loaded, part: str) -> dict[str, Any]:
    """Return what the attribute ``lepton`` of a part says."""
    roles = {role: role for role in ROLES if role in loaded.parts.get(part, {})}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    imported = {"action": "import", "time": now, "lepton": __version__, **loaded.notes}
    schema: dict[str, Any] = {"source": loaded.origin, "history": [imported]}
    if roles:
        schema["roles"] = roles
    if loaded.classes:
        schema["classes"] = loaded.classes
    return schema


def _check(loaded: Loaded, name: str) -> None:
    """Refuse arrays that do not make a dataset, before anything is written."""
    if not loaded.parts or not all(loaded.parts.values()):
        raise DataError(f"{name} holds no arrays.")
    for part, arrays in loaded.parts.items():
        where = f"{name} ({part})" if part else name
        _check_part(where, arrays)


def _check_part(where: str, arrays: Mapping[str, Samples]) -> None:
    for array, values in arrays.items():
        if not values.shape:
            raise DataError(f"{where}: {array!r} is a single value, not an array of samples.")
        if values.dtype.kind not in "biufcUSmM":
            raise DataError(
                f"{where}: {array!r} has the type {values.dtype}, which is not written."
            )
    counts = {array: values.shape[0] for array, values in arrays.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{array} {count}" for array, count in counts.items())
        raise DataError(f"{where}: the arrays differ in their number of samples: {listed}.")
    if not next(iter(counts.values())):
        raise DataError(f"{where} has no samples.")
