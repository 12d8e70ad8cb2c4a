"""Connection files: how kernels, servers and terminals find the detached processes of this user.

Those are the hosts of clusters, which the functions of this module are about, and endpoints of
models; `Files` is the same for either.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from lepton_jlab.cluster.elsewhere import answers, is_elsewhere, machine
from lepton_jlab.config import runtime_folder
from lepton_jlab.errors import ClusterError, NotFoundError, UsageError, suggestion

_handles: dict[tuple[int, float], int] = {}  # pidfds of living hosts, readable once they end
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Files:
    """The connection files of one kind of process, with what messages say about it.

    Attributes
    ----------
    noun
        What it is called: ``cluster``.
    taken, absent
        What to do when a name is taken, or nobody has it; ``{name}`` stands for it.
    """

    noun: str
    taken: str
    absent: str

    @property
    def _prefix(self) -> str:
        return f"lepton-{self.noun}-"

    def path_of(self, name: str) -> Path:
        """Return where the connection file of `name` is, or would be.

        Raises
        ------
        UsageError
            When `name` cannot be a part of a file's name.
        """
        if not _NAME.fullmatch(name):
            owner = f"{_article(self.noun)}'s"
            raise UsageError(
                f"{name!r} cannot be {owner} name. Use letters, digits, '_', '.' and '-'."
            )
        return runtime_folder() / f"{self._prefix}{name}.json"

    def names(self) -> list[str]:
        """Return the names of all files, oldest first, without looking into them."""
        files = runtime_folder().glob(f"{self._prefix}*.json")
        return [f.stem.removeprefix(self._prefix) for f in sorted(files, key=_age)]

    def claim(self, name: str, info: dict[str, Any]) -> None:
        """Take `name` for this process, so that no two share it.

        Raises
        ------
        ClusterError
            When a living process has it already.
        """
        temporary = _write_temporary(info)
        try:
            self.refuse_taken(name)
            os.link(temporary, self.path_of(name))
        except FileExistsError:
            raise ClusterError(self._occupied(name)) from None
        finally:
            temporary.unlink()

    def _occupied(self, name: str) -> str:
        what = f"{_article(self.noun).capitalize()} named {name!r}"
        with contextlib.suppress(OSError, ValueError):
            info = json.loads(self.path_of(name).read_text())
            if is_elsewhere(info):
                return (
                    f"{what} is that of machine {info['machine'][0]}. Choose another --name, or, "
                    f"if it is gone, remove {self.path_of(name)}."
                )
        return f"{what} is being started right now."

    def refuse_taken(self, name: str) -> None:
        """Raise a ClusterError when a living process has that name."""
        if self.read(name) is not None:
            raise ClusterError(
                f"{_article(self.noun).capitalize()} named {name!r} runs already. "
                f"{self.taken.format(name=name)}"
            )

    def write(self, name: str, info: dict[str, Any]) -> None:
        """Replace the file of `name`, readable by this user alone."""
        _write_temporary(info).replace(self.path_of(name))

    def remove(self, name: str) -> None:
        """Remove the file of `name`, if it is there."""
        self.path_of(name).unlink(missing_ok=True)

    def read(self, name: str) -> dict[str, Any] | None:
        """Return what the file of `name` says, or None when its process is dead.

        What the dead left is cleared. The process is looked at, not the address: connecting to a
        dead scheduler blocks for 30 s. That of another machine is judged by its address, and None
        as well where that cannot be reached.
        """
        path = self.path_of(name)
        try:
            info: dict[str, Any] = json.loads(path.read_text())
            if is_elsewhere(info):
                if (lives := answers(info)) is not False:
                    return info if lives else None
            elif process_lives(info["pid"], info["created"]):
                return info
            else:
                shutil.rmtree(info["scratch"], ignore_errors=True)
        except FileNotFoundError:
            return None
        except (json.JSONDecodeError, KeyError, TypeError):
            pass  # no host wrote that
        path.unlink(missing_ok=True)
        self.log_of(name).unlink(missing_ok=True)
        return None

    def log_of(self, name: str) -> Path:
        """Return where the process of that name writes its log."""
        return self.path_of(name).with_suffix(".log")

    def find(self, name: str) -> dict[str, Any]:
        """Return what the file of a living process says.

        Raises
        ------
        NotFoundError
            When none has that name.
        """
        info = self.read(name)
        if info is None:
            raise self.not_found(name)
        return info

    def living(self) -> list[dict[str, Any]]:
        """Return what the files of all living say, oldest first; files of the dead are cleared."""
        return [info for name in self.names() if (info := self.read(name)) is not None]

    def not_found(self, name: str) -> NotFoundError:
        """Make the error that says which there are instead."""
        running = [info["name"] for info in self.living()]
        listed = ", ".join(map(repr, running)) or "none"
        return NotFoundError(
            f"No {self.noun} named {name!r}.{suggestion(name, running)} Running: {listed}. "
            f"{self.absent.format(name=name)}"
        )


CLUSTERS = Files(
    "cluster",
    "Use it: %lepton cluster use {name}, stop it: %lepton cluster stop {name}, or choose another "
    "--name.",
    "Start one: %lepton cluster start --name {name}",
)
path_of, names, claim, refuse_taken = (
    CLUSTERS.path_of,
    CLUSTERS.names,
    CLUSTERS.claim,
    CLUSTERS.refuse_taken,
)
write, remove, read, find = CLUSTERS.write, CLUSTERS.remove, CLUSTERS.read, CLUSTERS.find
living, not_found = CLUSTERS.living, CLUSTERS.not_found


def process_lives(pid: int, created: float) -> bool:
    """Tell whether process `pid` still is the one that was created at `created` (s since epoch).

    One of another machine lives as long as its connection file, unless its address refuses.
    """
    return _lives_here(pid, created) or any(
        is_elsewhere(info) and answers(info) is not False for info in _files_of(pid, created)
    )


def _files_of(pid: int, created: float) -> Iterator[dict[str, Any]]:
    for path in runtime_folder().glob("lepton-*.json"):
        with contextlib.suppress(OSError, ValueError):
            info = json.loads(path.read_text())
            if (info.get("pid"), info.get("created")) == (pid, created):
                yield info


def _lives_here(pid: int, created: float) -> bool:
    handle = _handles.get((pid, created))
    if handle is not None:  # 2 µs, where reading /proc anew takes 200
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        if not poll.poll(0):
            return True
        if _handles.pop((pid, created), None) is not None:
            os.close(handle)
        return False
    try:
        handle = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
        process = psutil.Process(pid)
        lives = process.status() != psutil.STATUS_ZOMBIE
        lives = lives and abs(process.create_time() - created) < 1.0
    except (psutil.NoSuchProcess, ProcessLookupError):
        lives = False
    if handle is not None:
        if lives:
            _handles[pid, created] = handle
        else:
            os.close(handle)
    return lives


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _write_temporary(info: dict[str, Any]) -> Path:
    # mkstemp makes the file with mode 0600: there is no moment in which others can read the keys.
    handle, name = tempfile.mkstemp(dir=runtime_folder(), prefix=".lepton-")
    with os.fdopen(handle, "w") as file:
        json.dump({"machine": machine(), **info}, file)
    return Path(name)
