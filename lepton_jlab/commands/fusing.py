"""`data fuse`: several datasets as one."""

from __future__ import annotations

from argparse import Namespace

from lepton_jlab.commands.cleaning import read_json
from lepton_jlab.commands.result import Context, Result, action
from lepton_jlab.commands.spread import spread, told
from lepton_jlab.errors import UsageError


@action("data fuse")
def fuse(args: Namespace, context: Context) -> Result:
    """Make the union of datasets, or join two by keys."""
    from lepton_jlab.data.fuse import fuse, join
    from lepton_jlab.data.parallel import threaded

    if args.out is None:
        raise UsageError("data fuse: say what to make: --out OUT.zarr")
    if args.on is not None:
        if len(args.path) != 2 or args.map or args.dedup:
            raise UsageError("data fuse: --on joins two datasets, and goes with no other option.")
        left, right = args.path
        joined = join(left, right, args.out, on=args.on, force=args.force)
        document = joined.info()
        done = document["history"][-1]
        text = f"{joined.path}: {done['samples']:,} samples; without partner: " + ", ".join(
            f"{count:,} of {path}" for count, path in zip(done["left_out"], args.path, strict=True)
        )
        return Result(lambda: document, text, joined._repr_html_())
    with spread(args) as way:
        made = fuse(
            args.path,
            args.out,
            classes=None if args.map is None else read_json(args.map, "--map"),
            dedup=args.dedup,
            conflicts=args.conflicts,
            force=args.force,
            parallel=way.parallel or threaded,
            progress=told(context.progress),
        )
    return Result(made.to_dict, repr(made), made._repr_html_())
