"""Moves datasets between tiers: written aside, compared, put in place in one step, old removed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lepton_jlab import __version__
from lepton_jlab.data import writing
from lepton_jlab.data.renaming import replace_folder
from lepton_jlab.data.tiers import documents, places, recoding
from lepton_jlab.data.tiers.guarding import (
    alone,
    check_state,
    check_versions,
    clear_homes,
    discard,
    disk_bytes,
    is_home,
    movable,
    new_home,
    recover,
    state_of,
    told,
)
from lepton_jlab.data.tiers.prices import NAMES, Tier, load_tiers
from lepton_jlab.data.tiers.settling import settle
from lepton_jlab.data.unfinished import Unfinished, unfinished
from lepton_jlab.data.writing import fill
from lepton_jlab.errors import DataError, UsageError

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Move:
    """What a move did.

    Attributes
    ----------
    path
        Of the dataset.
    before, tier
        Where it was, and where it is.
    bytes_before, bytes
        What it took, and takes.
    seconds
        How long it took.
    """

    path: str
    before: str
    tier: str
    bytes_before: int
    bytes: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def move(
    path: str | os.PathLike[str],
    tier: str,
    *,
    keep: bool = False,
    progress: Progress | None = None,
) -> Move:
    """Move a dataset to a tier; its name and its values stay, and it can be read meanwhile.

    The new one is written aside, compared with the old one value by value, and put in its place in
    one step. An interruption, an error or a full disk leaves the old one; a process that is killed
    leaves the old or the new one, and the next move goes on, or clears up, after it.

    Parameters
    ----------
    path
        A Zarr v3 folder.
    tier
        ``"hot"``, ``"warm"`` or ``"cold"``, as the file of tiers has them.
    keep
        Keep the state before it, so that `undo` is immediate; else that is removed.
    progress
        Called with (bytes done, bytes in all, what is being done).

    Raises
    ------
    UsageError
        If there is no such tier.
    NotFoundError
        If there is no such dataset.
    DataError
        If it cannot be moved, there is no room, or it is changed or moved by another meanwhile.
    """
    if tier not in NAMES:
        raise UsageError(f"There is no tier {tier!r}. There are: {', '.join(NAMES)}.")
    own, target = movable(path), load_tiers()[tier]
    begun = time.monotonic()
    with alone(own), told(own, target):
        recover(own)
        old = places.placed(own)
        source, was = own.resolve(), str(old.get("tier", places.WARM))
        check_versions(own, source, target)
        size = disk_bytes(source)
        warm = documents.imported_codecs(source, old)
        wanted = documents.changes(source, target.codec, warm)
        if not wanted and is_home(source, own, target) and was == tier:
            return Move(str(own), was, tier, size, size, time.monotonic() - begun)
        entry = {
            "action": "tier",
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "lepton": __version__,
            "tier": tier,
            "from": was,
            "codec": target.codec,
            "warm": warm,
        }
        if not wanted and is_home(source, own, target):
            _note(source, entry)
        else:
            _replace(own, source, target, wanted, entry, keep, progress or _silent)
        now = disk_bytes(own.resolve())
    return Move(str(own), was, tier, size, now, time.monotonic() - begun)


def undo(path: str | os.PathLike[str], progress: Progress | None = None) -> Move:
    """Take back the last move: at once where the state before it is kept, else by another move.

    Raises
    ------
    NotFoundError
        If there is no such dataset.
    DataError
        If it was not moved, or as `move` does.
    """
    own, begun = movable(path), time.monotonic()
    entry = places.placed(own)
    if not entry:
        raise DataError(f"{own} has not been moved to another tier; there is nothing to undo.")
    kept = places.before(own)
    if not os.path.lexists(kept):
        return move(own, str(entry["from"]), progress=progress)
    with alone(own), told(own, load_tiers()[str(entry["from"])]):
        recover(own)
        was, size = places.tier_of(own), disk_bytes(own.resolve())
        kept.rename(places.moving(own))
        replace_folder(places.moving(own), own, places.aside(own))
        discard(own, places.moving(own))
        now = disk_bytes(own.resolve())
    return Move(str(own), was, places.tier_of(own), size, now, time.monotonic() - begun)


# ---- the steps of a move


def _replace(
    own: Path,
    source: Path,
    target: Tier,
    wanted: list[documents.Change],
    entry: Mapping[str, Any],
    keep: bool,
    report: Progress,
) -> None:
    state = state_of(source)
    home = new_home(own, target)
    home.parent.mkdir(parents=True, exist_ok=True)
    clear_homes(own, but=home)
    key = {
        "lepton": __version__,
        "tier": target.name,
        "codecs": [asdict(change) for change in wanted],
        "state": state,
        "block": writing.BLOCK_BYTES,
    }
    beside, kept = places.moving(own), places.before(own)
    try:
        with unfinished(home, True, key) as into:
            _write(into, source, wanted, entry, report)
            report(0, 0, "waiting for the disk")
            settle(into.folder)
            check_state(own, source, state)
        if home != beside:
            beside.symlink_to(home)
        report(0, 0, "replacing")
        replace_folder(beside, own, places.aside(own))
    except BaseException:  # Ctrl-C too
        recover(own)
        clear_homes(own)
        raise
    report(0, 0, "removing what it replaces")
    try:
        discard(own, kept)
        if keep:
            beside.rename(kept)
        else:
            discard(own, beside)
    except OSError as error:
        raise DataError(
            f"{own} is {target.name} now, but what it was before cannot be removed: {error}. "
            f"Remove {beside} yourself."
        ) from None


def _note(source: Path, entry: Mapping[str, Any]) -> None:
    """Add to the history of a dataset that is as its new tier would have it."""
    root, new = source / "zarr.json", source / ".zarr.json.new"
    document = json.loads(root.read_text())
    documents.add_history(document, entry)
    try:
        new.write_text(json.dumps(document, indent=2, ensure_ascii=False))
        new.replace(root)
    finally:
        new.unlink(missing_ok=True)


def _write(
    into: Unfinished,
    source: Path,
    wanted: list[documents.Change],
    entry: Mapping[str, Any],
    report: Progress,
) -> None:
    if into.resumed:
        report(0, 0, "going on where a move was killed")
    else:
        recoding.begin(source, into.folder, wanted, entry)
        into.begin()
    jobs = recoding.jobs_of(source, into.folder, wanted)
    total = 2 * sum(job.nbytes for job in jobs)
    done = 0

    def telling(text: str) -> Callable[[int], None]:
        def advance(size: int) -> None:
            nonlocal done
            done += size
            report(done, total, text)

        return advance

    fill(jobs, into, telling("writing"))
    for job, change in zip(jobs, wanted, strict=True):
        recoding.check_lengths(job, change)
        recoding.compare(job, telling("comparing"))
    recoding.consolidate_as(source, into.folder)


def _silent(_done: int, _total: int, _text: str) -> None:
    """Report to nobody."""
