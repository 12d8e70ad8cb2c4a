"""Which names a cell needs from its notebook, and which it gives itself."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from lepton_jlab.errors import UsageError, suggestion
from lepton_jlab.runs.capture.flow import Flow

_BUILTINS = frozenset(dir(builtins))
# What IPython puts into every namespace; a run's own shell has them too.
_SHELL = frozenset({"display", "get_ipython", "In", "Out"}) | {
    f"_{name}" for name in ("", "_", "__", "i", "ii", "iii", "ih", "oh", "dh", "exit_code")
}


def is_shells(name: str, value: object = None) -> bool:
    """Tell whether IPython keeps `name` in every namespace, so that it is never brought along."""
    if name in _SHELL or re.fullmatch(r"_i?\d+|__\w+__", name):
        return True
    home = str(getattr(value, "__module__", None) or "").partition(".")[0]
    return name in {"exit", "quit", "open"} and home in {"IPython", "ipykernel"}


@dataclass(frozen=True, slots=True)
class Names:
    """What a cell reads and binds; names with the line (from 1) where they first occur.

    Attributes
    ----------
    used
        Read before the cell itself has certainly bound them, without Python's and IPython's own.
    perhaps
        Read only if something unlikely happens (a loop runs zero times) or by something that may
        do without them (``!echo $name``): taken along where that is possible, never missed.
    builtins
        Names of builtins that are read; the notebook may have given one another meaning.
    assigned
        Bound at top level, anywhere in the cell.
    opaque
        The cell can bind names that cannot be seen (``import *``, ``exec``, ``%run`` …).
    """

    used: Mapping[str, int]
    perhaps: frozenset[str]
    builtins: frozenset[str]
    assigned: Mapping[str, int]
    opaque: bool


def analyse(source: str) -> Names:
    """Find the names of a cell without running it.

    Parameters
    ----------
    source
        The cell's text; IPython's syntax (``%magic``, ``!command``, top-level ``await``) is fine.

    Raises
    ------
    UsageError
        The cell is not valid Python; the message shows the line with a caret.

    Examples
    --------
    >>> sorted(analyse("model = build(lr)\\nmodel.fit(x)").used)
    ['build', 'lr', 'x']
    """
    flow = Flow(_parse)
    flow.follow(_parse(source))
    own = {name for name in flow.used if is_shells(name)}
    return Names(
        used={n: line for n, line in flow.used.items() if n not in own and n not in _BUILTINS},
        perhaps=frozenset(n for n in flow.perhaps if not is_shells(n)),
        builtins=frozenset(flow.used.keys() & _BUILTINS - own),
        assigned=flow.assigned,
        opaque=flow.opaque,
    )


def check_sweep(names: Names, sweep_names: Iterable[str]) -> None:
    """Refuse a cell that assigns a swept name itself: every run would then be the same.

    Raises
    ------
    UsageError
        One of `sweep_names` is bound at top level.
    """
    for name in sweep_names:
        if name in names.assigned:
            raise UsageError(
                f"The cell assigns {name!r} itself (line {names.assigned[name]}), so sweeping it "
                f"would change nothing. Remove that assignment, or take {name!r} out of the sweep."
            )


def check_missing(names: Names, known: Collection[str]) -> None:
    """Refuse a cell that uses a name which exists neither in it nor in `known`.

    Raises
    ------
    UsageError
        With the line and the nearest known name. Nothing is reported for an opaque cell.
    """
    missing = [n for n in names.used if n not in names.assigned and n not in known]
    if not missing or names.opaque:
        return
    where = [f"{name!r} (line {names.used[name]})" for name in missing]
    which = " and ".join(filter(None, [", ".join(where[:-1]), where[-1]]))
    near = suggestion(missing[0], {*known, *names.assigned, *_BUILTINS})
    them = "it is" if len(missing) == 1 else "they are"
    raise UsageError(
        f"The cell uses {which}, but {them} defined neither in the cell nor in the notebook."
        f"{near or f' Define {missing[0]!r} first.'}"
    )


def _parse(source: str, above: int = 0) -> ast.Module:
    """Parse a cell, or a part of one that has `above` lines of the cell over it."""
    from IPython.core.inputtransformer2 import TransformerManager

    # IPython drops leading blank lines; they count for whoever looks for line 3.
    above += source[: len(source) - len(source.lstrip())].count("\n")
    text = source
    try:
        text = TransformerManager().transform_cell(source)
        tree: ast.Module = ast.parse(text, "<cell>")
        # Some mistakes (`break` outside a loop) are found only when the code is made.
        compile(text, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError as error:
        raise UsageError(_explain(error, text, above)) from None
    except ValueError as error:  # null bytes
        raise UsageError(f"The cell is not valid Python: {error}.") from None
    ast.increment_lineno(tree, above)
    return tree


def _explain(error: SyntaxError, text: str, above: int) -> str:
    number = error.lineno or 1
    lines = text.splitlines()
    line = (error.text or (lines[number - 1] if number <= len(lines) else "")).rstrip()
    message = f"Line {number + above} of the cell is not valid Python: {error.msg}."
    if not line:
        return message
    indent = len(line) - len(line.lstrip())
    column = max((error.offset or 1) - 1 - indent, 0)
    return f"{message}\n    {line.strip()}\n    {' ' * column}^\nNothing was started."
