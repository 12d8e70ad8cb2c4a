"""One cell of a run child: what it starts with, what becomes of it, what it leaves."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from lepton_jlab.errors import LeptonError, RunError, suggestion
from lepton_jlab.replicas.session import Session, join
from lepton_jlab.runs.capture import load
from lepton_jlab.runs.child import devices, limits
from lepton_jlab.runs.child.channel import Channel
from lepton_jlab.runs.child.recorder import Recorder
from lepton_jlab.runs.child.shell import RunShell, words_of
from lepton_jlab.runs.literals import restored
from lepton_jlab.runs.log import record_with
from lepton_jlab.runs.values import SavedValue, save
from lepton_jlab.runs.words import size

Spec = Mapping[str, Any]


class Cell:
    """A cell on its way from a specification to the message of its end."""

    def __init__(self, spec: Spec, shell: RunShell, channel: Channel) -> None:
        self._spec = spec
        self._shell = shell
        self._channel = channel
        self._folder = Path(spec["folder"])
        self._session: Session | None = None
        self._before: dict[str, int] = {}
        self._state = "done"
        self._error: dict[str, Any] | None = None
        self._values: list[SavedValue] = []
        self._seconds = {"run": 0.0, "gather": 0.0}
        shell.lines = []

    def prepare(self) -> None:
        """Set where it runs, its limits and its first names."""
        spec, names = self._spec, self._shell.user_ns
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        place = spec.get("cwd")  # of the notebook, which may be on another machine
        os.chdir(place if place and Path(place).is_dir() else self._folder)
        paths = spec.get("sys_path") or [""]
        sys.path[:] = [*paths, *(path for path in sys.path if path not in paths)]
        sys.argv = [spec["filename"]]
        if Path(spec["filename"]).is_file():
            names["__file__"] = spec["filename"]
        devices.prepare(spec)
        limits.use_processors(spec.get("affinity"))
        limits.limit_memory(spec.get("memory"))
        if place := spec.get("replica"):
            self._session = join(place, self._folder, self._channel.send, self._channel.receive)
        if spec.get("payload"):
            load(spec["payload"], names)
        names.update(restored(spec.get("params") or {}, spec.get("literals")))
        self._before = {name: id(value) for name, value in names.items()}

    def execute(self) -> None:
        """Execute it, then save what is to be pulled."""
        leads = self._session is None or self._session.share.rank == 0
        recorder = Recorder(self._channel, self._folder if leads else None)
        record_with(recorder)
        if self._session is not None:
            self._session.passed = recorder.passed
        self._channel.send({"type": "begin", "id": self._spec["id"], "t": time.time()})
        start = time.perf_counter()
        try:
            result = self._shell.run(self._spec["code"], self._spec["filename"])
        finally:
            self._seconds["run"] = time.perf_counter() - start
            record_with(None)
            recorder.close()
        for error in (result.error_before_exec, result.error_in_exec):
            if error is not None:
                self.fail(error)
        if self._state == "done":
            start = time.perf_counter()
            try:
                self._gather()
            finally:
                self._seconds["gather"] = time.perf_counter() - start

    def fail(self, error: BaseException) -> None:
        """Note why it did not succeed, and show it if the shell has not yet."""
        self._state, self._error = "failed", None
        if isinstance(error, KeyboardInterrupt):
            self._state = "cancelled"
        elif isinstance(error, SystemExit):
            self._leave(error)
            return
        if not self._shell.lines:
            self._shell.show(error)
        if self._state == "failed":
            kind, message = self._kind(error)
            self._error = {"kind": kind, "message": message, "traceback": self._shell.lines}

    def end(self) -> dict[str, Any]:
        """Return the message of its end."""
        return {
            "type": "end",
            "id": self._spec["id"],
            "state": self._state,
            "error": self._error,
            "values": self._values,
            "seconds": self._seconds,
            "cpu": sum(os.times()[:4]),
            "assigned": self._assigned(),
        }

    def _gather(self) -> None:
        """Save what is to be pulled."""
        names = self._shell.user_ns
        for name in self._spec.get("pull") or ():
            if name not in names:
                known = self._assigned()
                raise RunError(
                    f"The cell did not define {name!r}, which was to be pulled."
                    f"{suggestion(name, known)} It defined: {', '.join(known) or 'nothing'}."
                )
            self._values.append(save(name, names[name], self._folder / "values"))

    def _assigned(self) -> list[str]:
        """Return the names that the cell has given a value, modules left out."""
        return [
            name
            for name, value in self._shell.user_ns.items()
            if self._before.get(name) != id(value)
            and not name.startswith("_")
            and not isinstance(value, ModuleType)
        ]

    def _leave(self, error: SystemExit) -> None:
        """Take `sys.exit` as Python does: no code and 0 are success, and a text is printed."""
        if error.code is None or error.code == 0:
            self._state = "done"
            return
        if not isinstance(error.code, int):
            print(error.code, file=sys.stderr)
        message = f"The cell called sys.exit({error.code!r})"
        self._error = {"kind": "exit", "message": message, "traceback": []}

    def _kind(self, error: BaseException) -> tuple[str, str]:
        if isinstance(error, LeptonError) and isinstance(error.__cause__, MemoryError):
            error = error.__cause__
        if isinstance(error, LeptonError):
            return getattr(error, "kind", "exception"), words_of(error)
        message = f"{type(error).__name__}: {words_of(error)}".rstrip(": ")
        if isinstance(error, MemoryError) and self._spec.get("memory"):
            limit = size(self._spec["memory"])
            return "memory", f"the run went over its limit of --memory {limit}: {words_of(error)}"
        if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
            return "memory", message
        return "exception", message
