"""Calls in a cell that touch names which are not written there as names: magics, shell, exec."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

# Magics that run Python in the notebook's own namespace: what they hold is part of the cell.
_RUNS_PYTHON = frozenset({"time", "timeit", "prun", "capture", "memit"})
# Magics that certainly give no name to anything, so a name missing from the cell is still missing.
_NAMELESS = """
aimport alias autoawait autoreload autosave bash cd colors conda config debug dirs env gui history
html javascript js latex load_ext lsmagic magic mamba markdown matplotlib micromamba notebook pdb
perl pfile pinfo pinfo2 pip popd precision pushd pwd quickref reload_ext ruby set_env sh svg system
tensorboard unalias unload_ext uv who whos writefile xmode
"""
_DEFINES_NOTHING = _RUNS_PYTHON | frozenset(_NAMELESS.split())
_DYNAMIC = frozenset({"exec", "eval", "globals", "locals", "vars"})
_SHELL_NAME = re.compile(r"\{([^{}]+)\}|\$([A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True)
class Reach:
    """What one call may touch beyond its arguments.

    Attributes
    ----------
    opaque
        It can bind names that cannot be seen.
    perhaps
        Names that it uses if they exist.
    code
        Python that it runs in the notebook's namespace, `above` lines below the cell's top.
    """

    opaque: bool = False
    perhaps: frozenset[str] = frozenset()
    code: str = ""
    above: int = 0


def reach_of(call: ast.Call) -> Reach:
    """Tell what `call` may touch; magics are the calls that IPython makes of them."""
    if isinstance(call.func, ast.Name):
        return Reach(opaque=call.func.id in _DYNAMIC)
    if not isinstance(call.func, ast.Attribute):
        return Reach()
    words = [a.value for a in call.args if isinstance(a, ast.Constant)]
    texts = [word for word in words if isinstance(word, str)]
    method = call.func.attr
    if method in {"query", "eval"}:  # pandas reads @name where it is called
        return Reach(perhaps=frozenset(re.findall(r"@([A-Za-z_]\w*)", " ".join(texts))))
    if ast.unparse(call.func.value) != "get_ipython()":
        return Reach()
    if method in {"system", "getoutput"}:
        return Reach(perhaps=_interpolated(" ".join(texts)))
    if method in {"run_line_magic", "run_cell_magic"} and len(texts) >= 2:
        return _magic(texts, call.lineno)
    return Reach()


def _magic(texts: list[str], line: int) -> Reach:
    name, options, *body = texts
    keeps = name == "capture" and bool(options.strip())  # %%capture NAME
    code, above = "", line
    if name in _RUNS_PYTHON:
        # "-n 3 -r5 f(x)" after %timeit: options, then a statement on this very line
        code = body[0] if body else re.sub(r"^(\s*-[a-zA-Z]+(\s*\d+)?\b)+", "", options).strip()
        above = line if body else line - 1
    opaque = keeps or name not in _DEFINES_NOTHING
    return Reach(opaque, _interpolated(options), code, above)


def _interpolated(text: str) -> frozenset[str]:
    """``!ls {folder}`` and ``$folder`` use a name if there is one, else the shell's own."""
    found: set[str] = set()
    for expression, name in _SHELL_NAME.findall(text):
        if name:
            found.add(name)
            continue
        try:
            tree = ast.parse(expression.strip(), mode="eval")
        except SyntaxError:  # an awk program, say
            continue
        found |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return frozenset(found)
