"""`lepton.log`: what a run measures, told by hand."""

from __future__ import annotations

import operator
from typing import Any, Protocol, SupportsFloat, SupportsIndex

from lepton_jlab.errors import UsageError


class Recorder(Protocol):
    """What keeps the metrics of the run that this process executes."""

    def log(self, values: dict[str, float], step: int | None) -> None:
        """Keep `values`, at `step` or at the number of this call."""


_recorder: Recorder | None = None


def record_with(recorder: Recorder | None) -> None:
    """Make `recorder` the one that `log` and Keras report to; `None` for none."""
    global _recorder
    _recorder = recorder


def recorder() -> Any:
    """Return what the run of this process is recorded with, or `None` outside a run."""
    return _recorder


def log(step: SupportsIndex | None = None, **metrics: SupportsFloat) -> None:
    """Record metrics of the run that calls this; outside a run nothing happens.

    Parameters
    ----------
    step
        Where the values belong on the horizontal axis. By default the number of calls so far.
    **metrics
        Names and single numbers: Python's, numpy scalars, tensors of shape ``()``.

    Raises
    ------
    UsageError
        A value is not a single number, or `step` is not a whole one.

    Examples
    --------
    >>> import lepton_jlab as lepton
    >>> for loss in (0.9, 0.5, 0.3):
    ...     lepton.log(loss=loss)
    """
    if _recorder is not None:
        _recorder.log(
            {name: _number(name, value) for name, value in metrics.items()},
            None if step is None else _whole(step),
        )


def _number(name: str, value: SupportsFloat) -> float:
    if not isinstance(value, (str, bytes, bytearray)):
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            pass
    raise UsageError(
        f"lepton.log({name}=…): a metric is one number, and this is {_described(value)}. "
        "Reduce it first, for instance to its mean."
    )


def _whole(step: SupportsIndex) -> int:
    try:
        return operator.index(step)
    except TypeError:
        raise UsageError(
            f"lepton.log(step=…): a step is a whole number, and this is {_described(step)}."
        ) from None


def _described(value: object) -> str:
    shape = getattr(value, "shape", None)
    of_shape = "" if shape is None else f" of shape {tuple(shape)}"
    return f"a {type(value).__name__}{of_shape}"
