"""The one thread of a process that lets its open panels look again, as long as there are any."""

from __future__ import annotations

import threading
from typing import Protocol

TICK = 0.5  # s between two looks


class Beating(Protocol):
    """What wants to look again; it shows its own errors and raises none."""

    def beat(self) -> None: ...


_lock = threading.Lock()
_wake = threading.Event()
_open: dict[int, Beating] = {}
_thread: threading.Thread | None = None


def begin(panel: Beating) -> None:
    """Let `panel` beat from now on."""
    global _thread
    with _lock:
        _open[id(panel)] = panel
        if _thread is None:
            _thread = threading.Thread(target=_run, name="lepton-panel", daemon=True)
            _thread.start()


def end(panel: Beating) -> None:
    """Let `panel` beat no more; the thread ends with the last one."""
    with _lock:
        _open.pop(id(panel), None)
    _wake.set()


def _run() -> None:
    global _thread
    while True:
        with _lock:
            if not _open:
                _thread = None
                return
            panels = list(_open.values())
        for panel in panels:
            panel.beat()
        _wake.wait(TICK)
        _wake.clear()
