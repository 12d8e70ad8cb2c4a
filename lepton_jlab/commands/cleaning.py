"""`data clean`: what is wrong in a dataset, and the dataset without it."""

from __future__ import annotations

import json
import shlex
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lepton_jlab as lepton
from lepton_jlab.commands.result import Context, Result, action, bound, spoken
from lepton_jlab.commands.spread import spread, told
from lepton_jlab.errors import UsageError


@action("data clean")
def clean(args: Namespace, context: Context) -> Result:
    """Look for faults; write the dataset without them where that is asked for."""
    from lepton_jlab.data.clean import clean
    from lepton_jlab.data.parallel import threaded
    from lepton_jlab.data.unfinished import check_destination

    dataset = lepton.open_dataset(args.path)
    if args.apply is not None:  # before minutes of work
        check_destination(Path(args.apply).expanduser().absolute(), args.force)
    progress = told(context.progress)
    with spread(args) as way:
        parallel = way.parallel or threaded
        found = clean(
            dataset,
            args.checks,
            schema=None if args.schema is None else read_json(args.schema, "--schema"),
            epochs=args.epochs,
            parallel=parallel,
            fits=way.fits,
            progress=progress,
        )
        document, lines = found.to_dict(), [repr(found)]
        if args.apply is None:
            again = f"%lepton data clean {shlex.quote(args.path)} --apply cleaned.zarr"
            hint = f"Write it without them (outliers stay): {again}"
            lines += [spoken(hint, context.place)] if len(found) else []
        else:
            made = found.apply(args.apply, force=args.force, parallel=parallel, progress=progress)
            document["applied"] = {"path": made.path, "samples": len(made)}
            lines.append(f"{made.path}: {len(made):,} of {len(dataset):,} samples")
    return Result(
        lambda: document, "\n".join(lines), found._repr_html_(), bindings=bound(args, found)
    )


def read_json(path: str, option: str) -> Mapping[str, Any]:
    """Read a JSON file that holds names and what belongs to them.

    Raises
    ------
    UsageError
        If there is no such file, or it holds something else.
    """
    try:
        read = json.loads(Path(path).expanduser().read_text())
    except OSError as error:
        raise UsageError(f"{option} {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(f"{option} {path} is no JSON: {error}.") from error
    if not isinstance(read, dict):
        raise UsageError(f"{option} {path} holds no names and what belongs to them: {{…: …}}.")
    return read
