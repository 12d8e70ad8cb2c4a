"""Where the messages of each topic come from: its whole state first, then what changes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from lepton_jlab.errors import LeptonError
from lepton_jlab.server.frames import Frame
from lepton_jlab.server.views import about, clusters, models, runs

if TYPE_CHECKING:
    from lepton_jlab.server.hub import Hub

log = logging.getLogger("lepton.server")

_TAIL = 256 * 1024  # bytes of output that a page gets at first; more by REST
_ROWS = 2000
_PAGE = 50


class Feed:
    """One topic, while somebody has subscribed to it.

    `full` and every `publish` happen under one lock and reach the event loop in that order, so a
    page that gets the state misses no change after it.
    """

    def __init__(self, topic: str, hub: Hub) -> None:
        self.topic = topic
        self.hub = hub
        self.lock = threading.Lock()

    def tell(self, first: Callable[[Frame], None]) -> None:
        """Have `first` called on the event loop with the whole state."""

        def work() -> None:
            with self.lock:
                try:
                    frame = Frame(self.topic, self.full())
                except LeptonError as error:
                    frame = Frame("error", {"message": str(error), "about": self.topic})
                except Exception:
                    log.exception("the state of %r cannot be told", self.topic)
                    message = f"{self.topic} cannot be shown; the log says why."
                    frame = Frame("error", {"message": message, "about": self.topic})
                self.hub.soon(first, frame)

        self.hub.pool.submit(work, waiting=None)

    def full(self) -> dict[str, Any]:
        """Return the whole state; called with the lock held, in a thread."""
        raise NotImplementedError

    def poke(self) -> None:
        """Look at once whether something has changed."""

    def close(self) -> None:
        """End it."""


class Polled(Feed):
    """A topic that is looked at now and then, and told when it is not what it was."""

    def __init__(
        self, topic: str, hub: Hub, read: Callable[[], dict[str, Any]], interval: float | None
    ) -> None:
        super().__init__(topic, hub)
        self._read = read
        self._interval = interval
        self._last = ""
        self._ended = False
        self._poked = threading.Event()
        name = f"lepton-{topic}"
        threading.Thread(target=self._look, name=name, daemon=True).start()

    def full(self) -> dict[str, Any]:
        return self._read()

    def poke(self) -> None:
        self._poked.set()

    def close(self) -> None:
        self._ended = True
        self._poked.set()

    def _look(self) -> None:
        while True:
            self._poked.wait(self._interval)
            self._poked.clear()
            if self._ended:
                return
            with self.lock:
                try:
                    frame = Frame(self.topic, self._read())
                except LeptonError:
                    continue
                if frame.text != self._last:
                    self._last = frame.text
                    self.hub.publish(frame)
            time.sleep(0.1)  # what changes in this time is told together


class Resources(Feed):
    """Samples of the machine, as they are taken."""

    def __init__(self, hub: Hub) -> None:
        super().__init__("resources", hub)
        hub.lab.sampler.follow(self._take)

    def full(self) -> dict[str, Any]:
        return {"history": self.hub.lab.sampler.history()}

    def close(self) -> None:
        self.hub.lab.sampler.unfollow(self._take)

    def _take(self, sample: dict[str, Any]) -> None:
        with self.lock:
            self.hub.publish(Frame(self.topic, {"sample": sample}))


class Runs(Feed):
    """Summaries of the newest runs, then of those that change."""

    def __init__(self, hub: Hub) -> None:
        super().__init__("runs", hub)
        hub.runs.add(self._changed)

    def full(self) -> dict[str, Any]:
        found = runs.list_some(self.hub.lab, limit=_PAGE)
        return {"runs": found["runs"], "counts": found["counts"], "full": True}

    def close(self) -> None:
        self.hub.runs.remove(self._changed)

    def _changed(self, ids: set[str]) -> None:
        from lepton_jlab.runs import listing

        with self.lock:
            rows = [runs.located(self.hub.lab, one) for one in listing.summaries(ids)]
            data = {"runs": rows, "counts": listing.counts(), "full": False}
            self.hub.publish(Frame(self.topic, data))


class OneRun(Feed):
    """A run with its history and output, then what is new of them."""

    def __init__(self, topic: str, hub: Hub) -> None:
        super().__init__(topic, hub)
        self._id = topic.removeprefix("run/")
        self._run: Any = None
        self._rows: Any = None
        self._messages: Any = None
        hub.runs.add(self._changed)

    def full(self) -> dict[str, Any]:
        from lepton_jlab.runs import history
        from lepton_jlab.runs.history import HistoryReader
        from lepton_jlab.runs.records import folder
        from lepton_jlab.runs.transcript import TranscriptReader

        if self._run is not None:
            self._tell_new()
        self._run = runs.one(self._id)
        place = folder(int(self._id[1:]))
        reader = HistoryReader(place)
        messages = self._run.messages(tail=_TAIL)
        if self._rows is None:
            rows = reader.new()
            following = messages[-1]["seq"] + 1 if messages else 0
            self._rows, self._messages = reader, TranscriptReader(place, following)
        else:  # no more than the others know: all are told the rest by the next look
            rows = reader.new(self._rows.offset)
            messages = [m for m in messages if m["seq"] < self._messages.next]
        return {
            "run": runs.located(self.hub.lab, self._run.info()),
            "history": history.table(history.by_step(rows), _ROWS),
            "messages": messages,
            "full": True,
        }

    def close(self) -> None:
        self.hub.runs.remove(self._changed)

    def _changed(self, ids: set[str]) -> None:
        if self._id in ids:
            with self.lock:
                if self._run is not None:
                    self._tell_new()

    def _tell_new(self) -> None:
        from lepton_jlab.runs import history

        data = {
            "run": runs.located(self.hub.lab, self._run.info()),
            "history": history.table(history.by_step(self._rows.new())),
            "messages": self._messages.new(),
            "full": False,
        }
        self.hub.publish(Frame(self.topic, data))


def make(topic: str, hub: Hub) -> Feed:
    """Make the feed of a topic."""
    if topic == "resources":
        return Resources(hub)
    if topic == "runs":
        return Runs(hub)
    if topic.startswith("run/"):
        return OneRun(topic, hub)
    polled: dict[str, tuple[Callable[..., dict[str, Any]], float | None]] = {
        "clusters": (partial(clusters.list_all, patience=None), 1.0),  # nobody waits for it
        "tasks": (about.tasks, None),
        "idle": (about.idle, 5.0),
        "models": (models.list_all, 3.0),
        "endpoints": (models.endpoints, 3.0),
    }
    read, interval = polled[topic]
    return Polled(topic, hub, partial(read, hub.lab), interval)
