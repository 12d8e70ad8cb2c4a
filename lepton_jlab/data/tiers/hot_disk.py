"""Copies, on a fast disk, of what is read from slow ones and object stores: where that pays."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

from lepton_jlab.config import cache_folder, private_folder
from lepton_jlab.data.cache import Cache
from lepton_jlab.data.tiers.accesses import importance_of
from lepton_jlab.data.tiers.places import identity
from lepton_jlab.data.tiers.prices import Tiers, load_tiers
from lepton_jlab.errors import LeptonError

# Types of file systems that are behind a network or a program.
_FAR = {"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "lustre", "glusterfs", "beegfs", "gpfs", "afs"}


@dataclass(frozen=True, slots=True)
class HotDisk:
    """What the copies take.

    Attributes
    ----------
    folder
        Where they are.
    limit
        Bytes that they may take.
    kept
        Bytes that they take, by dataset.
    """

    folder: str
    limit: int
    kept: dict[str, int]


def copies_of(where: str, asked: int | None = None, far: bool = False) -> Cache | None:
    """Return what keeps copies of a dataset's chunks, or None where there shall be none.

    Parameters
    ----------
    where
        Path or URL of the dataset.
    asked
        Bytes that they may take, 0 for no copies; None: as the file of tiers says.
    far
        Whether its chunks are in an object store or on a web server.
    """
    try:
        disk = load_tiers().hot_disk
    except LeptonError:  # which is said by `data tier`; nobody's training shall fail for it
        disk = None
    limit = asked if asked is not None else disk.size if disk else 0
    if not limit:
        return None
    try:
        folder = _folder(disk.folder if disk else None)
    except OSError as error:  # nobody's training shall fail for it
        warnings.warn(f"No copies are kept on the hot disk: {error}", stacklevel=2)
        return None
    if not far and not pays(Path(where), folder, asked is not None):
        return None
    return Cache(folder, limit, importance_of(where), identity(where))


def hot_disk(tiers: Tiers) -> HotDisk | None:
    """Return what the copies take; None where the file of tiers asks for none."""
    if tiers.hot_disk is None:
        return None
    folder = _folder(tiers.hot_disk.folder)
    kept = Cache(folder, tiers.hot_disk.size).contents()
    return HotDisk(str(folder), tiers.hot_disk.size, kept)


def pays(dataset: Path, disk: Path, asked: bool = False) -> bool:
    """Whether copies on a disk can be read sooner than a dataset.

    They can not on the same disk. On another they can, if somebody asks for it; if the dataset is
    behind a network or a FUSE program, or on a disk that turns where the copies' does not; or in a
    tier whose reading costs more than that of the hot one.
    """
    place = dataset.resolve()
    device, other = place.stat().st_dev, disk.stat().st_dev
    if device == other:
        return False
    if asked or _is_far(device):
        return True
    if _turns(device) and _turns(other) is False:
        return True
    tiers = load_tiers()
    return any(
        tier.folder is not None
        and place.is_relative_to(tier.folder.resolve())
        and tier.read > tiers["hot"].read
        for tier in tiers.tiers.values()
    )


def _folder(chosen: Path | None) -> Path:
    return cache_folder() if chosen is None else private_folder(chosen)


def _is_far(device: int) -> bool:
    """Whether a file system is behind a network or a program; False where that is not known."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return False
    for mount in mounts:
        about, _, rest = mount.partition(" - ")
        if about.split()[2] == number:
            kind = rest.split()[0]
            return kind in _FAR or kind.startswith("fuse.")
    return False


def _turns(device: int) -> bool | None:
    """Whether a disk turns; None where that is not known."""
    block = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    for queue in (block / "queue", block / ".." / "queue"):  # of a disk, or of that of a partition
        try:
            return (queue / "rotational").read_text().strip() == "1"
        except OSError:
            continue
    return None
