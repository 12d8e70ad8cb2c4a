"""Faults planted into a dataset, of which it is known where they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Planted:
    """Images with faults, in random order.

    Attributes
    ----------
    x, y
        Images ``(samples, height, width, 1)`` uint8, and their class numbers as given.
    truth
        The class numbers as they should be.
    wrong, broken
        Numbers of the samples with a wrong label, and of those that are broken.
    copies, near
        Numbers of the samples in groups of equal images, and of nearly equal ones, as pairs.
    """

    x: NDArray[np.uint8]
    y: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    wrong: Ints
    broken: Ints
    copies: Ints
    near: Ints


def plant(x: NDArray[np.uint8], y: NDArray[np.uint8], seed: int = 0) -> Planted:
    """Flip 5 % of the labels, add 2 % copies and 2 % near copies, and break 1 %."""
    random = np.random.default_rng(seed)
    count = len(x)
    truth, given = y.astype(np.uint8), y.astype(np.uint8).copy()
    images = x.copy()
    wrong, broken, copied, near = np.split(
        random.permutation(count)[: count // 10],
        np.cumsum([count // 20, count // 100, count // 50]),
    )
    classes = int(y.max()) + 1
    given[wrong] = (given[wrong] + random.integers(1, classes, len(wrong))) % classes
    for number, place in enumerate(broken):
        images[place] = spoilt(images[place], number, random)
    made = [nearly(images[place], number, random) for number, place in enumerate(near)]
    images = np.concatenate([images, images[copied], np.array(made, np.uint8)])
    sources = np.concatenate([np.arange(count), copied, near])
    order = random.permutation(len(images))
    places = np.argsort(order)  # where each has come to lie
    start = count + len(copied)
    return Planted(
        images[order],
        given[sources][order],
        truth[sources][order],
        places[wrong],
        places[broken],
        np.stack([places[copied], places[count:start]], axis=1),
        np.stack([places[near], places[start:]], axis=1),
    )


def spoilt(image: NDArray[Any], number: int, random: np.random.Generator) -> NDArray[Any]:
    """Return noise, one value, or the image with its lower part lost to grey."""
    made = image.copy()
    if number % 3 == 0:
        made[:] = random.integers(0, 256, image.shape)
    elif number % 3 == 1:
        made[:] = random.integers(0, 256)
    else:
        made[random.integers(8, 20) :] = 128
    return made


def nearly(image: NDArray[Any], number: int, random: np.random.Generator) -> NDArray[Any]:
    """Return it noisy, of other brightness and contrast, moved by a pixel, or all of it."""
    made = image.astype(np.float64)
    if number % 4 in (1, 3):
        made = made * random.uniform(0.85, 1.15) + random.uniform(-8, 8)
    if number % 4 in (0, 3):
        made += random.normal(0, 6 if number % 4 == 0 else 4, made.shape)
    if number % 4 in (2, 3):
        made = np.roll(made, random.choice([-1, 1]), axis=random.integers(0, 2))
    changed = np.clip(made.round(), 0, 255).astype(np.uint8)
    if np.array_equal(changed, image):
        changed[0, 0] ^= 1
    return changed
