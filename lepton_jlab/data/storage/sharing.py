"""Lets chunks with the same bytes be one file, in a dataset and all that lie beside it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lepton_jlab.data.storage.collecting import collect_store
from lepton_jlab.data.storage.faults import explained
from lepton_jlab.data.storage.files import files_of, is_document
from lepton_jlab.data.storage.keeping import Keeping
from lepton_jlab.data.storage.place import place_of
from lepton_jlab.data.storage.protection import check_shareable
from lepton_jlab.data.storage.workspace import Workspace


def dedup(path: str | os.PathLike[str], *, force: bool = False) -> dict[str, Any]:
    """Share the chunks of a dataset with all others in the same folder, and their versions.

    The dataset stays what it is for every reader: its chunks become hard links to read-only files
    in ``.lepton/chunks``. Writers that put new files in the place of old ones (zarr-python,
    tensorstore, xarray, Lepton) go on as before. One that overwrites files in place (zarrs,
    fsspec's local files) is refused by their mode.

    Parameters
    ----------
    path
        The folder of the dataset. Others that are deduplicated in the same folder share with it.
    force
        Share although read-only files do not stop your programs, as root.

    Returns
    -------
    dict
        ``files``, ``bytes``: the chunks of the dataset; ``freed_bytes``: what it takes less than
        before; ``overwritten``: keys of shared chunks that another program wrote in place;
        ``note``: what was done instead, or "".

    Raises
    ------
    NotFoundError
        If there is no such dataset.
    DataError
        If it is not in a folder of this machine, or files cannot be made there; nothing it holds
        has changed then.
    UsageError
        If read-only files do not stop your programs, and `force` is not given.
    """
    place = place_of(path)
    with explained(
        f"Deduplication of {place.dataset.name}",
        place.store.parent,
        "every chunk is whole, as it was",
    ):
        with Workspace(place.store) as work:
            check_shareable(work.folder, force)
            keeping = Keeping(place, work, private=False)
            keys = (key for key, _ in files_of(place.dataset) if not is_document(key))
            with ThreadPoolExecutor(thread_name_prefix="lepton-dedup") as pool:
                for _ in pool.map(keeping.keep, keys):
                    pass
        collect_store(place.store)
    tally = keeping.tally
    return {
        "path": str(place.dataset),
        "files": tally.files,
        "bytes": tally.nbytes,
        "freed_bytes": tally.freed_bytes,
        "overwritten": sorted(tally.overwritten),
        "note": tally.note,
    }
