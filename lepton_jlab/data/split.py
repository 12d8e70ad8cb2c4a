"""Splits of a dataset: drawn at random, disjoint, together the whole, the same everywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from lepton_jlab.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows: TypeAlias = NDArray[np.int64]


class Part(NamedTuple):
    """How a split chose its samples; with the address it is all that a process needs to know.

    Attributes
    ----------
    how, by
        ``"stratify"`` or ``"group"``, and the array that says the class or group of a sample.
    """

    shares: tuple[float, ...]
    which: int
    seed: int
    how: str = ""
    by: str = ""

    def choose(self, rows: Rows, read: Callable[[str, Rows], NDArray[Any]]) -> Rows:
        """Return this part's share of `rows`, ascending; `read` gives an array's values there."""
        mixed = np.random.default_rng([self.seed, len(rows)]).permutation(len(rows))
        if self.how == "group":
            groups = np.unique(_keys(read(self.by, rows), self.by), return_inverse=True)[1]
            return rows[self._of_groups(groups, mixed)]
        if self.how == "stratify":
            classes = np.unique(_keys(read(self.by, rows), self.by), return_inverse=True)[1]
            own = [self._cut(mixed[classes[mixed] == number]) for number in np.unique(classes)]
            return np.sort(rows[np.concatenate(own)]) if own else rows
        return np.sort(rows[self._cut(mixed)])

    def identity(self) -> list[Any]:
        """Return it as JSON has it."""
        plain = [list(self.shares), self.which, self.seed]
        return [*plain, self.how, self.by] if self.how else plain

    def _cut(self, mixed: Rows) -> Rows:
        ends = np.rint(np.cumsum((0.0, *self.shares)) * len(mixed)).astype(np.int64)
        ends[-1] = len(mixed)  # thirds given as 0.333333 must not lose a sample
        own: Rows = mixed[ends[self.which] : ends[self.which + 1]]
        return own

    def _of_groups(self, groups: Rows, mixed: Rows) -> NDArray[np.bool_]:
        """Deal whole groups, the largest first, each to the part that lacks most."""
        sizes = np.bincount(groups)
        order = np.unique(groups[mixed], return_index=True)[1].argsort()  # in the order of `mixed`
        lacking = np.array(self.shares) * len(groups)
        own = np.zeros(len(sizes), np.bool_)
        for group in order[np.argsort(-sizes[order], kind="stable")]:
            part = int(lacking.argmax())
            lacking[part] -= sizes[group]
            own[group] = part == self.which
        chosen: NDArray[np.bool_] = own[groups]
        return chosen


class Chosen(NamedTuple):
    """Samples chosen by their numbers, ascending."""

    rows: Rows

    def choose(self, rows: Rows, _read: Callable[[str, Rows], NDArray[Any]]) -> Rows:
        """Return those of `rows` that have these places."""
        return rows[self.rows]

    def identity(self) -> list[Any]:
        """Return how many they are and a digest of which, as JSON has it."""
        return [len(self.rows), hashlib.sha256(self.rows.tobytes()).hexdigest()[:16]]


def _keys(values: NDArray[Any], name: str) -> NDArray[Any]:
    """Return one key a sample.

    Raises
    ------
    UsageError
        If samples have several values, or real numbers.
    """
    flat = values.reshape(len(values), -1)
    if flat.shape[1] > 1 and flat.dtype.kind in "biuf":
        chosen = flat == 1
        if (chosen.sum(1) == 1).all() and not flat[~chosen].any():  # one hot
            return np.asarray(flat.argmax(1))
    if flat.shape[1] != 1 or flat.dtype.kind == "f":
        raise UsageError(
            f"{name!r} has no class or group for each sample: {values.dtype} of {values.shape[1:]}."
        )
    keys = flat[:, 0]
    return keys.astype(object) if keys.dtype.kind == "T" else keys


def shares_of(share: float | None, shares: Mapping[str, float]) -> dict[str, float]:
    """Return the shares by name, of which a single one is that of ``train``.

    Raises
    ------
    UsageError
        If they are not positive or their sum is not 1.
    """
    if (share is None) == (not shares):
        raise UsageError("Give split either one share, 0.8, or named ones: train=0.8, val=0.2.")
    if share is not None:
        shares = {"train": share, "val": 1 - share}
    if min(shares.values()) <= 0 or abs(sum(shares.values()) - 1) > 1e-6:
        given = ", ".join(f"{name}={value:g}" for name, value in shares.items())
        raise UsageError(f"The shares of a split must be positive with sum 1; given: {given}.")
    return dict(shares)
