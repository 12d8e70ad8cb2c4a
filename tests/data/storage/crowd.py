"""Two who write, one who collects, one who reads, in one folder; one is killed in each round.

``python crowd.py FOLDER ROUNDS SEED`` ends with status 0 if no wrong byte was ever read, nothing in
use was collected, and nothing is left in the end.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from lepton_jlab.data.storage import (
    collect,
    dedup,
    drop,
    restore,
    snapshot,
    verify,
    version_folder,
    versions,
)
from lepton_jlab.data.storage.blobs import Blobs, identity
from lepton_jlab.data.storage.files import files_of, is_document
from lepton_jlab.data.storage.linked_store import LinkedStore
from lepton_jlab.errors import LeptonError

CHUNKS, SIZE = 12, 4096
CONTENTS = [np.random.default_rng(k).bytes(SIZE) for k in range(8)]  # few: many chunks are equal
NAMES = ("a.zarr", "b.zarr")
MARKS = ("v1", "v2", "v3")
ROLES = ("write a", "write b", "collect", "read")
DOCUMENT = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [CHUNKS * SIZE],
    "data_type": "uint8",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [SIZE]}},
    "chunk_key_encoding": {"name": "default"},
    "fill_value": 0,
    "codecs": [{"name": "bytes"}],
    "attributes": {},
}


def write(folder: Path, name: str, rng: random.Random) -> None:
    """Do one of the things that change a dataset."""
    from zarr.core.buffer import cpu

    dataset, mark, what = folder / name, rng.choice(MARKS), rng.random()
    key, content = f"c/{rng.randrange(CHUNKS)}", rng.choice(CONTENTS)
    if what < 0.6:
        store = LinkedStore(dataset, force=True)
        for number in rng.sample(range(CHUNKS), 4):
            buffer = cpu.Buffer.from_bytes(rng.choice(CONTENTS))
            store.set_sync(f"c/{number}", buffer)
        store.close()
    elif what < 0.7:  # as zarr-python does
        partial = dataset / f"c/{os.getpid()}.partial"
        partial.write_bytes(content)
        partial.replace(dataset / key)
        dedup(dataset, force=True)
    elif what < 0.82:
        snapshot(dataset, mark, private=False)
    elif what < 0.91:
        drop(dataset, mark)
    else:
        restore(dataset, mark, force=True)


def read(folder: Path, name: str) -> None:
    """Read a dataset and its versions with zarr-python; each chunk is one that was written."""
    import zarr

    known = set(CONTENTS)
    paths = [str(folder / name)]
    for mark in MARKS:
        with contextlib.suppress(LeptonError):
            paths.append(version_folder(folder / name, mark))
    for path in paths:
        was = inode(path)
        try:
            values: Any = zarr.open_array(path, mode="r")[:]
        except FileNotFoundError:
            assert path != paths[0], "the dataset was missing for a moment"
            continue
        if any(chunk.tobytes() not in known for chunk in values.reshape(CHUNKS, SIZE)):
            # Only a version that was dropped meanwhile may have lost chunks.
            assert path != paths[0], "wrong bytes in the dataset"
            assert inode(path) != was, f"wrong bytes in {path}"


def inode(path: str) -> int:
    """Return which folder has this name now; 0 if none has."""
    try:
        return Path(path).stat().st_ino
    except FileNotFoundError:
        return 0


def act(role: str, folder: Path, beats: mmap.mmap, seed: int) -> None:
    """Play a role until killed; say so at each step, and of what went wrong."""
    rng = random.Random(seed)
    place = ROLES.index(role)
    while True:
        name = NAMES[rng.random() < 0.5 if role == "read" else role.endswith("b")]
        try:
            if role == "collect":
                collect(folder)
            elif role == "read":
                read(folder, name)
            else:
                write(folder, NAMES[rng.random() < 0.2] if role.endswith("a") else name, rng)
        except LeptonError as error:  # names that are taken, or not there any more
            if "given up" in str(error):
                raise
        beats[place] = (beats[place] + 1) % 256


def start(role: str, folder: Path, beats: mmap.mmap, seed: int) -> int:
    """Fork a process for a role."""
    pid = os.fork()
    if pid:
        return pid
    try:
        act(role, folder, beats, seed)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(1)


def check(folder: Path, counts: Counter[str]) -> None:
    """Check that all is well when everybody is dead, and that nothing stays."""
    done = collect(folder)
    counts.update({f"collected {key}": value for key, value in done.items()})
    shared = Blobs(folder / ".lepton").by_identity()
    known = set(CONTENTS)
    for name in NAMES:
        rows = versions(folder / name)
        counts["versions at the end"] += len(rows)
        for path in (folder / name, *(Path(row["path"]) for row in rows)):
            chunks = [entry for key, entry in files_of(path) if not is_document(key)]
            assert len(chunks) == CHUNKS, f"{path} has {len(chunks)} chunks"
            for chunk in chunks:
                assert Path(chunk.path).read_bytes() in known, f"{chunk.path} is wrong"
        assert verify(folder / name).findings == []
        for row in rows:
            for key, entry in files_of(Path(row["path"])):
                assert is_document(key) or identity(entry.stat()) in shared, (
                    f"{entry.path} lost its blob"
                )
            drop(folder / name, row["name"])
    for name in NAMES:
        shutil.rmtree(folder / name)
    collect(folder)
    left = sorted(path.name for path in (folder / ".lepton").rglob("*"))
    assert left == ["chunks", "lock"], f"left behind: {left}"


def main(folder: Path, rounds: int, seed: int) -> None:
    """Let them work, and kill one in each round."""
    for name in NAMES:
        (folder / name / "c").mkdir(parents=True)
        (folder / name / "zarr.json").write_text(json.dumps(DOCUMENT))
        for number in range(CHUNKS):
            (folder / name / f"c/{number}").write_bytes(CONTENTS[number % len(CONTENTS)])
        dedup(folder / name, force=True)
    beats = mmap.mmap(-1, len(ROLES))
    rng = random.Random(seed)
    counts: Counter[str] = Counter()
    pids = {role: start(role, folder, beats, rng.randrange(2**32)) for role in ROLES}
    try:
        for _ in range(rounds):
            role = rng.choice(ROLES)
            before = beats[ROLES.index(role)]
            end = time.monotonic() + 60
            while beats[ROLES.index(role)] == before:  # so that each does something
                died, status = os.waitpid(-1, os.WNOHANG)
                assert not died, f"a process failed: {status}"
                assert time.monotonic() < end, f"{role} is stuck"
                time.sleep(0.0005)
            time.sleep(rng.random() * 0.01)  # a moment at random, whatever it does then
            os.kill(pids[role], signal.SIGKILL)
            _, status = os.waitpid(pids[role], 0)
            assert os.WIFSIGNALED(status), f"{role} had failed"
            pids[role] = start(role, folder, beats, rng.randrange(2**32))
            counts[role] += 1
    finally:
        for pid in pids.values():
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
    check(folder, counts)
    print(dict(counts))


if __name__ == "__main__":
    arguments: Any = sys.argv[1:]
    main(Path(arguments[0]), int(arguments[1]), int(arguments[2]))
