"""Ranges of numbers that a search may choose from, as they are typed: ``log(1e-4,1e-1)``."""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass
from typing import Literal, cast

from lepton_jlab.errors import suggestion

Kind = Literal["float", "int", "log", "logint"]
KINDS: tuple[Kind, ...] = ("float", "int", "log", "logint")
_CALL = re.compile(r"([A-Za-z_]\w*)\s*\((.*)\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`, both among them.

    Attributes
    ----------
    kind
        ``float`` and ``int`` are even, ``log`` (floats) and ``logint`` even in the logarithm.
    step
        The distance of two neighbours, from `low` on; None for any number (any whole one).
    """

    kind: Kind
    low: float
    high: float
    step: float | None = None

    def __str__(self) -> str:
        """Write it as it is typed, each number exactly."""
        numbers = [self.low, self.high] + [self.step] * (self.step is not None)
        return f"{self.kind}({','.join(map(repr, numbers))})"


def read(text: str) -> Range | None:
    """Read a range; None for what has not the form ``word(…)``.

    Raises
    ------
    ValueError
        What has that form is no range; the message is one sentence about `text`.

    Examples
    --------
    >>> read("log(1e-4, 1e-1)"), read("adam")
    (Range(kind='log', low=0.0001, high=0.1, step=None), None)
    """
    call = _CALL.fullmatch(text.strip())
    if call is None:
        return None
    kind, inside = call[1], call[2]
    if kind not in KINDS:
        raise ValueError(
            f"{text}: there is no range {kind!r}.{suggestion(kind, KINDS)} There are "
            f"{', '.join(KINDS)}; a text like that is written with quotes"
        )
    numbers = [_number(text, part.strip(), whole="int" in kind) for part in inside.split(",")]
    if len(numbers) not in ((2,) if "log" in kind else (2, 3)):
        step = "" if "log" in kind else ", and perhaps a step"
        raise ValueError(f"{text} needs two numbers, the least and the greatest{step}")
    low, high, step_ = (*numbers, None)[:3]
    assert low is not None
    assert high is not None
    if low >= high:
        raise ValueError(f"{text} is empty: its first number must be less than its second")
    if "log" in kind and low <= 0:
        raise ValueError(f"{text} has no logarithm at its lower end: that must be more than 0")
    if step_ is not None and not 0 < step_ <= high - low:
        raise ValueError(f"{text}: its step must be more than 0 and at most {high - low:g}")
    return Range(cast(Kind, kind), low, high, step_)


def _number(text: str, part: str, *, whole: bool) -> float:
    try:
        value = ast.literal_eval(part)
    except (ValueError, SyntaxError):
        value = None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{text}: {part or 'nothing'} is not a number")
    if whole and value != int(value):
        raise ValueError(f"{text}: {part} is not a whole number")
    return int(value) if whole else float(value)
