"""Splits of a dataset: drawn at random, disjoint, together the whole, the same everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lepton_jlab.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Part(NamedTuple):
    """How a split chose its samples; with the address it is all that a process needs to know."""

    shares: tuple[float, ...]
    which: int
    seed: int

    def choose(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return this part's share of `rows`, ascending."""
        ends = np.rint(np.cumsum((0.0, *self.shares)) * len(rows)).astype(np.int64)
        ends[-1] = len(rows)  # thirds given as 0.333333 must not lose a sample
        mixed = np.random.default_rng([self.seed, len(rows)]).permutation(len(rows))
        return np.sort(rows[mixed[ends[self.which] : ends[self.which + 1]]])


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
