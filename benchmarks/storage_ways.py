"""Three versions of one dataset, kept in every way that is compared."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHANGED = 1  # samples that the second version has otherwise
FIXED = 100  # so many-th labels are fixed in it too
APPENDED = 100  # so many-th part of the samples is appended in the third


@dataclass(frozen=True, slots=True)
class Data:
    """A dataset, of which the last rows come with the third version."""

    x: NDArray[Any]
    y: NDArray[Any]
    chunk: int

    @property
    def first(self) -> int:
        """How many samples the first version has."""
        return len(self.x) - len(self.x) // APPENDED

    @property
    def raw_bytes(self) -> int:
        """Size of the three versions, not compressed."""
        sizes = (self.first, self.first, len(self.x))
        return sum(self.x[:size].nbytes + self.y[:size].nbytes for size in sizes)

    def write(self, store: Any, own_codec: bool = True) -> None:
        """Write the first version by zarr-python, cut and encoded as by an import or by default."""
        import zarr

        from lepton_jlab.data.codecs import CODECS, DEFAULT

        group = zarr.create_group(store)
        for name, values, chunk in (("x", self.x, self.chunk), ("y", self.y, 16 * self.chunk)):
            part = values[: self.first]
            options: dict[str, Any] = {}
            if own_codec:
                options = CODECS[DEFAULT].create_options(part.dtype)
                options["chunks"] = (chunk, *part.shape[1:])
            array = group.create_array(name, shape=part.shape, dtype=part.dtype, **options)
            array[:] = part

    def edit(self, store: Any) -> None:
        """Make the second version of the first: one sample changed, labels fixed."""
        group = _open(store)
        group["x"][self.first // 2] = 0
        labels = self.y[: self.first].copy()
        labels[::FIXED] = (labels[::FIXED] + 1) % 10
        group["y"][:] = labels

    def append(self, store: Any) -> None:
        """Make the third version of the second: rows appended."""
        group = _open(store)
        for name, values in (("x", self.x), ("y", self.y)):
            group[name].append(values[self.first :])

    def check(self, group: Any) -> None:
        """Check the third version."""
        assert np.array_equal(group["x"][self.first // 2 + 1 :], self.x[self.first // 2 + 1 :])
        assert group["y"].shape[0] == len(self.y)


def _open(store: Any) -> Any:
    import zarr

    return zarr.open_group(store, mode="r+")


Way = Callable[[Data, Path], None]


def copies(data: Data, folder: Path, own_codec: bool = True) -> None:
    """Keep three copies, compressed: what there is without versions."""
    import zarr

    first, second, third = (folder / f"{name}.zarr" for name in ("first", "second", "third"))
    data.write(str(first), own_codec)
    shutil.copytree(first, second)
    data.edit(str(second))
    shutil.copytree(second, third)
    data.append(str(third))
    data.check(zarr.open_group(str(third), mode="r"))


def by_default(data: Data, folder: Path) -> None:
    """Keep three copies, as zarr-python cuts and compresses them by default."""
    copies(data, folder, own_codec=False)


def lepton(data: Data, folder: Path, private: bool = False) -> None:
    """Make three snapshots; the dataset is the third of them."""
    from lepton_jlab.data import open_dataset
    from lepton_jlab.data.storage import snapshot, version_folder

    dataset = folder / "a.zarr"
    data.write(str(dataset))
    snapshot(dataset, "first", private=private)
    data.edit(str(dataset))
    snapshot(dataset, "second", private=private)
    data.append(str(dataset))
    snapshot(dataset, "third", private=private)
    data.check(open_dataset(version_folder(dataset, "third"))._node)


def private(data: Data, folder: Path) -> None:
    """Make them, the dataset having files of its own."""
    lepton(data, folder, private=True)


def icechunk(data: Data, folder: Path) -> None:
    """Make three commits in an Icechunk repository."""
    import icechunk as ice

    repository = ice.Repository.create(ice.local_filesystem_storage(str(folder / "repository")))
    for step in (data.write, data.edit, data.append):
        session = repository.writable_session("main")
        step(session.store)
        session.commit(step.__name__)
    import zarr

    session = repository.readonly_session("main")
    data.check(zarr.open_group(session.store, mode="r"))


def dvc(data: Data, folder: Path) -> None:
    """Add three versions to DVC, its cache linked to the workspace, and commit what git keeps."""
    import zarr

    program = dvc_program()
    assert program is not None
    home = {"HOME": str(folder), "GIT_CONFIG_GLOBAL": "/dev/null", "DVC_NO_ANALYTICS": "1"}
    names = {f"GIT_{who}_{what}": "bench" for who in ("AUTHOR", "COMMITTER") for what in _IDENTITY}

    def run(*words: str) -> None:
        environment = os.environ | home | names
        subprocess.run(words, cwd=folder, env=environment, check=True, capture_output=True)

    dataset = str(folder / "a.zarr")
    run("git", "init", "--quiet")
    run(program, "init", "--quiet")
    run(program, "config", "cache.type", "hardlink,copy")
    for step in (data.write, data.edit, data.append):
        step(dataset)
        run(program, "add", "--quiet", "a.zarr")
        run("git", "add", "--all")
        run("git", "commit", "--quiet", "--message", step.__name__)
    data.check(zarr.open_group(dataset, mode="r"))


_IDENTITY = ("NAME", "EMAIL")


def dvc_program() -> str | None:
    """Return where DVC is: it needs an environment of its own, so $DVC may say."""
    return os.environ.get("DVC") or shutil.which("dvc")


def disk_bytes(folder: Path) -> int:
    """Return what the files below a folder take, each once."""
    found = {(s.st_dev, s.st_ino): s.st_size for s in _files(folder)}
    return sum(found.values())


def _files(folder: Path) -> Iterator[os.stat_result]:
    for path in folder.rglob("*"):
        status = path.lstat()
        if path.is_file() and not path.is_symlink():
            yield status
