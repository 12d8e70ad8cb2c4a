"""Images: what is broken about one by its looks, what is like another, and how much so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.prepare.recipe import Resize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

SIDE = 32  # pixels, of what is compared
WAVES = 10  # of each direction, of which a perceptual hash consists
NOISE = 0.25  # neighbours in pictures have correlations of 0.6 and more, in noise of 0
BAND = 0.2  # of the height or width
DISTINCT = 0.08  # of the span of values: darker shades of a background are background
RADIUS = 0.2  # between perceptual hashes of unit length: what is looked at closer
ALIKE = 0.0015  # of the variance may remain unexplained between near duplicates
SHIFT = 2  # pixels


@dataclass(frozen=True, slots=True)
class Looks:
    """What the images of a dataset usually look like, from a part of them.

    Attributes
    ----------
    background
        The value most borders have; nan where they have none in common.
    smooth
        Whether neighbouring pixels are alike, as in pictures.
    span
        Between the lowest and the highest value.
    """

    background: float
    smooth: bool
    span: float

    @classmethod
    def of(cls, images: NDArray[Any]) -> Looks:
        """Look at images of shape ``(samples, height, width[, channels])``."""
        grey = gray(images)
        values, counts = np.unique(_border(grey).round(3), return_counts=True)
        common = counts.max() > 0.2 * counts.sum()
        likeness = neighbours(grey)
        return cls(
            float(values[counts.argmax()]) if common else float("nan"),
            bool(np.nanmedian(likeness) > 2 * NOISE) if np.isfinite(likeness).any() else False,
            float(grey.max() - grey.min()),
        )


def gray(images: NDArray[Any]) -> Floats:
    """Return shape ``(samples, height, width)``; what is not finite becomes 0."""
    made = images if images.ndim == 3 else images.mean(axis=3, dtype=np.float32)
    return np.nan_to_num(made.astype(np.float32), nan=0, posinf=0, neginf=0)


def broken(images: NDArray[Any], looks: Looks) -> dict[int, str]:
    """Return reasons by place, of images that are noise or lack a part."""
    grey = gray(images)
    reasons = {}
    for axis, words in ((1, "lines"), (2, "columns")):
        for place, (count, value) in _bands(grey, axis, looks).items():
            reasons[place] = f"{count} of {grey.shape[axis]} {words} have the one value {value:g}"
    if looks.smooth:
        likeness = neighbours(grey)
        for place in np.flatnonzero(likeness < NOISE).tolist():
            reasons.setdefault(
                place, f"noise: neighbouring pixels correlate by {likeness[place]:.2f}"
            )
    return reasons


def neighbours(grey: Floats) -> Floats:
    """Return how much neighbouring pixels correlate; nan where an image has one value only."""
    centred = grey - grey.mean(axis=(1, 2), keepdims=True)
    spread = (centred**2).mean(axis=(1, 2))
    across = (centred[:, :, 1:] * centred[:, :, :-1]).mean(axis=(1, 2))
    down = (centred[:, 1:] * centred[:, :-1]).mean(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        made: Floats = np.where(spread > 0, (across + down) / (2 * spread), np.nan)
    return made


def _bands(grey: Floats, axis: int, looks: Looks) -> dict[int, tuple[int, float]]:
    """Find images whose first or last lines have one value, which is not the background's."""
    lines = grey if axis == 1 else grey.transpose(0, 2, 1)
    flat = lines.max(axis=2) == lines.min(axis=2)
    least = max(2, round(BAND * lines.shape[1]))
    found = {}
    for backwards in (False, True):
        ordered = lines[:, ::-1] if backwards else lines
        same = (flat[:, ::-1] if backwards else flat) & (ordered[..., 0] == ordered[:, :1, 0])
        counts = np.where(same.all(axis=1), 0, (~same).argmax(axis=1))  # all: it is constant
        for place in np.flatnonzero(counts >= least):
            value = float(ordered[place, 0, 0])
            # Without a usual background a uniform edge, such as the sky, says nothing.
            if abs(value - looks.background) > DISTINCT * looks.span:  # False for nan
                found[int(place)] = (int(counts[place]), value)
    return found


def _border(grey: Floats) -> Floats:
    edges = [grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]]
    return np.concatenate(edges, axis=1)


def small(images: NDArray[Any]) -> Floats:
    """Return grey images of at most 32 by 32 pixels."""
    grey = gray(images)
    size = min(SIDE, grey.shape[1]), min(SIDE, grey.shape[2])
    return grey if grey.shape[1:] == size else Resize(*size)(grey)


def perceptual(images: NDArray[Any]) -> NDArray[np.float16]:
    """Return perceptual hashes, shape ``(samples, 99)``: the lowest waves of the centred image.

    They are those of pHash before it takes their signs, of unit length; zeros for an image of one
    value. Centring by its mass makes a hash indifferent to small shifts.
    """
    grey = small(images)
    height, width = grey.shape[1:]
    level = np.median(_border(grey), axis=1)[:, None, None]
    mass = (grey - level) ** 2 + 1e-3 * grey.var(axis=(1, 2), keepdims=True) + 1e-9
    total = mass.sum(axis=(1, 2))
    row = (mass.sum(axis=2) @ np.arange(height)) / total - (height - 1) / 2
    column = (mass.sum(axis=1) @ np.arange(width)) / total - (width - 1) / 2
    turns = row[:, None, None] * np.fft.fftfreq(height)[:, None] + column[
        :, None, None
    ] * np.fft.rfftfreq(width)
    waves = np.fft.rfft2(grey - level) * np.exp(2j * np.pi * turns)
    centred = np.fft.irfft2(waves, s=(height, width)).astype(np.float32)
    made = (_cosines(height) @ centred @ _cosines(width).T).reshape(len(grey), -1)[:, 1:]
    length = np.linalg.norm(made, axis=1, keepdims=True)
    flat = grey.max(axis=(1, 2)) == grey.min(axis=(1, 2))
    made = np.where(flat[:, None] | (length == 0), 0, made / np.maximum(length, 1e-12))
    return made.astype(np.float16)


def _cosines(count: int) -> Floats:
    waves, places = np.arange(min(WAVES, count))[:, None], np.arange(count) + 0.5
    made: Floats = (np.cos(np.pi * waves * places / count) * np.sqrt(2 / count)).astype(np.float32)
    return made


def unlikeness(left: NDArray[Any], right: NDArray[Any]) -> Floats:
    """Return what of the variance between pairs of images remains after the best small shift.

    Brightness and contrast do not count, nor does fine noise: both are smoothed first.
    """
    first, second = _smooth(small(left)), _smooth(small(right))
    best = np.full(len(first), 2.0, np.float32)
    for down in range(-SHIFT, SHIFT + 1):
        for across in range(-SHIFT, SHIFT + 1):
            own, other = _overlap(first, down, across), _overlap(second, -down, -across)
            best = np.minimum(best, 1 - np.einsum("ij,ij->i", _standard(own), _standard(other)))
    return np.maximum(best, 0)


def _overlap(grey: Floats, down: int, across: int) -> Floats:
    """Return what two images have in common of the first, if the other is moved so far.

    Less a line around it, into which smoothing has brought what they have not in common.
    """
    _, height, width = grey.shape
    vertical, horizontal = int(down != 0), int(across != 0)
    rows = slice(max(0, down) + vertical, height + min(0, down) - vertical)
    columns = slice(max(0, across) + horizontal, width + min(0, across) - horizontal)
    return grey[:, rows, columns]


def _smooth(grey: Floats) -> Floats:
    for axis in (1, 2):
        padded = np.pad(grey, [(1, 1) if axis == a else (0, 0) for a in range(3)], mode="edge")
        count = padded.shape[axis]
        parts = [np.take(padded, range(i, count - 2 + i), axis) for i in range(3)]
        grey = (parts[0] + 2 * parts[1] + parts[2]) * np.float32(0.25)
    return grey


def _standard(grey: Floats) -> Floats:
    flat = grey.reshape(len(grey), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    made: Floats = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return made
