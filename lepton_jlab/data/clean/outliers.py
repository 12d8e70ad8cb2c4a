"""Outliers: samples far from all others, measured where most of the variance is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.clean import images

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

COMPONENTS = 32
SAMPLE = 1024  # samples that the others are measured by
FEW = 128  # of them, among which most samples have neighbours near enough
NEIGHBOURS = 10
FAR = 6.0  # robust standard deviations of the logarithm of the distance


@dataclass(frozen=True, slots=True)
class Space:
    """Principal components of a sample of the data, and where in them the sample lies.

    The distance to the tenth nearest neighbour is the measure (Ramaswamy et al. 2000); columns are
    scaled by their quartiles first, so that the outliers themselves do not set the scale.
    """

    center: Floats
    width: Floats
    axes: Floats
    held: Floats
    usual: float
    spread: float

    @classmethod
    def of(cls, values: NDArray[Any]) -> Space | None:
        """Make it from some samples, of shape ``(samples, …)``; None where they are too few."""
        flat = flattened(values)
        flat = flat[np.isfinite(flat).all(axis=1)]
        if len(flat) < 10 * NEIGHBOURS:
            return None
        center = np.median(flat, axis=0)
        low, high = np.percentile(flat, [25, 75], axis=0)
        width = (high - low) / 1.349
        rough = flat.std(axis=0)
        width = np.where(width > 0, width, rough)
        if images_like(values):  # pixels share their scale
            width = np.full_like(width, max(float(rough.mean()), 1e-12))
        width = np.where(width > 0, width, 1).astype(np.float32)
        scaled = (flat - center) / width
        shape = (flat.shape[1], flat.shape[1])
        _, vectors = np.linalg.eigh(np.cov(np.clip(scaled, -FAR, FAR), rowvar=False).reshape(shape))
        axes = vectors[:, ::-1][:, :COMPONENTS].astype(np.float32)
        held = (scaled[:: -(-len(scaled) // SAMPLE)] @ axes).astype(np.float32)
        space = cls(center.astype(np.float32), width, axes, held, 0.0, 1.0)
        logs = np.log(_nearest(held, held, NEIGHBOURS + 1))  # each is its own nearest
        usual = float(np.median(logs))
        spread = float(np.median(np.abs(logs - usual))) * 1.4826
        return replace(space, usual=usual, spread=spread)

    def strangeness(self, values: NDArray[Any]) -> Floats:
        """Return how many robust standard deviations too far each sample is; nan if not finite.

        Exact where it is more than `FAR`; else it may be too high, for the neighbours among a few
        are enough to know that it is not.
        """
        flat = flattened(values)
        finite = np.isfinite(flat).all(axis=1)
        placed = (((flat[finite] - self.center) / self.width) @ self.axes).astype(np.float32)
        rough = self._deviations(placed, self.held[:: max(1, len(self.held) // FEW)])
        far = np.flatnonzero(rough > FAR)
        rough[far] = self._deviations(placed[far], self.held)
        made = np.full(len(flat), np.nan, np.float32)
        made[finite] = rough
        return made

    def _deviations(self, placed: Floats, held: Floats) -> Floats:
        logs = np.log(_nearest(placed, held, NEIGHBOURS))
        return ((logs - self.usual) / max(self.spread, 1e-6)).astype(np.float32)


def _nearest(placed: Floats, held: Floats, which: int) -> Floats:
    """Return the distances to the `which` nearest of `held`."""
    made = np.empty(len(placed), np.float32)
    lengths = (held**2).sum(axis=1)
    for start in range(0, len(placed), 2048):
        some = placed[start : start + 2048]
        squares = (some**2).sum(axis=1)[:, None] + lengths - 2 * some @ held.T
        made[start : start + 2048] = np.partition(squares, which - 1, axis=1)[:, which - 1]
    return np.sqrt(np.maximum(made, 1e-12))


def images_like(values: NDArray[Any]) -> bool:
    """Whether samples have axes of height and width."""
    return values.ndim in (3, 4) and min(values.shape[1:3]) >= 8


def flattened(values: NDArray[Any]) -> Floats:
    """Return shape ``(samples, features)``: small grey images, or at most 256 of the values."""
    if images_like(values):
        grey = images.small(values)
        if grey.shape[1] > 16 or grey.shape[2] > 16:
            from lepton_jlab.data.prepare.recipe import Resize

            grey = Resize(min(16, grey.shape[1]), min(16, grey.shape[2]))(grey)
        return grey.reshape(len(grey), -1)
    flat = values.reshape(len(values), -1)
    step = -(-flat.shape[1] // 256)
    return flat[:, ::step].astype(np.float32)
