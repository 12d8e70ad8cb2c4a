"""Rounds floats to within a given error, so that they compress and any reader can read them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton_jlab.data.sources import Samples


def check_max_error(max_error: float) -> None:
    """Refuse an error bound that is none.

    Raises
    ------
    UsageError
        If it is not a number above 0.
    """
    if isinstance(max_error, bool) or not (math.isfinite(max_error) and max_error > 0):
        raise UsageError(f"--max-error {max_error!r} is not a number above 0, such as 0.01.")


def rounded(values: NDArray[Any], max_error: float) -> NDArray[Any]:
    """Return floats that differ from `values` by `max_error` at most, and end in zero bits.

    They are multiples of a power of two, the largest of which half is within the error: all but
    the leading bits of their mantissas are zero, which shuffling codecs make little of. NaN,
    infinities and negative zero stay as they are, and so do values so large that all of the
    type's numbers there are multiples already.

    Parameters
    ----------
    values
        Array of floats of any shape.
    max_error
        The largest difference, absolute, above 0.
    """
    kind = np.finfo(values.dtype)
    # 2**(exponent - 1) <= max_error: half a step of 2**exponent is within the error.
    exponent = min(math.frexp(max_error)[1], int(kind.maxexp) - 1)
    if exponent <= int(kind.minexp) - int(kind.nmant):
        return values  # finer than anything the type can say
    step = values.dtype.type(math.ldexp(1.0, exponent))
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        result = np.rint(values / step) * step
    result += values.dtype.type(0)  # what became -0.0 becomes 0.0: signs of nothing cost bits
    return np.where(np.isfinite(result) & (values != 0), result, values)


@dataclass(frozen=True, slots=True)
class Rounded:
    """Samples that are rounded as they are read."""

    values: Samples
    max_error: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(samples, …)``."""
        return self.values.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the samples."""
        return self.values.dtype

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        part = self.values[rows]
        return rounded(part.astype(part.dtype.newbyteorder("="), copy=False), self.max_error)
