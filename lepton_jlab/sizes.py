"""Sizes in bytes, as people write them: ``"512MiB"``, ``"10 GB"`` or a number."""

from __future__ import annotations

import re

from lepton_jlab.errors import UsageError

_PREFIXES = "kmgtp"
_WRITTEN = re.compile(rf"\s*(\d+\.?\d*|\.\d+)\s*(?:([{_PREFIXES}])(i?))?b?\s*", re.IGNORECASE)


def parse_bytes(value: str | int, what: str) -> int:
    """Return the number of bytes in ``"10GiB"`` (powers of 1024), ``"10GB"`` (of 1000) or `value`.

    Parameters
    ----------
    value
        An amount with or without a unit, which is bytes if it is left out.
    what
        What is being set, as the user wrote it: ``"cache"``.

    Raises
    ------
    UsageError
        If `value` is not an amount of at least one byte; it names `what`.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        amount = value
    else:
        written = _WRITTEN.fullmatch(value) if isinstance(value, str) else None
        amount = _amount(*written.groups()) if written else 0
    if amount < 1:
        raise UsageError(f"{what} {value!r} is not a size. Write it as 512MiB, 10GB or in bytes.")
    return amount


def _amount(number: str, prefix: str | None, binary: str | None) -> int:
    power = _PREFIXES.index(prefix.lower()) + 1 if prefix else 0
    return int(float(number) * (1024 if binary else 1000) ** power)
