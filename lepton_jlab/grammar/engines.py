"""What belongs to each engine of clusters, as fields of a form: the words of ``cluster start``."""

from __future__ import annotations

import re
from typing import Any

from lepton_jlab.cluster.options import ENGINES, known, required
from lepton_jlab.grammar.clusters import COMMANDS
from lepton_jlab.grammar.words import Option
from lepton_jlab.readers import positive

_SPELLED = {"gpu": "GPU", "gpus": "GPUs", "rmm": "RMM", "cudf": "cuDF"}
_DEFAULT = re.compile(r" \(default: (.*)\)$")
_NEXT = re.compile(rf"; (?=(?:{'|'.join(ENGINES)})[,:] )")


def engine_options() -> dict[str, list[dict[str, Any]]]:
    """Return the options that an engine has alone, by engine, in the order of its module.

    Returns
    -------
    dict
        Of each option ``name``, ``label``, ``help``, ``default`` (what is taken without it, in
        words; None if there is nothing to say), ``kind`` (``text``, ``number``, ``choice``,
        ``switch``), ``choices`` and ``required``.
    """
    start = next(command for command in COMMANDS if command.name == "cluster start")
    words = {option.attribute: option for option in start.options}
    found: dict[str, list[dict[str, Any]]] = {}
    for name, engines in known().items():
        for engine in engines:
            found.setdefault(engine, []).append(_field(words[name], engine))
    return found


def _field(option: Option, engine: str) -> dict[str, Any]:
    about = help_for(option, engine)
    default = _DEFAULT.search(about)
    first, *rest = option.attribute.split("_")
    label = " ".join([_SPELLED.get(first, first.capitalize()), *(_SPELLED.get(w, w) for w in rest)])
    return {
        "name": option.attribute,
        "label": label,
        "help": _DEFAULT.sub("", about),
        "default": default[1] if default else None,
        "kind": _kind(option),
        "choices": list(option.choices),
        "required": option.attribute in required(engine),
    }


def _kind(option: Option) -> str:
    if option.read is None:
        return "switch"
    if option.read is positive:
        return "number"
    return "choice" if option.choices and option.read is str else "text"


def help_for(option: Option, engine: str) -> str:
    """Return what the help of an option says for an engine: ``ssh: for this; slurm: for that``."""
    for part in _NEXT.split(option.help):
        engines, colon, rest = part.partition(": ")
        if colon and engine in engines.split(", "):
            return rest
    return option.help
