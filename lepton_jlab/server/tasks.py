"""Long operations that a browser starts: followed, cancelled, and remembered for an hour."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from lepton_jlab.errors import LeptonError, NotFoundError
from lepton_jlab.server.pools import Pool

State = Literal["running", "done", "failed", "cancelled"]
Work = Callable[["Task"], Any]

_KEPT = 3600.0  # seconds after its end
_MOST = 200  # ended tasks
_OFTEN = 0.2  # seconds between two reports of progress
_WAITING = 32
_GRACE = 20.0  # seconds for what is cancelled to remove what it has written


class CancelledByUser(KeyboardInterrupt):
    """Ends a long operation from within, as Ctrl-C does in a notebook."""


@dataclass(eq=False)
class Task:
    """One long operation. Times are in seconds since the epoch; `progress` is a share, 0 to 1."""

    id: str
    kind: str
    title: str
    changed: Callable[[], None] = field(repr=False)
    state: State = "running"
    progress: float | None = None
    text: str = "waiting for its turn"
    result: Any = None
    error: dict[str, Any] | None = None
    started: float = field(default_factory=time.time)
    ended: float | None = None
    cancelled: bool = False
    _told: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the document that browsers get."""
        keys = ("id", "kind", "title", "state", "progress", "text", "result", "error")
        document = {key: getattr(self, key) for key in keys}
        return {**document, "started": self.started, "ended": self.ended}

    def report(self, text: str, share: float | None = None) -> None:
        """Say how far it is; raises `CancelledByUser` once it is to end.

        Pass it as ``progress`` to what takes one line, and `report_part` to what counts.
        """
        if self.cancelled:
            raise CancelledByUser
        self.text, self.progress = text, share
        if time.monotonic() - self._told > _OFTEN:
            self._told = time.monotonic()
            self.changed()

    def report_part(self, done: int, total: int, text: str) -> None:
        """Say what of how much is done."""
        self.report(text, min(1.0, done / total) if total else None)

    def apart(self, function: str, arguments: dict[str, Any]) -> Any:
        """Call ``module:function`` in a new process, which a cancellation interrupts."""
        from lepton_jlab.models.apart import call

        return call(function, arguments, self.report_part, grace=_GRACE)


class Tasks:
    """The tasks of a server.

    Parameters
    ----------
    changed : callable
        Called, in any thread, when one has changed.
    threads : int
        How many are done at a time.
    """

    def __init__(self, changed: Callable[[], None], threads: int = 4) -> None:
        self._changed = changed
        self._pool = Pool("task", threads)
        self._tasks: dict[str, Task] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def start(self, kind: str, title: str, work: Work) -> Task:
        """Begin `work`, which is given the task to report to and returns its result."""
        self._forget_old()
        task = Task(f"t{next(self._numbers)}", kind, title, self._changed)
        self._pool.submit(lambda: self._do(task, work), _WAITING)
        with self._lock:
            self._tasks[task.id] = task
        self._changed()
        return task

    def all(self) -> list[Task]:
        """Return the tasks, oldest first."""
        self._forget_old()
        with self._lock:
            return list(self._tasks.values())

    def get(self, key: str) -> Task:
        """Return a task by its id; NotFoundError where there is none."""
        with self._lock:
            task = self._tasks.get(key)
        if task is None:
            raise NotFoundError(
                f"No task {key!r}. It may have ended more than an hour ago, or the server was "
                "started again since."
            )
        return task

    def cancel(self, key: str) -> Task:
        """Have a task end as soon as it reports its progress."""
        task = self.get(key)
        if task.state == "running":
            task.cancelled = True
            task.text = "being cancelled"
            self._changed()
        return task

    def cancel_all(self) -> None:
        """Cancel what is under way, when the server ends."""
        for task in self.all():
            task.cancelled = True

    def _do(self, task: Task, work: Work) -> None:
        try:
            task.report("")
            result = work(task)
        except CancelledByUser:
            self._end(task, "cancelled", text="cancelled")
        except LeptonError as error:
            self._end(task, "failed", error=described(error))
        except Exception as error:  # noqa: BLE001 (the user is told, whatever it was)
            message = f"{type(error).__name__}: {error}"
            self._end(task, "failed", error={"kind": "Error", "message": message})
        else:
            self._end(task, "done", progress=1.0, result=result)

    def _end(self, task: Task, state: State, **more: Any) -> None:
        for key, value in more.items():
            setattr(task, key, value)
        task.ended = time.time()
        task.state = state
        self._changed()

    def _forget_old(self) -> None:
        with self._lock:
            ended = [task for task in self._tasks.values() if task.ended is not None]
            old = [task for task in ended if time.time() - (task.ended or 0) > _KEPT]
            for task in {*old, *ended[: max(0, len(ended) - _MOST)]}:
                del self._tasks[task.id]


def described(error: LeptonError) -> dict[str, Any]:
    """Return an error as browsers get it."""
    return {"kind": type(error).__name__, "message": str(error), "forcible": error.forcible}
