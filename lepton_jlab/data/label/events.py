"""The log of labelling: every action is appended to a plain Zarr group, and nothing is replaced.

``photos.labels.zarr`` beside ``photos.zarr`` has one row for each label that was given, in arrays
of the axis ``event``: ``action`` (rows of one action have the same number), ``undoes`` (the action
that this one takes back, or -1), ``sample``, ``label``, ``box`` (x, y, width, height in pixels; NaN
where the label is of the whole sample), ``annotator`` (a number; names are in the attributes) and
``time`` (seconds since the epoch). The present state is what the last action of each annotator on
each sample says; any earlier one is a prefix of the log. An action that takes back another says
again what was said before it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    import zarr
    from numpy.typing import NDArray

WITHDRAWN, NO_OBJECT, SKIPPED = -1, -2, -3  # labels that name no class
_CHUNK = 4096  # events
# `time` last: its length is the length of the log, so an action that a kill cut off is not there.
_COLUMNS = {"action": "<i8", "undoes": "<i8", "sample": "<i8", "label": "<i4", "annotator": "<i4"}
_COLUMNS |= {"box": "<f4", "time": "<f8"}


@dataclass(frozen=True, slots=True)
class Event:
    """One label that somebody gave a sample.

    Attributes
    ----------
    action
        Rows of one action have the same number.
    undoes
        The number of the action that this one takes back, or None.
    sample, label
        Numbers of the sample and of the class; `WITHDRAWN`, `NO_OBJECT` or `SKIPPED`.
    annotator
        The name.
    time
        In seconds since the epoch.
    box
        (x, y, width, height) in pixels, or None for the sample as a whole.
    """

    action: int
    undoes: int | None
    sample: int
    label: int
    annotator: str
    time: float
    box: tuple[float, float, float, float] | None = None


class Log:
    """The log of one dataset's labels; several processes may append at once.

    Parameters
    ----------
    folder
        The Zarr group, made by `create`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[Event] = []
        self.annotators: list[str] = []
        self.classes: list[str] = []
        self._seen: object = None
        self.refresh()

    @staticmethod
    def create(folder: Path, attributes: dict[str, Any]) -> None:
        """Make an empty log, in one step.

        Raises
        ------
        DataError
            If it cannot be written there.
        """
        import zarr

        new = folder.with_name(f".{folder.name}.{os.getpid()}.new")
        try:
            group = zarr.create_group(str(new), attributes={"lepton": {"labels": attributes}})
            for name, dtype in _COLUMNS.items():
                wide = (4,) if name == "box" else ()
                group.create_array(
                    name,
                    shape=(0, *wide),
                    chunks=(_CHUNK, *wide),
                    dtype=dtype,
                    fill_value=0,
                    dimension_names=("event", "corner") if wide else ("event",),
                    config={"write_empty_chunks": True},
                )
            new.rename(folder)
        except OSError as error:
            raise DataError(f"Labels cannot be kept in {folder}: {error.strerror}.") from error

    @property
    def attributes(self) -> dict[str, Any]:
        """What the labels are of: ``of``, ``kind``, ``classes``, ``annotators``, ``samples``."""
        schema: Any = self._group("r").attrs.asdict()["lepton"]
        return dict(schema["labels"])

    def append(
        self,
        annotator: str,
        sample: int,
        labels: Sequence[int],
        boxes: Sequence[Sequence[float]] | None = None,
        *,
        when: float,
        undoes: int | None = None,
    ) -> int:
        """Write one action; it is on the disk when this returns. Return its number.

        Parameters
        ----------
        labels
            The classes, one for each of `boxes`, or one.
        boxes
            Shape ``(labels, 4)``; None where a label is of the whole sample.
        when
            In seconds since the epoch.
        undoes
            The action that this one takes back.
        """
        with self._alone():
            self.refresh()
            number = self.events[-1].action + 1 if self.events else 0
            group = self._group("r+")
            who = self._number_of(group, annotator)
            count, total = len(labels), len(self.events)
            rows: dict[str, Any] = {
                "action": np.full(count, number),
                "undoes": np.full(count, -1 if undoes is None else undoes),
                "sample": np.full(count, sample),
                "label": np.asarray(labels),
                "annotator": np.full(count, who),
                "box": np.asarray([[np.nan] * 4] * count if boxes is None else boxes, np.float32),
                "time": np.full(count, when),
            }
            for name in _COLUMNS:
                array: zarr.Array[Any] = group[name]
                array.resize((total + count, *array.shape[1:]))
                array[total:] = rows[name]
            self._take(rows)
            self._seen = self._state()
        return number

    def refresh(self) -> bool:
        """Read what other processes have appended; return whether there was anything."""
        seen = self._state()
        if seen == self._seen:
            return False
        group = self._group("r")
        known = self.attributes
        self.annotators, self.classes = list(known["annotators"]), list(known["classes"])
        start, length = len(self.events), group["time"].shape[0]
        columns: dict[str, NDArray[Any]] = {name: group[name][start:length] for name in _COLUMNS}
        self._take(columns)
        self._seen = seen
        return True

    def _take(self, columns: dict[str, NDArray[Any]]) -> None:
        for row, when in enumerate(columns["time"]):
            if not when:  # its writer was killed, or is just writing
                break
            undoes, box = int(columns["undoes"][row]), columns["box"][row]
            self.events.append(
                Event(
                    int(columns["action"][row]),
                    None if undoes < 0 else undoes,
                    int(columns["sample"][row]),
                    int(columns["label"][row]),
                    self.annotators[columns["annotator"][row]],
                    float(when),
                    None if np.isnan(box).any() else (*map(float, box),),  # type: ignore[arg-type]
                )
            )

    def set_classes(self, classes: Sequence[str]) -> None:
        """Add classes at the end of the list; numbers that were given keep their names."""
        with self._alone():
            self._change(self._group("r+"), classes=list(classes))
        self.classes = list(classes)

    def _number_of(self, group: zarr.Group, annotator: str) -> int:
        if annotator not in self.annotators:
            self.annotators.append(annotator)
            self._change(group, annotators=self.annotators)
        return self.annotators.index(annotator)

    def _change(self, group: zarr.Group, **changes: Any) -> None:
        schema: Any = group.attrs["lepton"]
        group.attrs["lepton"] = {**schema, "labels": {**schema["labels"], **changes}}

    def _state(self) -> object:
        """Return what changes when somebody appends, or adds a class."""
        files = [self.folder / "zarr.json", *sorted((self.folder / "time").rglob("*"))]
        found = ((file, file.stat()) for file in files)
        return [(file, status.st_ino, status.st_mtime_ns) for file, status in found]

    def _group(self, mode: Any) -> Any:
        import zarr

        return zarr.open_group(str(self.folder), mode=mode, use_consolidated=False)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            with (self.folder / ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise DataError(
                f"The label was not kept: {self.folder} cannot be written ({error.strerror}). "
                "Make room or rights, and give it again."
            ) from error
