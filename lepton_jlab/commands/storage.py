"""The verbs of `data` for shared chunks, versions and checks."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from lepton_jlab.commands.result import Context, Result, action, spoken
from lepton_jlab.errors import UsageError

_OFTEN = 0.2  # s between two lines of progress
_SHOWN = 20  # findings written out


@action("data dedup")
def dedup(args: Namespace, _context: Context) -> Result:
    """Share equal chunks."""
    from lepton_jlab.data.storage import dedup, sizes
    from lepton_jlab.runs import words

    done = dedup(args.path, force=args.force) | {"sizes": sizes(args.path)}
    lines = [
        f"{done['files']:,} chunks, {words.size(done['bytes'])}; "
        f"{words.size(done['freed_bytes'])} freed",
        sizes_text(done["sizes"]),
        *_notes(done),
    ]
    return _told(done, lines)


@action("data snapshot")
def snapshot(args: Namespace, context: Context) -> Result:
    """Make a version."""
    from lepton_jlab.data.storage import sizes, snapshot
    from lepton_jlab.runs import words

    if args.private and args.shared:
        raise UsageError("data snapshot: give either --private or --shared.")
    chosen = True if args.private else False if args.shared else None
    made = snapshot(args.path, args.name, private=chosen, progress=_progress(context.progress))
    made["sizes"] = sizes(args.path)
    lines = [
        f"Version {made['name']!r}: {made['files']:,} files, {words.size(made['stored_bytes'])}; "
        f"{words.size(made['new_bytes'])} of it are new",
        sizes_text(made["sizes"]),
        *_notes(made),
    ]
    if not made["protected"] and not made["note"]:
        lines.append(_unprotected(made["private"], chosen))
    return _told(made, [spoken(line, context.place) for line in lines if line])


def _unprotected(private: bool, chosen: bool | None) -> str:
    """Say what follows from read-only files that stop nobody; nothing where that was chosen."""
    from lepton_jlab.data.storage.protection import WHY

    if not private:
        return f"Its files are shared, though {WHY}. --private prevents it."
    if chosen:
        return ""
    return (
        f"The dataset has files of its own, one more copy on disk, for {WHY}. Where nothing writes "
        "in that way, --shared saves the copy."
    )


@action("data versions")
def versions(args: Namespace, context: Context) -> Result:
    """List the versions."""
    from lepton_jlab.data.storage import sizes, versions
    from lepton_jlab.runs import words
    from lepton_jlab.runs.views import page
    from lepton_jlab.runs.views.table import Cell, Table

    rows = versions(args.path)
    if not rows:
        hint = f"No versions yet. Make one: %lepton data snapshot {args.path} NAME"
        return Result(lambda: {"versions": [], "sizes": None}, spoken(hint, context.place))
    total = sizes(args.path)
    table = Table(["version", "made", "files", "size", "own", ""], frozenset({2, 3, 4}))
    for row in rows:
        when = datetime.fromisoformat(row["created"]).timestamp()
        told = (
            row["name"],
            words.moment(when, time.time()),
            f"{row['files']:,}",
            words.size(row["stored_bytes"]),
            words.size(row["own_bytes"]),
            "private" if row["private"] else "",
        )
        table.rows.append([Cell(text) for text in told])
    text = f"{table.text()}\n{sizes_text(total)}"
    markup = page.frame(table.html() + page.note(sizes_text(total)))
    return Result(lambda: {"versions": rows, "sizes": total}, text, markup)


@action("data report")
def report(args: Namespace, context: Context) -> Result:
    """Show what the datasets in a folder take."""
    from lepton_jlab.data.storage import report
    from lepton_jlab.runs import words
    from lepton_jlab.runs.views import page
    from lepton_jlab.runs.views.table import Cell, Table

    found = report(args.folder)
    if not found["datasets"]:
        hint = "No datasets here. Make one: %lepton data import fashion-mnist fashion.zarr"
        return Result(lambda: found, spoken(hint, context.place))
    header = ["dataset", "versions", "original", "compressed", "ratio", "on disk", "ratio"]
    table = Table([*header, "together", "tier", ""], frozenset(range(1, 8)))

    def add(name: str, row: Mapping[str, Any]) -> None:
        told = [name, *[""] * 8]
        if not row.get("error"):
            original, compressed, on_disk = (
                words.size(row[f"{step}_bytes"])
                for step in ("original", "compressed", "deduplicated")
            )
            ratios = (f"{row[key] or 1:.2f}" for key in ("ratio_compression", "ratio_dedup"))
            tiers = ", ".join(f"{tier} {words.size(size)}" for tier, size in row["tiers"].items())
            told = [name, f"{row['versions']:,}", original, compressed, next(ratios), on_disk]
            told += [next(ratios), f"{row['ratio'] or 1:.2f}", tiers]
        table.rows.append([Cell(text) for text in (*told, row.get("error") or "")])

    for row in found["datasets"]:
        add(row["name"], row)
    if found["total"]["datasets"] > 1:
        add("all, shared files once", found["total"])
    return Result(lambda: found, table.text(), page.frame(table.html()))


@action("data diff")
def diff(args: Namespace, _context: Context) -> Result:
    """Compare two versions."""
    from lepton_jlab.data.storage import diff

    found = diff(args.path, args.old, args.new)
    lines = [_change(row) for row in found["arrays"]]
    for row in found["attributes"]:
        names = [
            f"{what} {', '.join(row[what])}"
            for what in ("added", "removed", "changed")
            if row[what]
        ]
        lines.append(f"attributes of {row['path'] or 'the dataset'}: {'; '.join(names)}")
    if not lines:
        lines = ["No difference." if found["same"] else "Only metadata documents differ."]
    return _told(found, lines)


@action("data restore")
def restore(args: Namespace, context: Context) -> Result:
    """Bring a version back."""
    from lepton_jlab.data.storage import restore

    done = restore(args.path, args.name, force=args.force, progress=_progress(context.progress))
    lost = f"; {done['lost']:,} files of the former state are gone" if done["lost"] else ""
    return _told(done, [f"{args.path} is as it was in {args.name!r}{lost}."])


@action("data drop")
def drop(args: Namespace, _context: Context) -> Result:
    """Remove a version."""
    from lepton_jlab.data.storage import drop
    from lepton_jlab.runs import words

    done = drop(args.path, args.name)
    return _told(done, [f"Dropped {args.name!r}; {words.size(done['freed_bytes'])} freed."])


@action("data verify")
def verify(args: Namespace, context: Context) -> Result:
    """Check every chunk, and repair."""
    from lepton_jlab.data.storage import verify

    done = verify(args.path, repair_from=args.repair_from, progress=_progress(context.progress))
    document = done.to_dict()
    lines = [_checked(row) for row in document["arrays"]]
    lines += [f"version {name}: {count:,} files" for name, count in done.versions.items()]
    for finding in document["findings"][:_SHOWN]:
        lines += _found(finding)
    if len(done.findings) > _SHOWN:
        lines.append(f"… and {len(done.findings) - _SHOWN:,} more; --json lists all")
    left = sum(not finding.repaired for finding in done.findings)
    if not done.findings:
        lines.append("All is as it should be.")
    elif not left:
        lines.append(f"{len(done.findings):,} repaired.")
    else:
        repair = f"%lepton data verify {args.path} --repair-from VERSION|PATH"
        then = "" if args.repair_from else f" Repair from a version or a copy: {repair}"
        lines.append(spoken(f"{left:,} files are not as they should be.{then}", context.place))
    text = "\n".join(lines)
    return Result(lambda: document, text, _page(text), failed=not done.ok)


def _progress(say: Callable[[str], None]) -> Callable[[int, int, str], None]:
    last = 0.0

    def progress(done: int, total: int, text: str) -> None:
        nonlocal last
        if total and (done == total or time.monotonic() - last >= _OFTEN):
            last = time.monotonic()
            say(f"{text} {done / total:.0%}")

    return progress


_MEANS = {
    "checksum": "read, decoded, checksums compared",
    "decoding": "read and decoded; there is no checksum: flipped bits may go unnoticed",
    "size": "read; there is neither a codec nor a checksum: only sizes were compared",
}


def _checked(row: Mapping[str, Any]) -> str:
    told = f"{row['path'] or 'the array'}: {row['files']:,} files: {_MEANS[row['means']]}"
    if row["compared"]:
        told += f"; {row['compared']:,} compared with their SHA-256"
    if row["absent"]:
        told += f"; {row['absent']:,} absent, which stand for the fill value"
    return told


def _found(finding: Mapping[str, Any]) -> list[str]:
    where = f"version {finding['version']}: " if finding["version"] else ""
    chunk = f"{finding['array']} {finding['chunk']}".strip()
    lines = [f"{finding['kind']}: {where}{chunk}: {finding['problem']} ({finding['path']})"]
    lines += [f"    the same file as {path}" for path in finding["shared_with"][:3]]
    if finding["repair"]:
        lines.append(f"    {'repaired' if finding['repaired'] else 'left'}: {finding['repair']}")
    return lines


def _change(row: Mapping[str, Any]) -> str:
    name = row["array"] or "the array"
    if row["change"] in ("added", "removed"):
        samples = row[f"samples_{row['change']}"]
        return f"{name}: {row['change']}, {samples:,} samples"
    if row["change"] == "stored":
        return f"{name}: the same values in other files ({row['files']:,})"
    counts = (f"{row[f'samples_{what}']:,} {what}" for what in ("changed", "added", "removed"))
    told = f"{name}: samples: " + ", ".join(c for c in counts if not c.startswith("0 "))
    if row["first"]:
        more = ", …" if row["samples_changed"] > len(row["first"]) else ""
        told += f" (number {', '.join(map(str, row['first']))}{more})"
    if row["old_shape"][1:] != row["new_shape"][1:]:
        told += f"; shape {row['old_shape']} became {row['new_shape']}"
    return told


def sizes_text(sizes: Mapping[str, Any]) -> str:
    """Write the sizes of a dataset with its versions, after each step."""
    from lepton_jlab.runs import words

    count = sizes["versions"]
    told = f"with {count:,} version{'s' * (count != 1)}: " if count else ""
    told += f"{words.size(sizes['original_bytes'])}, compressed "
    told += f"{words.size(sizes['compressed_bytes'])} (ratio {sizes['ratio_compression'] or 1:.2f})"
    told += f", on disk {words.size(sizes['deduplicated_bytes'])} (ratio "
    return f"{told}{sizes['ratio_dedup'] or 1:.2f}; together {sizes['ratio'] or 1:.2f})"


def _notes(done: Mapping[str, Any]) -> list[str]:
    notes = [done["note"]] if done["note"] else []
    if done["overwritten"]:
        first = done["overwritten"][0]
        notes.append(
            f"Another program wrote into {len(done['overwritten'])} shared chunks in place, such as"
            f" {first}: versions that have them are damaged. See which: %lepton data verify "
            f"{done['path']}"
        )
    return notes


def _told(document: Mapping[str, Any], lines: list[str]) -> Result:
    text = "\n".join(lines)
    return Result(lambda: document, text, _page(text))


def _page(text: str) -> str:
    from lepton_jlab.runs.views import page

    return page.frame("".join(page.note(line) for line in text.splitlines()))
