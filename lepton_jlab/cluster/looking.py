"""What all clusters of this machine are like now, told in a bounded time whoever hangs."""

from __future__ import annotations

import time
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lepton_jlab.cluster import connection
from lepton_jlab.cluster.handle import _handle
from lepton_jlab.errors import ClusterError, LeptonError


@dataclass(slots=True)
class _Question:
    """What a host was asked last, and what it answered before."""

    pid: int
    answer: Future[Any]
    asked: float
    known: dict[str, Any] | None = None
    heard: float = float("-inf")

    def hear(self, wait: float) -> bool:
        """Take the answer if it comes in `wait` seconds; tell whether it has come."""
        with suppress(LeptonError, TimeoutError, CancelledError):
            self.known = self.answer.result(wait)
            self.heard = time.monotonic()
            return True
        return False


_questions: dict[str, _Question] = {}  # by cluster


def overview(timeout: float = 2.0, patience: float | None = None) -> list[dict[str, Any]]:
    """Return the `info` of every cluster of this machine, oldest first, also of those that hang.

    Each has a ``state`` besides: ``running``; ``starting``; ``stale`` while its host lets wait for
    an answer; ``unreachable`` when its host lives and has not answered in `timeout` seconds. Of the
    last two is told what was known last, or else what their file says, which names no workers.

    Parameters
    ----------
    timeout
        Seconds after which a host counts as hanging; what it said no longer ago counts as new.
    patience
        Seconds to wait for answers, all together; `timeout` when None.
    """
    end = time.monotonic() + (timeout if patience is None else patience)
    asked = [(file, _ask(file)) for file in connection.living()]
    found = []
    for file, question in asked:
        state = file["state"]
        info = _of_file(file)
        if state == "running":
            state = "unreachable"
            if question is not None:
                late = question.asked + timeout
                question.hear(max(0.0, min(end, late) - time.monotonic()))
                now = time.monotonic()
                if now - question.heard <= timeout:
                    state = "running"
                elif now < late and not question.answer.done():
                    state = "stale"
                info = question.known or info
        if connection.process_lives(file["pid"], file["created"]):
            found.append({**info, "state": state})
    for name in set(_questions) - {file["name"] for file, _ in asked}:
        _questions.pop(name, None)
    return found


def _ask(file: dict[str, Any]) -> _Question | None:
    """Ask a cluster for its `info`, unless it has not answered yet.

    A host that hangs is asked once: whoever looks later is not held up by it.
    """
    if file["state"] != "running":
        return None
    before = _questions.get(file["name"])
    if before is not None and before.pid != file["pid"]:
        before = None
    if before is not None and not before.answer.done():
        return before
    try:
        answer = _handle(file).channel.ask("info")
    except ClusterError:  # it has ended just now
        return None
    question = _Question(file["pid"], answer, time.monotonic())
    if before is not None:
        before.hear(0)  # what came after all looking was over
        question.known, question.heard = before.known, before.heard
    _questions[file["name"]] = question
    return question


def _of_file(file: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": file["name"],
        "engine": file.get("engine", file["plan"]["engine"]),
        "address": file.get("address"),
        "workers": [],
        "host_pid": file["pid"],
        "connection_file": str(connection.path_of(file["name"])),
        "idle_timeout": file["idle_timeout"],
    }
