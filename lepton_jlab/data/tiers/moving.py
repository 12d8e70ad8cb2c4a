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
from lepton_jlab.data.tiers.arriving import Arrival, arriving
from lepton_jlab.data.tiers.estimate import remember, sizes
from lepton_jlab.data.tiers.guarding import (
    alone,
    check_state,
    check_versions,
    clear_homes,
    discard,
    is_home,
    movable,
    recover,
    state_of,
    told,
)
from lepton_jlab.data.tiers.homes import Home, answering, home_of
from lepton_jlab.data.tiers.prices import NAMES, Tier, load_tiers
from lepton_jlab.data.tiers.settling import settle
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
    place
        The folder, or the URL, where its chunks are.
    """

    path: str
    before: str
    tier: str
    bytes_before: int
    bytes: int
    seconds: float
    place: str

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
    leaves the old or the new one, and the next move goes on, or clears up, after it. Where the tier
    is an object store, `lepton_jlab.data.elsewhere` says what stays in place.

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
        source, was = home_of(own.resolve()), str(old.get("tier", places.WARM))
        check_versions(own, source, target)
        size = source.nbytes
        warm = documents.imported_codecs(source, old)
        wanted = documents.changes(source, target.codec, warm)
        if not wanted and is_home(source, own, target) and was == tier:
            return Move(str(own), was, tier, size, size, time.monotonic() - begun, str(source))
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
            _note(own.resolve(), entry)
        else:
            known = sizes(own, load_tiers()) if target.url else {}
            _replace(own, source, target, wanted, entry, keep, progress or _silent)
            remember(own, known)
        now = home_of(own.resolve())
    return Move(str(own), was, tier, size, now.nbytes, time.monotonic() - begun, str(now))


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
        was, size = places.tier_of(own), home_of(own.resolve()).nbytes
        kept.rename(places.moving(own))
        replace_folder(places.moving(own), own, places.aside(own))
        discard(own, places.moving(own))
        now, spent = home_of(own.resolve()), time.monotonic() - begun
    return Move(str(own), was, places.tier_of(own), size, now.nbytes, spent, str(now))


# ---- the steps of a move


def _replace(
    own: Path,
    source: Home,
    target: Tier,
    wanted: list[documents.Change],
    entry: Mapping[str, Any],
    keep: bool,
    report: Progress,
) -> None:
    old = own.resolve()
    state = state_of(old)
    key = {
        "lepton": __version__,
        "tier": target.name,
        "codecs": [asdict(change) for change in wanted],
        "state": state,
        "block": writing.BLOCK_BYTES,
    }
    beside, kept = places.moving(own), places.before(own)
    try:
        with arriving(own, target, key) as arrival:
            with answering(source, arrival.home):
                _write(arrival, source, wanted, entry, report)
            report(0, 0, "waiting for the disk")
            settle(arrival.into.folder)
            check_state(own, old, state)
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
    except (OSError, DataError) as error:
        raise DataError(
            f"{own} is {target.name} now, but what it was before cannot be removed: {error} "
            f"The next move tries again; or remove {beside} yourself."
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
    arrival: Arrival,
    source: Home,
    wanted: list[documents.Change],
    entry: Mapping[str, Any],
    report: Progress,
) -> None:
    home, into = arrival.home, arrival.into
    if into.resumed:
        report(0, 0, "going on where a move was killed")
    recoding.begin(source, home, wanted, entry)
    if not into.resumed:
        into.begin()
    copies, jobs = recoding.copies_of(source, wanted), recoding.jobs_of(source, home, wanted)
    total = 2 * (sum(job.nbytes for job in jobs) + sum(copies.values()))
    done = 0

    def telling(text: str) -> Callable[[int], None]:
        def advance(size: int) -> None:
            nonlocal done
            done += size
            report(done, total, text)

        return advance

    recoding.copy(copies, source, home, into, telling("writing"))
    fill(jobs, into, telling("writing"))
    recoding.compare_copies(copies, source, home, telling("comparing"))
    for job, change in zip(jobs, wanted, strict=True):
        recoding.check_lengths(home, job, change)
        recoding.compare(job, telling("comparing"))
    recoding.consolidate_as(source, home)


def _silent(_done: int, _total: int, _text: str) -> None:
    """Report to nobody."""
