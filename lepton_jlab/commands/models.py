"""The verbs of `model`."""

from __future__ import annotations

import time
from argparse import Namespace
from typing import Any

import lepton_jlab as lepton
from lepton_jlab.commands.result import Context, Result, action, spoken
from lepton_jlab.models.places import split_name

OFTEN = 0.5  # s between two lines of progress


@action("model save")
def save(args: Namespace, context: Context) -> Result:
    """Save a model as a new version."""
    from lepton_jlab.models import views
    from lepton_jlab.models.saving import save_version

    version = save_version(
        _meant(args.what, context),
        args.name,
        args.note,
        _held(args.samples, context),
        told(context),
        value=args.value,
        promote=args.promote,
    )
    document = version.to_dict()
    promoted = lepton.model(version.name).promoted
    lines = [f"Saved {version}.", *views.facts(document)]
    if promoted != version.number:
        lines.append(
            f"Promoted is {promoted} still; to use this one: %lepton model promote {version}"
        )
    lines = [spoken(line, context.place) for line in lines]
    return _lines({"name": version.name, "promoted": promoted, **document}, lines)


@action("model list")
def list_(_args: Namespace, context: Context) -> Result:
    """List the models."""
    from lepton_jlab.models import views
    from lepton_jlab.runs.views import page

    documents = [model.to_dict() for model in lepton.models()]
    if not documents:
        hint = "No models yet. Save one: %lepton model save RUN --name NAME"
        return Result(lambda: documents, spoken(hint, context.place))
    table = views.listing(documents)
    return Result(lambda: documents, table.text(), page.frame(table.html()))


@action("model show")
def show(args: Namespace, _context: Context) -> Result:
    """Show a model."""
    from lepton_jlab.models import views

    name, number = split_name(args.name)
    model = lepton.model(name)
    model.version(number)
    document = model.to_dict()
    return Result(
        lambda: document,
        views.model_text(document, number),
        views.model_html(document, number),
    )


@action("model diff")
def diff(args: Namespace, _context: Context) -> Result:
    """Compare two versions."""
    from lepton_jlab.models import views
    from lepton_jlab.runs.views import page

    name, number = split_name(args.old)
    if args.new is None:
        old, new = lepton.model(name).version(), lepton.model(name).version(number)
        if number is None:
            new = lepton.model(name).versions[-1]
    else:
        old = lepton.model(name).version(number)
        other, number = split_name(args.new)
        new = lepton.model(other).version(number)
    rows = views.difference(old.to_dict(), new.to_dict())
    document = {"old": str(old), "new": str(new), "differences": rows}
    if not rows:
        return _lines(document, [f"{old} and {new} differ in nothing that is recorded."])
    table = views.difference_table(rows, str(old), str(new))
    return Result(lambda: document, table.text(), page.frame(table.html()))


@action("model promote")
def promote(args: Namespace, _context: Context) -> Result:
    """Make a version the one to use."""
    name, number = split_name(args.name)
    model = lepton.model(name)
    before = model.promoted
    version = number or model.versions[-1].number
    model.promote(version)
    return _changed(model, before)


@action("model rollback")
def rollback(args: Namespace, _context: Context) -> Result:
    """Go back to the version that was promoted before."""
    model = lepton.model(args.name)
    before = model.promoted
    model.rollback()
    return _changed(model, before)


@action("model drop")
def drop(args: Namespace, _context: Context) -> Result:
    """Remove a version or a model."""
    name, number = split_name(args.name)
    model = lepton.model(name)
    model.drop(number, force=args.force)
    return _lines({"name": name, "version": number}, [f"Dropped {args.name}."])


@action("model predict")
def predict(args: Namespace, context: Context) -> Result:
    """Send a dataset through a model."""
    from lepton_jlab.runs import words

    name, number = split_name(args.name)
    progress = Rate(context)
    start = time.monotonic()
    dataset = lepton.predict(
        name,
        _held(args.src, context),
        args.out,
        version=number,
        cluster=args.cluster,
        here=args.here,
        batch=args.batch,
        allow_nan=args.allow_nan,
        force=args.force,
        progress=progress,
    )
    seconds = time.monotonic() - start
    info = {**dataset.info(), "seconds": seconds, "samples_per_second": progress.speed}
    arrays = ", ".join(f"{a.name} {a.shape} {a.dtype}" for a in dataset.arrays.values())
    lines = [
        f"{args.name} answered {len(dataset):,} samples in {words.duration(seconds)}: {arrays}",
        f"in {dataset.path}",
    ]
    return _lines(info, lines)


class Rate:
    """Tells the share, the speed and the time left of what counts samples, now and then."""

    def __init__(self, context: Context) -> None:
        self._say = context.progress
        self._begun: tuple[float, int] | None = None
        self._last = 0.0
        self.speed: float | None = None  # samples/s, over all

    def __call__(self, done: int, total: int, text: str) -> None:
        """Take note of `done` samples of `total`."""
        from lepton_jlab.runs import words

        now = time.monotonic()
        if self._begun is None:
            self._begun = (now, done)
        start, before = self._begun
        self.speed = (done - before) / (now - start) if done > before else None
        if now - self._last < OFTEN and done < total:
            return
        self._last = now
        line = f"{text} {done / max(total, 1):.0%}"
        if self.speed:
            line += f", {self.speed:,.0f} samples/s"
            if done < total:
                line += f", {words.duration((total - done) / self.speed)} left"
        self._say(line)


@action("model export")
def export(args: Namespace, context: Context) -> Result:
    """Export a model, checked."""
    from lepton_jlab.models import views

    name, number = split_name(args.name)
    facts = lepton.export_model(
        name,
        args.to,
        version=number,
        quantize=args.quantize,
        samples=_held(args.samples, context),
        max_loss=args.max_loss,
        max_difference=args.max_difference,
        out=args.out,
        force=args.force,
        progress=told(context),
    )
    lines = [spoken(line, context.place) for line in views.export_lines(facts)]
    return _lines(facts, lines)


def told(context: Context) -> Any:
    """Make what saving and exporting report their progress to: each new thing, shares seldom."""
    last, since = "", 0.0

    def progress(done: int, total: int, text: str) -> None:
        nonlocal last, since
        now = time.monotonic()
        if text != last or now - since >= OFTEN:
            last, since = text, now
            context.progress(f"{text} {done / total:.0%}" if total else f"{text} …")

    return progress


def _meant(word: str, context: Context) -> Any:
    """Return the run or model that a variable of the notebook holds, else the word itself."""
    from lepton_jlab.errors import NotFoundError
    from lepton_jlab.runs.lookup import run

    if word in context.namespace:
        return context.namespace[word]
    if word.isidentifier() and context.place != "terminal":
        try:
            return run(word)
        except NotFoundError as error:
            raise NotFoundError(f"{error} No variable is called so either.") from None
    return word


def _held(word: str | None, context: Context) -> Any:
    return context.namespace.get(word, word) if word else None


def _changed(model: Any, before: int) -> Result:
    now = model.promoted
    line = f"{model.name}: promoted is {now}" + (f", it was {before}." if now != before else ".")
    return _lines(model.to_dict(), [line])


def _lines(document: Any, lines: list[str]) -> Result:
    from lepton_jlab.runs.views import page

    return Result(lambda: document, "\n".join(lines), page.frame("".join(map(page.note, lines))))
