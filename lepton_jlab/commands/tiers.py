"""`data tier`: where datasets are, what that costs, and moving them, on the cluster if one runs."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import lepton_jlab as lepton
from lepton_jlab.commands.result import Context, Result, action, spoken
from lepton_jlab.errors import UsageError

if TYPE_CHECKING:
    from lepton_jlab.runs.views.table import Table

OFTEN = 0.2  # s between two lines of progress
NONE_KNOWN = (
    "No dataset is known here yet: one becomes known when it is trained on, or by "
    "%lepton data tier PATH --importance 1"
)


@dataclass(frozen=True, slots=True)
class Job:
    """A move to be made: to a tier, or ``""`` to take the last one back."""

    path: str
    tier: str
    keep: bool = False


@action("data tier")
def tier(args: Namespace, context: Context) -> Result:
    """Show tiers, or move datasets between them."""
    from lepton_jlab.data.tiers import accesses
    from lepton_jlab.data.tiers.guarding import known_path
    from lepton_jlab.data.tiers.overview import overview
    from lepton_jlab.data.tiers.places import came_from

    _check(args)
    path = None if args.path is None else known_path(args.path)
    tier_before = None if path is None else came_from(path)
    importance = None if args.importance is None else int(args.importance)
    said = {"importance": importance, "policy": args.policy}
    if args.undo:
        assert path is not None
        result = _move([Job(path, "")], args, context)
        # Or auto would move it again.
        accesses.keep(path, policy=tier_before)
        return result
    rows = overview(None if path is None else {path: said})
    if path is not None:
        rows = [row for row in rows if row["path"] == path]
    if not args.dry_run and path is not None and (importance, args.policy) != (None, None):
        accesses.keep(path, importance=importance, policy=args.policy)
    if args.policy is None or args.dry_run:
        return _shown(rows, args, context)
    jobs = [Job(r["path"], r["to"], args.keep) for r in rows if r["to"] not in (None, r["tier"])]
    return _move(jobs, args, context) if jobs else _shown(rows, args, context)


def carry_out(jobs: Sequence[Job], say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Make moves one after the other; in a run, its progress is the metric ``moved``.

    Parameters
    ----------
    say
        Takes one short line now and then.

    Raises
    ------
    LeptonError
        What the first move that fails says; those before it are made.
    """
    from lepton_jlab.data.tiers.moving import move, undo

    done = []
    for job in jobs:
        progress = _told(job, say)
        if job.tier:
            moved = move(job.path, job.tier, keep=job.keep, progress=progress)
        else:
            moved = undo(job.path, progress)
        done.append(moved.to_dict())
        say(_sentence(done[-1]))
    return done


def _check(args: Namespace) -> None:
    """Refuse words that contradict each other."""
    name = "data tier"
    if args.path is None:
        for option in ("importance", "undo", "keep"):
            if getattr(args, option):
                raise UsageError(f"{name}: --{option} needs the PATH of one dataset.")
        if args.policy not in (None, "auto"):
            raise UsageError(
                f"{name}: --policy {args.policy} needs the PATH of one dataset; for all known "
                "datasets there is --policy auto."
            )
    if args.undo and (args.policy or args.importance or args.dry_run or args.keep):
        raise UsageError(f"{name}: --undo takes back the last move, and goes with nothing else.")
    if args.here and args.cluster:
        raise UsageError(f"{name}: give either --here or --cluster {args.cluster}.")


def _move(jobs: list[Job], args: Namespace, context: Context) -> Result:
    """Move on the cluster where one runs, else here."""
    if not args.here and (args.cluster or lepton.clusters()):
        return _submitted(jobs, args)
    done = carry_out(jobs, context.progress)
    return Result(lambda: done, "\n".join(map(_sentence, done)))


def _submitted(jobs: list[Job], args: Namespace) -> Result:
    listed = ", ".join(f"Job({j.path!r}, {j.tier!r}, {j.keep!r})" for j in jobs)
    code = (
        "from lepton_jlab.commands.tiers import Job, carry_out\n"
        f"moved = carry_out([{listed}], print)\n"
    )
    run = lepton.submit(code, name="tier", pull=["moved"], push="none", cluster=args.cluster)
    assert isinstance(run, lepton.Run)
    count = "1 dataset" if len(jobs) == 1 else f"{len(jobs)} datasets"
    text = f"{run.id} moves {count} in the background: %lepton runs show {run.id} --output"
    return Result(run.to_dict, text, work=(run,), waits=args.wait)


def _told(job: Job, say: Callable[[str], None]) -> Callable[[int, int, str], None]:
    """Make what a move reports to: a line now and then, and the metric of a run."""
    last = 0.0
    name = job.path.rpartition("/")[2]

    def progress(done: int, total: int, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if total and now - last < OFTEN and done < total:
            return
        last = now
        if total:
            lepton.log(moved=done / total)
        say(f"{name}: {text} {done / total:.0%}" if total else f"{name}: {text}")

    return progress


def _sentence(moved: Mapping[str, Any]) -> str:
    from lepton_jlab.runs import words

    sizes = f"{words.size(moved['bytes_before'])} became {words.size(moved['bytes'])}"
    if moved["before"] == moved["tier"]:
        return f"{moved['path']} is {moved['tier']} already."
    text = f"{moved['path']} is {moved['tier']} now, {moved['before']} before; {sizes}."
    return text + (f" Its chunks are in {moved['place']}." if "://" in moved["place"] else "")


# ---- tables


def _shown(rows: list[dict[str, Any]], args: Namespace, context: Context) -> Result:
    from lepton_jlab.data.tiers.overview import copies, totals
    from lepton_jlab.data.tiers.prices import price_file
    from lepton_jlab.runs.views import page

    kept = copies(rows)
    document: dict[str, Any] = {"datasets": rows, "tiers": totals(rows), "hot_disk": kept}
    document["prices"] = str(price_file())
    if not rows:
        return Result(lambda: document, spoken(NONE_KNOWN, context.place))
    table = _table(rows)
    notes = [_total(rows)] if document["tiers"] else []
    if args.policy is None and any(r["to"] not in (None, r["tier"]) for r in rows):
        path = f" {args.path}" if args.path else ""
        notes.append(f"Move as auto says: %lepton data tier{path} --policy auto")
    notes += [f"{r['name']}: in {r['place']}" for r in rows if r["tier"] != "remote" and r["place"]]
    notes += [_copies(kept)] if kept else []
    if not price_file().exists():
        notes.append(f"Prices are defaults; yours go into {price_file()}.")
    text = "\n".join([table.text(), *(spoken(note, context.place) for note in notes)])
    return Result(lambda: document, text, page.frame(table.html(), *map(page.note, notes)))


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    from lepton_jlab.runs import words
    from lepton_jlab.runs.views.table import Cell, Table

    money = f"{rows[0]['currency']} a month"
    header = ["dataset", "importance", "reads", "score", "tier", "policy", "stored", money]
    header += ["would be", "stored then", "saves", "saves a month", "move costs"]
    table = Table(header, frozenset({1, 2, 3, 6, 7, 9, 10, 11, 12}))
    for row in rows:
        told = [
            row["name"],
            f"{row['importance']}",
            f"{row['accesses']:.1f}",
            f"{row['score']:.1f}",
        ]
        told += [row["tier"], row["policy"]]
        if row["bytes"] is None:
            told += [""] * 7
        elif row["to"] == row["tier"]:
            told += [words.size(row["bytes"]), _money(row["money_per_month"]), *[""] * 5]
        else:
            told += [words.size(row["bytes"]), _money(row["money_per_month"]), row["to"]]
            told += [words.size(row["to_bytes"]), _signed(row["saved_bytes"])]
            told += [_money(row["saved_per_month"]), _money(row["move_cost"])]
        table.rows.append([Cell(text) for text in told])
    return table


def _copies(kept: Mapping[str, Any]) -> str:
    """Write what the hot disk holds, and of what use it is."""
    from lepton_jlab.runs import words

    text = f"Hot disk {kept['folder']}: {words.size(kept['bytes'])} of {words.size(kept['limit'])}"
    if kept["datasets"]:
        largest = sorted(kept["datasets"].items(), key=lambda one: -one[1])[:5]
        named = (f"{path.rpartition('/')[2]} {words.size(size)}" for path, size in largest)
        text += f" ({', '.join(named)}{', …' if len(kept['datasets']) > 5 else ''})"
    if kept["hits"] is not None:
        text += f"; {kept['hits']:.0%} of what was read lately came from it"
    return f"{text}."


def _total(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write what all moves together would change."""
    from lepton_jlab.data.tiers.overview import totals
    from lepton_jlab.runs import words

    sums = totals(rows)
    kept = sum(one["bytes"] for one in sums.values())
    money = sum(one["money_per_month"] for one in sums.values())
    saved = sum(row["saved_per_month"] or 0.0 for row in rows)
    bytes_saved = sum(row["saved_bytes"] or 0 for row in rows)
    parts = ", ".join(f"{name} {words.size(int(one['bytes']))}" for name, one in sums.items())
    text = f"{words.size(int(kept))} for {_money(money)} {rows[0]['currency']} a month"
    text += f" ({parts})" if len(sums) > 1 else ""
    if any(row["to"] not in (None, row["tier"]) for row in rows):
        text += f"; the moves save {_signed(bytes_saved)} and {_money(saved)} a month"
    return f"{text}."


def place_text(place: Mapping[str, Any]) -> str:
    """Write where a dataset is, and what it is worth."""
    from lepton_jlab.runs import words

    told = ", ".join(f"{tier} {words.size(size)}" for tier, size in place["tier_bytes"].items())
    told += f" in {place['where']}" if place["where"] else ""
    told += f"; importance {place['importance']}, read {place['accesses']:.1f} times lately, score "
    told += f"{place['score']:.1f}; {_money(place['money_per_month'])} {place['currency']}"
    return f"{told} a month"


def _signed(count: int) -> str:
    from lepton_jlab.runs import words

    return words.size(count) if count >= 0 else f"-{words.size(-count)}"


def _money(amount: float) -> str:
    return f"{amount:.2f}" if abs(amount) >= 0.995 or amount == 0 else f"{amount:.2g}"
