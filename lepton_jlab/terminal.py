"""How a terminal follows runs: their output on stdout, what becomes of them on stderr."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TextIO

if TYPE_CHECKING:
    from lepton_jlab.runs import Run

_EVERY = 0.25  # s between two looks, however much is printed
_ACTIVE = ("running", "queued")


class Progress:
    """Short lines: one that is written over and over where that is a terminal, else one a change.

    Parameters
    ----------
    stream : text stream
        Standard error.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rewrites = stream.isatty()
        self._last = ""

    def say(self, text: str) -> None:
        """Show `text` in place of what was said before."""
        if text != self._last:
            self.write(f"\r\x1b[K{text}" if self._rewrites else f"{text}\n")
            self._last = text

    def status(self, text: str) -> None:
        """Show `text` where it can be taken away again."""
        if self._rewrites:
            self.say(text)

    def keep(self, text: str) -> None:
        """Show a line that stays."""
        self.clear()
        self.write(f"{text}\n")

    def clear(self) -> None:
        """Take away what is being rewritten."""
        if self._rewrites and self._last:
            self.write("\r\x1b[K")
        self._last = ""

    def write(self, text: str) -> None:
        """Write `text` as it is."""
        self._stream.write(text)
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()


def watch(
    runs: Sequence[Run], progress: Progress, out: TextIO | None, timeout: float | None = None
) -> None:
    """Show what happens to `runs` until all have ended or `timeout` seconds have passed.

    Parameters
    ----------
    out : text stream or None
        Where what they print goes; None shows nothing of it.
    """
    from lepton_jlab.runs.follow import follow
    from lepton_jlab.runs.sweep import Sweep

    several = isinstance(runs, Sweep) or len(runs) > 1
    followed: dict[str, _Followed] = {}

    def look(ids: Iterable[str]) -> None:
        if not followed.keys() >= set(ids):  # at the beginning, and when a search has chosen more
            for run in runs:
                followed.setdefault(run.id, _Followed(run, progress, out, several=several))
        for key in ids:
            followed[key].look()
        states = [one.state for one in followed.values()]
        counts = [f"{states.count(state)} {state}" for state in _ACTIVE if state in states]
        if counts and several:
            progress.status(f"{', '.join(counts)} of {len(followed)}")

    look([run.id for run in runs])
    changed: set[str] = set()
    looked = time.monotonic()
    for ids in follow(runs, timeout):
        changed.update(ids)
        if time.monotonic() - looked >= _EVERY:
            look(sorted(changed, key=_by_number))
            changed.clear()
            looked = time.monotonic()
    look([run.id for run in runs])
    progress.clear()


def _by_number(key: str) -> int:
    return int(key[1:])


class _Followed:
    """One run, with what was already shown of it."""

    def __init__(self, run: Run, progress: Progress, out: TextIO | None, *, several: bool) -> None:
        self._run = run
        self._progress = progress
        self._out = out
        self._prefix = f"{run.id} | " if several else ""
        self._next = 0
        self._begun = {"stdout": "", "stderr": ""}  # lines without an end yet
        self.state = ""

    def look(self) -> None:
        """Show what is new."""
        if self.state and self.state not in _ACTIVE:
            return
        # The state is read first: what was said before a run ended is on record by then.
        facts = self._run.to_dict()
        if self._out:
            for message in self._run.messages(self._next):
                self._next = message["seq"] + 1
                self._show(message)
            if facts["state"] not in _ACTIVE:
                for stream, begun in self._begun.items():
                    self._write(stream, "\n" if begun else "")
        if facts["state"] != self.state:
            self.state = facts["state"]
            self._progress.keep(_line(facts))

    def _show(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "text":
            self._write(message["stream"], message["text"])
        elif message["type"] == "display" and not message.get("update"):
            self._write("stdout", message["data"].get("text/plain", "") + "\n")
        elif message["type"] == "error":
            from lepton_jlab.runs.views.output import traceback_text

            self._write("stderr", traceback_text(message["traceback"]) + "\n")

    def _write(self, stream: str, text: str) -> None:
        """Write text; of several runs whole lines only, so that they do not mix within one."""
        *lines, self._begun[stream] = (self._begun[stream] + text).split("\n")
        if self._prefix:
            # What a program wrote over with a carriage return is not worth a line.
            text = "".join(f"{self._prefix}{line.split(chr(13))[-1]}\n" for line in lines)
        if text:
            self._progress.clear()
            if stream == "stderr":
                self._progress.write(text)
            elif self._out:
                self._out.write(text)
                self._out.flush()


def _line(facts: dict[str, Any]) -> str:
    from lepton_jlab.runs.views import page

    message = (facts["error"] or {}).get("message", "")
    state = page.pruned_text(facts) or facts["state"]
    parts = [page.title(facts), state, page.span(facts), message]
    return " · ".join(filter(None, [*parts, page.metrics_text(facts["metrics"])]))
