"""The file that carries values to a run: one pickle and, aligned beside it, its large buffers."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_MAGIC = b"LEPTON1\n"
_ALIGN = 64  # what TensorFlow wants of a buffer that it takes without a copy


@dataclass(frozen=True, slots=True)
class Payload:
    """Values that travel together, named after their content, so that none travels twice.

    Attributes
    ----------
    digest
        SHA-256 of the file, hexadecimal.
    names
        The names that loading it defines, in order.
    frames
        The file's bytes in order. Large buffers are views of the live values, not copies: write
        or send them before the notebook can change those.
    """

    digest: str
    names: tuple[str, ...]
    frames: tuple[bytes | memoryview, ...]

    @property
    def size(self) -> int:
        """Length of the file in bytes."""
        return sum(len(frame) for frame in self.frames)

    def tobytes(self) -> bytes:
        """Return the whole file in memory."""
        return b"".join(self.frames)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the file; a reader sees all of it or none."""
        target = Path(path)
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
            file.writelines(self.frames)
        Path(file.name).replace(target)


@dataclass(frozen=True, slots=True)
class Opened:
    """A payload's file as the child sees it.

    Attributes
    ----------
    names
        In the order in which they were pickled.
    refers
        Whether the pickle points at values of other payloads, which must be there first.
    sources
        Text of the cells that functions come from, by file name.
    pickle, buffers
        Views of the file, mapped copy-on-write: children of one worker share its pages, and each
        may write to its arrays.
    """

    names: tuple[str, ...]
    refers: bool
    sources: dict[str, str]
    pickle: memoryview
    buffers: tuple[memoryview, ...]


def pack(
    names: Sequence[str],
    pickled: bytes,
    buffers: Sequence[memoryview],
    *,
    refers: bool,
    sources: Mapping[str, str],
) -> Payload:
    """Lay out a payload; `Opened` says what its parts are."""
    sizes = [len(pickled), *(len(buffer) for buffer in buffers)]
    about = {"names": list(names), "refers": refers, "sources": dict(sources), "sizes": sizes}
    header = json.dumps(about).encode()
    head = _MAGIC + len(header).to_bytes(8, "little") + header
    frames: list[bytes | memoryview] = [head]
    place = len(head)
    parts: list[bytes | memoryview] = [pickled, *buffers]
    for part in parts:
        gap = -place % _ALIGN
        frames += [bytes(gap), part]
        place += gap + len(part)
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(frame)
    return Payload(digest.hexdigest(), tuple(names), tuple(frames))


def unpack(path: str | os.PathLike[str]) -> Opened:
    """Map a payload's file.

    Raises
    ------
    ValueError
        The file is something else.
    """
    with Path(path).open("rb") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    place = len(_MAGIC) + 8
    if view[: len(_MAGIC)] != _MAGIC:
        raise ValueError(f"{path} does not carry values for a run.")
    end = place + int.from_bytes(view[len(_MAGIC) : place], "little")
    about = json.loads(bytes(view[place:end]))
    parts = []
    for length in about["sizes"]:
        start = end + -end % _ALIGN
        end = start + length
        parts.append(view[start:end])
    names = tuple(about["names"])
    return Opened(names, about["refers"], about["sources"], parts[0], tuple(parts[1:]))
