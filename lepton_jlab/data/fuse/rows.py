"""Numbers of samples in a document: what they differ by, compressed."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def packed(rows: NDArray[np.int64]) -> str:
    """Return numbers as text; a few bytes where most follow each other."""
    steps = np.diff(rows, prepend=0).astype("<i8")
    return base64.b64encode(zlib.compress(steps.tobytes(), 9)).decode()


def unpacked(text: str) -> NDArray[np.int64]:
    """Return what `packed` took."""
    steps = np.frombuffer(zlib.decompress(base64.b64decode(text)), "<i8")
    return np.cumsum(steps).astype(np.int64)
