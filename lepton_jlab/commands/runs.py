"""`run` and the verbs of `runs`."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lepton_jlab as lepton
from lepton_jlab.commands.result import Context, Result, action, bound, spoken
from lepton_jlab.errors import NotFoundError, RunError, UsageError, suggestion

if TYPE_CHECKING:
    from typing import TypeAlias

    from lepton_jlab.runs import Run, Sweep

    Work: TypeAlias = Run | Sweep

_SHOWN = 50  # runs of a listing that are drawn unless --limit says otherwise; --json has them all


@action("run")
def run(args: Namespace, context: Context) -> Result:
    """Submit a cell, or a file as a cell."""
    from lepton_jlab.runs.submit import submit

    sweep: dict[str, Any] = {}
    for name, values in args.sweep or ():
        if name in sweep:
            raise UsageError(f"--sweep {name} is given twice. Put all its values into one.")
        sweep[name] = values
    file = source_file(args.file) if getattr(args, "file", None) else None
    with _importing_from(file.parent if file else None):
        work = submit(
            file.read_text() if file else context.code,
            name=args.name,
            sweep=sweep or None,
            repeat=args.repeat,
            trials=args.trials,
            search=args.search,
            prune=args.prune,
            metric=args.metric,
            mode=args.mode,
            seed=args.seed,
            push=args.push,
            pull=args.pull,
            retries=args.retries,
            timeout=args.timeout,
            stall=args.stall,
            memory=args.memory,
            keep=args.keep,
            replicas=args.replicas,
            checkpoint=args.checkpoint,
            gpus=args.gpus,
            precision=args.precision,
            budget=args.budget,
            energy=args.energy,
            place=args.place,
            cluster=args.cluster,
            namespace=context.namespace,
            filename=str(file) if file else None,
        )
    return _submitted(args, work)


@action("runs list")
def list_(args: Namespace, context: Context) -> Result:
    """List the runs."""
    from lepton_jlab.runs.lookup import runs
    from lepton_jlab.runs.views.drawing import listing_html, listing_text

    found = runs(None if args.state else args.limit)
    if args.state:
        found = [run for run in found if run.state == args.state][-(args.limit or 0) :]
    rows = [run.to_dict() for run in found]
    if not rows:
        hint = f"No run is {args.state}." if args.state else listing_text(rows)
        return Result(lambda: rows, spoken(hint, context.place))
    shown = rows if args.limit else rows[-_SHOWN:]
    older = len(rows) - len(shown)
    remark = f"… {older:,} older: --limit {len(rows)}" if older else ""
    text = "\n".join(filter(None, [remark, listing_text(shown)]))
    return Result(lambda: rows, text, f"{remark}{listing_html(shown)}")


@action("runs show")
def show(args: Namespace, context: Context) -> Result:
    """Show a run or a sweep, or what it printed."""
    from lepton_jlab.runs.views import page
    from lepton_jlab.runs.views.output import arranged

    work = find(args.id, context)
    if not args.output:
        return Result(work.to_dict, _text(work), work._repr_html_())
    runs = list(each([work]))
    outputs = {run.id: run.output for run in runs}

    def document() -> Any:
        shown = work.to_dict()
        for one in shown.get("runs", [shown]):
            one["output"] = outputs[one["id"]]
        return shown

    parts = []
    for run in runs:
        head = f"<p><b>{run.id}</b></p>" if len(runs) > 1 else ""
        parts.append(head + arranged(run.messages()).html(lines=sys.maxsize))
    headed = (f"── {key} ──\n{text}" for key, text in outputs.items())
    text = "\n".join(headed) if len(runs) > 1 else "".join(outputs.values())
    return Result(document, text, page.frame(*parts))


@action("runs wait")
def wait(args: Namespace, context: Context) -> Result:
    """Hand over what is to be waited for."""
    found = [find(key, context) for key in args.id]
    return Result(lambda: _documents(found), _texts(found), work=tuple(found), waits=True)


@action("runs cancel")
def cancel(args: Namespace, context: Context) -> Result:
    """Cancel runs, none if one of the IDs is wrong, and return when they have ended."""
    from lepton_jlab.config import settings

    found = [find(key, context) for key in args.id]
    for work in found:
        work.cancel(force=args.force)
    with suppress(TimeoutError):
        for work in found:
            work.wait(settings().grace + 5)
    return Result(lambda: _documents(found), _texts(found))


@action("runs rerun")
def rerun(args: Namespace, context: Context) -> Result:
    """Submit runs again."""
    work = find(args.id, context).rerun(args.cluster)
    return _submitted(args, work)


@action("runs resume")
def resume(args: Namespace, context: Context) -> Result:
    """Have a run go on from its checkpoint, or a search with what it has learned."""
    work = find(args.id, context)
    if isinstance(work, lepton.Sweep):
        work.resume(args.trials, args.cluster)
    elif args.trials is not None:
        raise UsageError(f"{work.id} is a single run: --trials belongs to a search.")
    else:
        work = work.resume(args.cluster)
    return _submitted(args, work)


@action("runs compare")
def compare(args: Namespace, context: Context) -> Result:
    """Compare runs."""
    from lepton_jlab.runs.views.drawing import compare_html, compare_text

    runs = {run.id: run for run in each(find(key, context) for key in args.id)}
    rows = [run.to_dict() for run in runs.values()]
    histories = {key: run.history_rows() for key, run in runs.items()}
    return Result(lambda: rows, compare_text(rows), compare_html(rows, histories))


@action("runs best")
def best(args: Namespace, context: Context) -> Result:
    """Find the best run."""
    from lepton_jlab.runs.lookup import runs
    from lepton_jlab.runs.sweep import best_of

    among = list(each([find(args.id, context)])) if args.id else runs()
    run = best_of(among, args.metric, args.mode)
    return Result(run.to_dict, _text(run), run._repr_html_(), bindings=bound(args, run))


@action("runs pull")
def pull(args: Namespace, context: Context) -> Result:
    """Bring values into the notebook; in a terminal, say in which files they are."""
    work = find(args.id, context)
    runs = list(each([work]))
    known = list(dict.fromkeys(name for run in runs for name in run.values))
    names = args.name or known
    if not names:
        raise RunError(f"{work.id} kept no values. Ask for them when you submit: --pull NAME")
    if missing := [name for name in names if name not in known]:
        raise NotFoundError(
            f"{work.id} has no value {missing[0]!r}.{suggestion(missing[0], known)} "
            f"It has: {', '.join(known) or 'none'}. Ask for it when you submit: --pull {missing[0]}"
        )
    rows = [
        {"run": run.id, "name": name, "file": _value_file(run, name)}
        for run in runs
        for name in names
        if name in list(run.values)
    ]
    if context.place == "terminal":
        return Result(lambda: rows, "\n".join(f"{r['run']} {r['name']}: {r['file']}" for r in rows))
    values = {name: _pulled(work, name) for name in names}
    bindings: Mapping[str, Any] = values
    if args.out:
        bindings = bound(args, values[names[0]] if len(args.name) == 1 else values)
    text = f"{', '.join(names)} of {work.id}: now in {', '.join(bindings)}."
    return Result(lambda: rows, text, bindings=bindings)


def find(key: str, context: Context) -> Work:
    """Return the run or sweep of that id or name, or that a variable of the notebook holds."""
    from lepton_jlab.runs.lookup import run

    held = context.namespace.get(key)
    return held if isinstance(held, lepton.Run | lepton.Sweep) else run(key)


def each(found: Iterable[Work]) -> Iterator[Run]:
    """Walk over runs, those of sweeps among them."""
    for work in found:
        if isinstance(work, lepton.Sweep):
            yield from work
        else:
            yield work


def in_turn(found: Iterable[Work]) -> list[Sequence[Run]]:
    """Return what is followed one after another: each sweep that grows, then all other runs."""
    works = list(found)
    grow = [work for work in works if isinstance(work, lepton.Sweep) and work.searching]
    others = list(each(work for work in works if work not in grow))
    return [*grow, others] if others or not grow else [*grow]


def going_on(found: Iterable[Work]) -> bool:
    """Tell whether a run has not ended, or more of a search are to come."""
    return any(
        work.searching or going_on(work)
        if isinstance(work, lepton.Sweep)
        else work.state in ("queued", "running")
        for work in found
    )


def failure(found: Iterable[Work]) -> RunError | None:
    """Return the error that says which runs have ended other than well, or None."""
    found = list(found)
    for work in found:
        if isinstance(work, lepton.Sweep) and (error := work.search_failure()) is not None:
            return error
    runs = list(each(work for work in found if getattr(work, "trials", None) is None))
    wrong = [run for run in runs if run.state in ("failed", "cancelled", "lost")]
    if not wrong:
        return None
    first = wrong[0]
    message = (first.error or {}).get("message") or ""
    about = f"{first.id} {first.state}" + (f": {message}" if message else "")
    if len(runs) == 1:
        return RunError(about)
    return RunError(f"{len(wrong)} of {len(runs)} runs did not succeed. {about}")


def _documents(found: Iterable[Work]) -> list[dict[str, Any]]:
    return [work.to_dict() for work in found]


def _texts(found: Iterable[Work]) -> str:
    return "\n".join(_text(work, lines=0) for work in found)


def _pulled(work: Work, name: str) -> Any:
    """Return a run's value; of a sweep, the values by run id."""
    if isinstance(work, lepton.Sweep):
        return {run.id: run.values[name] for run in work if name in list(run.values)}
    return work.values[name]


def _value_file(run: Run, name: str) -> str:
    return str(next((Path(run.to_dict()["folder"]) / "values").glob(f"{name}.*")))


def source_file(name: str) -> Path:
    """Return the path of a Python file; UsageError if there is none."""
    path = Path(name).expanduser().absolute()
    if not path.is_file():
        near = suggestion(path.name, (p.name for p in path.parent.glob("*.py")))
        raise UsageError(f"There is no file {name!r}.{near}")
    return path


@contextmanager
def _importing_from(folder: Path | None) -> Iterator[None]:
    """Let a file import what lies beside it; a submission takes the search path along."""
    before = list(sys.path)
    if folder:
        sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = before


def _submitted(args: Namespace, work: Work) -> Result:
    """Show what has just been submitted, and follow it."""
    return Result(
        work.to_dict,
        _text(work, lines=0),
        bindings=bound(args, work),
        work=(work,),
        waits=args.wait,
    )


def _text(work: Work, lines: int = 40) -> str:
    from lepton_jlab.runs.views.drawing import run_text, sweep_text

    if isinstance(work, lepton.Sweep):
        rows = [run.to_dict() for run in work]
        return sweep_text(rows, name=_called(work), search=work.search)
    return run_text(work.to_dict(), work.messages() if lines else (), lines=lines)


def _called(work: Work) -> str:
    return " ".join(dict.fromkeys(filter(None, [work.id, work.name])))
