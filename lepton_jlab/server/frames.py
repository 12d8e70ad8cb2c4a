"""Messages of the websocket, joined where a browser is slow to take them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lepton_jlab.server.plain import dumps

_LONGEST = 2 * 2**20  # characters that may wait for one browser on one topic


@dataclass(slots=True)
class Frame:
    """One message: what it says and, made once for all browsers, its text."""

    topic: str
    data: dict[str, Any]
    text: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.text:
            self.text = dumps({"topic": self.topic, "data": self.data})


Join = Callable[[list[Frame], Frame], list[Frame] | None]
"""Given what waits and what is new, returns what waits now; None when all must be told anew."""


def newest(_waiting: list[Frame], new: Frame) -> list[Frame]:
    """Join messages that each say everything."""
    return [new]


def samples(waiting: list[Frame], new: Frame) -> list[Frame]:
    """Join samples: the history, and then the newest one."""
    return [*(frame for frame in waiting[:1] if "history" in frame.data), new]


def runs(waiting: list[Frame], new: Frame) -> list[Frame]:
    """Join changes of runs: each run as it was last."""
    if not waiting or new.data["full"]:
        return [new]
    [before] = waiting
    changed = {run["id"]: run for run in (*before.data["runs"], *new.data["runs"])}
    data = {**new.data, "runs": list(changed.values()), "full": before.data["full"]}
    return [Frame(new.topic, data)]


def followed(waiting: list[Frame], new: Frame) -> list[Frame] | None:
    """Queue what a run says, up to a length."""
    if sum(len(frame.text) for frame in waiting) + len(new.text) > _LONGEST and waiting:
        return None
    return [*waiting, new]


def join_of(topic: str) -> Join:
    """Return how messages of a topic are joined."""
    if topic.startswith("run/"):
        return followed
    return {"runs": runs, "resources": samples, "error": followed}.get(topic, newest)
