"""Hears from all cluster hosts which runs have changed, in one thread, while somebody listens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import suppress
from typing import Any

from lepton_jlab.errors import LeptonError

Listener = Callable[[set[str]], None]

_PATIENCE = 10.0  # seconds that a host may take to say that nothing has changed
_REST = 0.2  # seconds between two looks while much changes
_LOOK = 0.5  # seconds between two looks for new clusters


class RunsWatch:
    """Tells listeners the ids of runs that have changed, a few times a second at most."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._questions: dict[tuple[str, int], Future[Any]] = {}  # by name and pid of the host
        self._numbers: dict[tuple[str, int], int] = {}
        self._active: set[str] = set()  # runs that had not ended when last looked at

    def add(self, listener: Listener) -> None:
        """Begin to tell `listener`, in the watch's own thread."""
        with self._lock:
            self._listeners = [*self._listeners, listener]
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._watch, name="lepton-watch", daemon=True
                )
                self._thread.start()

    def remove(self, listener: Listener) -> None:
        """Tell it nothing more; without listeners the thread ends and hosts are not asked."""
        with self._lock:
            self._listeners = [one for one in self._listeners if one != listener]

    def _watch(self) -> None:
        while True:
            with self._lock:
                listeners = self._listeners
                if not listeners:
                    self._thread = None
                    return
            begun = time.monotonic()
            if changed := self._changed():
                for listener in listeners:
                    listener(changed)
            elif not self._questions:
                time.sleep(_LOOK)
            time.sleep(max(0.0, _REST - (time.monotonic() - begun)))

    def _changed(self) -> set[str]:
        """Return which runs have changed, waiting a little for the first."""
        changed = self._ask_all()
        done, _ = wait(self._questions.values(), _LOOK, FIRST_COMPLETED)
        for host, question in list(self._questions.items()):
            if question in done:
                del self._questions[host]
                changed |= set(self._heard(host, question))
        if changed:
            self._unsettled()
        return changed

    def _ask_all(self) -> set[str]:
        """Ask every host that is not asked yet; return the runs of hosts that have gone."""
        from lepton_jlab.cluster import clusters

        running = {(one.name, one.file["pid"]): one for one in clusters()}
        gone = set(self._numbers) - set(running)
        lost = self._unsettled() if gone else set()
        for host in gone:
            del self._numbers[host]
            if (question := self._questions.pop(host, None)) is not None:
                question.cancel()
        for host in set(running) - set(self._questions):
            with suppress(LeptonError):
                number = self._numbers.setdefault(host, 0)
                self._questions[host] = running[host].channel.ask(
                    "changes", number=number, patience=_PATIENCE
                )
        return lost

    def _heard(self, host: tuple[str, int], question: Future[Any]) -> Iterable[str]:
        try:
            answer = question.result()
        except (LeptonError, CancelledError, OSError):
            return self._unsettled()  # it is ending: what becomes of them is in the records
        self._numbers[host] = answer["number"]
        return self._unsettled() if answer["runs"] is None else answer["runs"][-200:]

    def _unsettled(self) -> set[str]:
        """Return the runs that have not ended, and those that had not at the last look."""
        from lepton_jlab.runs.listing import active

        before, self._active = self._active, set(active())
        return before | self._active
