"""Errors a user meets: each names the thing, what is wrong with it, and the next step."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Self


class LeptonError(Exception):
    """Anything that Lepton refuses or could not do, in one sentence a user can act on.

    Attributes
    ----------
    forcible
        Whether the same call would go on with ``force=True``, and something be lost by it.
    """

    forcible = False

    def unless_forced(self) -> Self:
        """Mark it as forcible, and return it."""
        self.forcible = True
        return self


class UsageError(LeptonError, ValueError):
    """The words or values given are wrong; nothing was started or changed."""


class NotFoundError(LeptonError, LookupError):
    """No cluster, run, dataset or value of that name."""


class ClusterError(LeptonError, RuntimeError):
    """A cluster could not be started, reached or changed."""


class RunError(LeptonError, RuntimeError):
    """A run failed, was lost or cannot give what was asked of it."""


class DataError(LeptonError, ValueError):
    """A dataset or a source of data cannot be read or written as asked."""


class MissingDependencyError(LeptonError, ImportError):
    """An optional library is not installed; the message has its install line."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} is not installed. Install it: pip install 'lepton_jlab[{extra}]'")


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the known word nearest to `word`, or ``""``."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""
