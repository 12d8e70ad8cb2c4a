"""Who hears of streams while they are iterated: a run records how long its training waited."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lepton_jlab.data.stream.report import StreamReport

INTERVAL = 1.0  # seconds between two reports of one epoch

_watchers: list[Callable[[StreamReport], None]] = []


def watch(watcher: Callable[[StreamReport], None]) -> None:
    """Call `watcher` with a report now and then, and at the end of each epoch of any stream."""
    _watchers.append(watcher)


def watched() -> bool:
    """Whether anybody listens."""
    return bool(_watchers)


def tell(report: StreamReport) -> None:
    """Give a report to all who listen."""
    for watcher in _watchers:
        watcher(report)
