"""What a run said, in its folder: everything up to a size, then head and tail with a notice."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

Message = dict[str, Any]

_SEQ = re.compile(rb'\{"seq": (\d+)[,}]')
_HEAD = "output.jsonl"
_TAILS = ("output.tail-0.jsonl", "output.tail-1.jsonl")


class TranscriptWriter:
    """Appends messages to a run's record; each gets a sequence number, ``seq``.

    Parameters
    ----------
    folder : Path
        The run's folder.
    limit : int
        Bytes to keep: half for the head, then two tail files of a quarter each in turn.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._seq = 0
        self._name = _HEAD
        self._size = 0

    def append(self, messages: Iterable[Message]) -> None:
        """Write `messages` behind what is there."""
        lines: list[bytes] = []
        for message in messages:
            lines.append(json.dumps({"seq": self._seq, **message}).encode() + b"\n")
            self._seq += 1
        block = b"".join(lines)
        quota = self._limit // (2 if self._name == _HEAD else 4)
        mode = "ab"
        if self._size and self._size + len(block) > quota:
            self._name = _TAILS[1 if self._name == _TAILS[0] else 0]
            self._size = 0
            mode = "wb"
        with (self._folder / self._name).open(mode) as file:
            file.write(block)
        self._size += len(block)


class TranscriptReader:
    """Reads what is new in a run's record, without reading anew what was read before.

    Parameters
    ----------
    folder : Path
        The run's folder.
    start : int
        The first message that is wanted.
    """

    def __init__(self, folder: Path, start: int = 0) -> None:
        self._folder = folder
        self.next = start  # the first message that was not read
        self._place: tuple[str, int] | None = None  # in which file, after how many bytes

    def new(self) -> list[Message]:
        """Return the messages written since the last call."""
        messages = self._behind()
        if messages is None:
            messages = [m for path in _files(self._folder) for m in self._after(path, 0)]
        first = self.next
        if messages:
            self.next = messages[-1]["seq"] + 1
        return list(_noticed(messages, first if first else None))

    def _behind(self) -> list[Message] | None:
        """Read on in the file of the last call; None when it is no longer the one that grows."""
        if self._place is None:
            return None
        path, offset = self._folder / self._place[0], self._place[1]
        if any(p != path and _first_seq(p) >= self.next for p in _files(self._folder)):
            return None
        size = path.stat().st_size
        if size == offset:
            return []
        found = self._after(path, offset) if size > offset else []
        return found if found and found[0]["seq"] == self.next else None

    def _after(self, path: Path, offset: int) -> list[Message]:
        with path.open("rb") as file:
            file.seek(offset)
            block = file.read()
        whole = block[: block.rfind(b"\n") + 1]
        self._place = path.name, offset + len(whole)
        return list(_parse(whole, self.next))


def read(folder: Path, start: int = 0, limit: int | None = None) -> list[Message]:
    """Return the kept messages from number `start` on, with a notice where some were dropped."""
    found = _noticed(m for path in _files(folder) for m in _parse(path.read_bytes(), start))
    return list(islice(found, limit))


def read_tail(folder: Path, size: int) -> list[Message]:
    """Return the messages in the last `size` bytes of the record, or at least the last one."""
    files = _files(folder)
    total = sum(path.stat().st_size for path in files)
    messages: list[Message] = []
    while files and not messages:
        messages = list(_noticed(m for part in _ends(files, size) for m in _parse(part, 0)))
        if size >= total:
            break
        size *= 8  # one message may be longer: a figure, or much text at once
    return messages


def _ends(files: list[Path], size: int) -> list[bytes]:
    """Return the whole lines in the last `size` bytes of `files` taken together."""
    parts: list[bytes] = []
    for path in reversed(files):
        with path.open("rb") as file:
            length = file.seek(0, 2)
            file.seek(max(0, length - size))
            part = file.read()
        parts.insert(0, part[part.find(b"\n") + 1 :] if length > size else part)
        size -= length
        if size <= 0:
            break
    return parts


def text_of(messages: Iterable[Message]) -> str:
    """Return what a terminal would have shown: text, plain forms of displays, tracebacks."""
    parts: list[str] = []
    for message in messages:
        if message["type"] == "text":
            parts.append(message["text"])
        elif message["type"] == "display":
            parts.append(message["data"].get("text/plain", "") + "\n")
        elif message["type"] == "error":
            parts.append("\n".join(message["traceback"]) + "\n")
    return "".join(parts)


def _files(folder: Path) -> list[Path]:
    found = [p for name in (_HEAD, *_TAILS) if (p := folder / name).exists()]
    return sorted(found, key=_first_seq)


def _first_seq(path: Path) -> int:
    with path.open("rb") as file:
        line = file.readline()
    return int(json.loads(line)["seq"]) if line.endswith(b"\n") else 0


def _parse(block: bytes, start: int) -> Iterator[Message]:
    for line in block.splitlines():
        number = _SEQ.match(line)
        if number is not None and int(number[1]) < start:
            continue  # without decoding it
        try:
            message: Message = json.loads(line)
        except json.JSONDecodeError:  # the last line, while it is being written
            return
        if message["seq"] >= start:
            yield message


def _noticed(messages: Iterable[Message], expected: int | None = None) -> Iterator[Message]:
    for message in messages:
        if expected is not None and message["seq"] > expected:
            dropped = message["seq"] - expected
            text = f"\n… {dropped:,} blocks of output were not kept (Settings.output_limit) …\n"
            yield {"type": "text", "stream": "stderr", "text": text, "seq": expected}
        expected = message["seq"] + 1
        yield message
