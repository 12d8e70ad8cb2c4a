"""`data label`: the page in a notebook; progress, export, import and a new dataset anywhere."""

from __future__ import annotations

import getpass
from argparse import Namespace
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import lepton_jlab as lepton
from lepton_jlab.commands.data import progress_of
from lepton_jlab.commands.result import Context, Result, action, bound

if TYPE_CHECKING:
    from lepton_jlab.data.label import Labels
    from lepton_jlab.panel.labelling import Labelling


@action("data label")
def label(args: Namespace, context: Context) -> Result:
    """Label, or do with the labels what was asked."""
    from lepton_jlab.data.label import find_labels, open_labels

    source = getattr(args, "import")
    if args.export or args.apply:
        labels = find_labels(args.path, args.name)
        return _written(labels, args, context)
    if context.place == "terminal" or args.json or source:
        labels = open_labels(args.path, args.classes, args.kind, name=args.name)
        if source:
            from lepton_jlab.data.label.formats import import_labels

            import_labels(labels, source, args.annotator or getpass.getuser())
        return Result(labels.info, _text(labels, context), bindings=bound(args, labels))
    page = lepton.label(
        args.path,
        args.classes,
        kind=args.kind,
        annotator=args.annotator,
        order=args.order,
        name=args.name,
    )
    return Shown(page.labels.info, repr(page.labels), bindings=bound(args, page), page=page)


@dataclass(frozen=True)
class Shown(Result):
    """A result that is a page."""

    page: Labelling | None = None

    def _repr_mimebundle_(self, **options: Any) -> Any:
        assert self.page is not None
        return self.page._repr_mimebundle_(**options)


def _written(labels: Labels, args: Namespace, context: Context) -> Result:
    if args.export:
        from lepton_jlab.data.label.formats import export_labels

        path = export_labels(labels, args.export, args.policy, force=args.force)
        return Result(lambda: {**labels.info(), "exported": str(path)}, f"Labels are in {path}.")
    from lepton_jlab.data.label.applying import apply_labels

    dataset = apply_labels(
        labels,
        args.apply,
        args.policy,
        force=args.force,
        progress=progress_of(context.progress),
    )
    return Result(dataset.info, repr(dataset), dataset._repr_html_(), bindings=bound(args, dataset))


def _text(labels: Labels, context: Context) -> str:
    """Write how far labelling is, and how annotators agree."""
    info = labels.info()
    lines = [f"{info['labelled']:,} of {info['samples']:,} samples labelled, in {labels.path.name}"]
    lines += [f"  {name}: {count:,}" for name, count in info["annotators"].items()]
    counts = ", ".join(f"{name} {count:,}" for name, count in info["counts"].items() if count)
    lines += [f"by the majority: {counts}"] if counts else []
    for pair in info["agreement"]:
        if pair["shared"]:
            names = " and ".join(pair["annotators"])
            lines.append(
                f"{names}: {pair['same']} of {pair['shared']} the same, kappa {pair['kappa']:.2f}"
            )
    if info["disagreements"]:
        few = ", ".join(map(str, info["disagreements"][:10]))
        lines.append(f"they differ on {len(info['disagreements'])} samples: {few}")
    if context.place == "terminal" and not info["labelled"]:
        lines.append(f"Label in a notebook: %lepton data label {labels.dataset.path}")
    return "\n".join(lines)
