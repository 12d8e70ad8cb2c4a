"""A dataset: arrays in a Zarr group that share their first axis, the samples."""

from __future__ import annotations

import os
from collections import namedtuple
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.column import Column
from lepton_jlab.data.prepare.methods import Preparing
from lepton_jlab.data.prepare.recipe import Recipe
from lepton_jlab.data.schema import find_members, find_roles
from lepton_jlab.data.split import Chosen, Part, shares_of
from lepton_jlab.data.store import address, is_url, open_node
from lepton_jlab.errors import NotFoundError, UsageError, suggestion
from lepton_jlab.sizes import parse_bytes

if TYPE_CHECKING:
    import zarr
    from numpy.typing import NDArray

    from lepton_jlab.data.store import Node
    from lepton_jlab.data.stream.batches import Batches
    from lepton_jlab.data.stream.device import Decode


class Dataset(Preparing):
    """A read-only view of a Zarr group whose arrays share their first axis.

    Made by :func:`open_dataset`. It holds no samples: they are read when batches are made or an
    array is indexed. Pickled, it is its address and how it was split.

    Examples
    --------
    >>> ds = lepton.open_dataset("fashion.zarr")                       # doctest: +SKIP
    >>> model.fit(ds.batches(128, shuffle=True), epochs=3)             # doctest: +SKIP
    """

    def __init__(
        self,
        node: Node,
        where: str,
        inner: str = "",
        parts: tuple[Part | Chosen, ...] = (),
        cache: int | None = None,
        recipe: Recipe | None = None,
    ) -> None:
        self._node = node
        self._where = where
        self._inner = inner
        self._parts = parts
        self._cache = cache
        self._recipe = recipe or Recipe()

    # ---- what it is

    @property
    def path(self) -> str:
        """Absolute path or URL."""
        return f"{self._where}/{self._inner}" if self._inner else self._where

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @cached_property
    def attrs(self) -> dict[str, Any]:
        """A copy of the group's attributes; the entry ``lepton`` holds what Lepton knows."""
        return dict(self._node.attrs.asdict())

    @cached_property
    def classes(self) -> list[str] | None:
        """Names of the classes, in the order of their numbers, or None."""
        names = self._schema.get("classes")
        return [str(name) for name in names] if isinstance(names, list) else None

    @cached_property
    def arrays(self) -> Mapping[str, Column]:
        """The arrays that share the axis of samples, by name."""
        rows = self._rows
        found = {name: Column(name, array, rows) for name, array in self._members.items()}
        return MappingProxyType(found)

    @property
    def split_of(self) -> list[list[Any]]:
        """How its samples were chosen from those stored: shares, number and seed of each split."""
        return [part.identity() for part in self._parts]

    @cached_property
    def left_out(self) -> list[str]:
        """Arrays of the group without the axis of samples, such as coordinates of other axes."""
        return sorted(set(self._stored) - set(self._members))

    @cached_property
    def groups(self) -> list[str]:
        """Names of the datasets inside this one, such as ``test``."""
        return sorted(getattr(self._node, "group_keys", tuple)())

    @cached_property
    def roles(self) -> Mapping[str, str]:
        """Which array is ``x``, ``y`` and ``sample_weight``, as far as they are known."""
        return MappingProxyType({r: n for r, n in self._roles.items() if n in self._members})

    @property
    def x(self) -> Column:
        """The inputs, shape ``(samples, …)``."""
        return self._by_role("x")

    @property
    def y(self) -> Column:
        """The targets, shape ``(samples, …)``."""
        return self._by_role("y")

    def __len__(self) -> int:
        if not self._members:
            return 0
        return len(next(iter(self.arrays.values())))

    def __getitem__(self, name: str) -> Dataset:
        if isinstance(name, str) and name in self.groups:
            inner = f"{self._inner}/{name}" if self._inner else name
            return Dataset(self._node[name], self._where, inner, (), self._cache, self._recipe)
        if isinstance(name, str) and name in self._stored:
            raise NotFoundError(f"{name!r} is an array of {self.name}: use ds.arrays[{name!r}].")
        there = f" There are: {', '.join(self.groups)}." if self.groups else " It has none inside."
        near = suggestion(str(name), self.groups)
        raise NotFoundError(f"No dataset {name!r} in {self.path}.{near or there}")

    def __contains__(self, name: object) -> bool:
        return name in self.groups

    def __iter__(self) -> Any:
        raise TypeError("A dataset is not iterated itself; use ds.batches(32) or ds.x[:100].")

    # ---- what to do with it

    def split(
        self,
        share: float | None = None,
        *,
        seed: int = 0,
        stratify: str | None = None,
        group: str | None = None,
        **shares: float,
    ) -> tuple[Dataset, ...]:
        """Split into disjoint datasets that together are this one; samples are drawn at random.

        Parameters
        ----------
        share
            The share of the first of two parts: ``train, val = ds.split(0.8)``.
        seed
            The same seed gives the same split, everywhere.
        stratify
            Array of classes, such as ``"y"``: each part has its share of each of them.
        group
            Array of groups, such as patients: all samples of one come into the same part.
        **shares
            Shares by name, of sum 1: ``ds.split(train=0.7, val=0.1, test=0.2)``.

        Returns
        -------
        tuple of Dataset
            A named tuple, with the fields ``train`` and ``val`` where only `share` is given.

        Raises
        ------
        UsageError
            If the shares are not positive or their sum is not 1, or there is no such array.
        """
        named = shares_of(share, shares)
        values = tuple(named.values())
        how, by = "", ""
        if stratify is not None or group is not None:
            if stratify is not None and group is not None:
                raise UsageError("split either stratifies or keeps groups together; give one.")
            how = "group" if stratify is None else "stratify"
            by = self._found(str(stratify or group), any_array=True)[1].name
        parts = [(*self._parts, Part(values, i, seed, how, by)) for i in range(len(values))]
        cls = namedtuple("Split", named)  # type: ignore[misc]
        return cls(*(self._like(parts=part) for part in parts))

    def batches(
        self,
        batch_size: int = 32,
        shuffle: bool = False,
        seed: int = 0,
        rank: int | None = None,
        world: int | None = None,
        drop_remainder: bool = False,
        *,
        memory: str | int = "256MiB",
        cache: str | int | None = None,
        decode: Decode = "auto",
    ) -> Batches:
        """Return batches that Keras takes in ``fit``, ``evaluate`` and ``predict``.

        Iterated, they are TensorFlow tensors of shape ``(batch, …)`` in the stored dtype (NumPy
        arrays where TensorFlow is not installed): ``(x, y)``, ``(x, y, sample_weight)`` or ``x``
        by the roles of the arrays, else dicts by array name.

        Parameters
        ----------
        batch_size
            Samples in a batch; the last may have fewer.
        shuffle
            Stored chunks in random order, samples permuted in windows of many chunks. Each
            iteration is the next epoch, with an order of its own. Keras's ``shuffle`` in ``fit``
            changes nothing.
        seed
            The order is a function of the seed and the number of the epoch, on any machine.
        rank, world
            This process's place among `world` that share the work: disjoint, covering everything,
            equally many batches each, and no chunk read by two. By default those of this process:
            in a run with ``--replicas`` its own, elsewhere 0 and 1.
        drop_remainder
            Leave out what does not fill a batch.
        memory
            What reading may hold at a time, such as ``"512MiB"`` or a number of bytes. About a
            third is the window in which samples are permuted: more memory, better shuffling
            (``.window`` says how many samples). The order depends on it.
        cache
            Keep what is read of a dataset behind a URL, or on another disk, on that of the cache,
            up to this size, such as ``"10GiB"``.
        decode
            Where chunks are decoded: ``"cpu"``, or ``"gpu"`` by nvCOMP, which has Zstandard.
            ``"auto"`` takes the GPU in a run that has one, where that was measured to be faster.
            Batches are the same. The GPU's way takes up to 16 MiB a thread more.

        Raises
        ------
        DataError
            If there are no samples, too few for the ranks, or the memory is less than the chunks
            need.
        MissingDependencyError
            If `decode` is ``"gpu"`` and CuPy or nvCOMP is not installed.
        UsageError
            If a number is out of its range, or the GPU cannot decode the chunks.
        """
        from lepton_jlab.data.stream.batches import batches_of, joined
        from lepton_jlab.data.stream.ranks import share
        from lepton_jlab.data.stream.steps import Mapped, Prepared
        from lepton_jlab.data.stream.stored import Stored

        dataset = self if cache is None else _restore(*self._place, parse_bytes(cache, "cache"))
        room = parse_bytes(memory, "memory")
        how = batch_size, shuffle, seed
        if rank is None and world is None:
            whole = Stored(dataset, *how, 0, 1, drop_remainder, room, shared=True, decode=decode)
            stream = joined(whole, share())
        else:
            stream = Stored(
                dataset, *how, rank or 0, world or 1, drop_remainder, room, decode=decode
            )
        if not self._recipe:
            return batches_of(stream)
        return batches_of(Mapped(stream, Prepared(self._recipe), np.asarray))

    def to_tf(self, batch_size: int | None = None, **options: Any) -> Any:
        """Return a ``tf.data.Dataset`` of batches, or of samples when `batch_size` is None.

        The `options` are those of `batches`.
        """
        if batch_size is not None:
            return self.batches(batch_size, **options).to_tf()
        return self.batches(256, **options).to_tf().unbatch()

    def info(self) -> dict[str, Any]:
        """Describe what is stored: shapes, chunks, codecs and sizes, for ``data info --json``."""
        from lepton_jlab.data.describe import describe

        return describe(self, self._node)

    # ---- how it shows and travels

    def __repr__(self) -> str:
        shapes = ", ".join(f"{c.name} {c.shape[1:]} {c.dtype}" for c in self.arrays.values())
        inside = f"; inside: {', '.join(self.groups)}" if self.groups else ""
        part = " (a split)" if self._parts else ""
        return (
            f"<Dataset {self.name}{part}: {len(self):,} samples; {shapes or 'no arrays'}{inside}>"
        )

    def _repr_html_(self) -> str:
        from lepton_jlab.data.preview import html

        return html(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (*self._place, self._cache, self._recipe)

    @property
    def _place(self) -> tuple[str, str, tuple[Part | Chosen, ...]]:
        return self._where, self._inner, self._parts

    def _like(
        self, parts: tuple[Part | Chosen, ...] | None = None, recipe: Recipe | None = None
    ) -> Dataset:
        """Return the same dataset with other parts or another recipe."""
        return Dataset(
            self._node,
            self._where,
            self._inner,
            self._parts if parts is None else parts,
            self._cache,
            self._recipe if recipe is None else recipe,
        )

    # ---- how it is found out

    @cached_property
    def _schema(self) -> dict[str, Any]:
        schema = self.attrs.get("lepton")
        return schema if isinstance(schema, dict) else {}

    @cached_property
    def _stored(self) -> dict[str, zarr.Array[Any]]:
        if hasattr(self._node, "arrays"):
            return dict(sorted(self._node.arrays()))
        return {"x": self._node}  # a single array

    @cached_property
    def _roles(self) -> dict[str, str]:
        return find_roles(self.path, self._schema, self._stored)

    @cached_property
    def _members(self) -> Mapping[str, zarr.Array[Any]]:
        return find_members(self.path, self._roles, self._stored)

    @cached_property
    def _rows(self) -> NDArray[np.int64] | None:
        if not self._parts or not self._members:
            return None
        rows = np.arange(next(iter(self._members.values())).shape[0])
        for part in self._parts:
            rows = part.choose(rows, self._read)
        return rows

    def _read(self, name: str, rows: NDArray[np.int64]) -> NDArray[Any]:
        return Column(name, self._members[name], rows)[:]

    def _by_role(self, role: str) -> Column:
        if role in self.roles:
            return self.arrays[self.roles[role]]
        raise NotFoundError(
            f"{self.name} has no array with the role {role!r}. Its arrays: "
            f"{', '.join(self.arrays) or 'none'}; use ds.arrays[…]."
        )


def open_dataset(
    path: str | os.PathLike[str], *, cache: str | int | None = None, version: str | None = None
) -> Dataset:
    """Open a Zarr group or array as a dataset.

    Parameters
    ----------
    path
        A folder, a zip file, or a URL (``https://``, ``s3://``, ``gs://``); Zarr v2 or v3, any
        codec, also what xarray wrote. ``name.zarr/test`` opens a dataset inside another.
    cache
        Keep what is read of a dataset behind a URL, or on another disk, on that of the cache, up to
        this size, such as ``"10GiB"``; 0 for no copies, None: as ``lepton_tiers.toml`` says.
    version
        Name of a version made by ``%lepton data snapshot``; of an Icechunk repository a tag, a
        branch or a snapshot. As it is now when None.

    Raises
    ------
    NotFoundError
        If there is nothing of that name, or no such version.
    DataError
        If what is there is not a Zarr dataset.
    MissingDependencyError
        If the URL needs a library that is not installed.
    UsageError
        If `cache` is not a size.
    """
    if version is not None:
        path = _version(address(path), version)
    kept = cache if cache is None or cache == 0 else parse_bytes(cache, "cache")
    return _restore(address(path), "", (), kept)


def _version(where: str, version: str) -> str:
    """Return the address of a version."""
    from lepton_jlab.data.repository import MARK, is_remote_repository, is_repository
    from lepton_jlab.data.storage import version_folder

    found = is_remote_repository(where) if is_url(where) else is_repository(Path(where))
    return f"{where}{MARK}{version}" if found else version_folder(where, version)


def _restore(
    where: str,
    inner: str,
    parts: tuple[Part | Chosen, ...],
    cache: int | None = None,
    recipe: Recipe | None = None,
) -> Dataset:
    node = open_node(where, cache)
    if inner:
        if inner not in node:
            raise NotFoundError(f"No dataset {inner!r} in {where}.")
        node = node[inner]
    return Dataset(node, where, inner, parts, cache, recipe)
