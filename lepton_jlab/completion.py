"""What the Tab key offers after `%lepton`, `%%lepton` and `jupyter lepton`, all by the grammar."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_jlab.grammar import COMMANDS, Command, Kind, Option, Place
from lepton_jlab.parsing import options_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

_LINE = re.compile(r"\s*(?:[\w.,\s]+=\s*)?(?P<magic>%?)lepton\s+(?P<words>.*)")
_CELL = re.compile(r"%%lepton\s+(?P<words>.*)")
COLLECTIONS = ("fashion-mnist", "keras:mnist", "keras:cifar10", "keras:cifar100")
_SHELLS = {"In", "Out", "exit", "quit", "open", "get_ipython"}
_RECENT = 50


def complete(
    words: Sequence[str],
    word: str,
    place: Place = "line",
    namespace: Mapping[str, Any] | None = None,
) -> list[str]:
    """Return what `word` may become.

    Parameters
    ----------
    words : sequence of str
        The words before it, without ``%lepton`` or ``jupyter lepton``.
    word : str
        What was typed of it, perhaps nothing.
    place : {"line", "cell", "terminal"}
        Where it is typed.
    namespace : mapping, optional
        The notebook's variables.

    Returns
    -------
    list of str
        Whole words that begin with `word`; sorted, except that options keep the grammar's order.
    """
    variables = namespace or {}
    command = _command(words, place)
    if command is None:
        return _starting(_next_words(words, place), word)
    typed = words[len(command.words) :]
    options = options_of(command, place)
    if awaiting := _awaits_value(options, typed):
        return _values(awaiting, word, variables)
    if word.startswith("--") and "=" in word:
        flag, _, value = word.partition("=")
        for option in options:
            if flag in option.flags and option.read:
                return [f"{flag}={found}" for found in _values(option, value, variables)]
        return []
    if word.startswith("-"):
        return [flag for flag in _unused(options, typed) if flag.startswith(word)]
    if argument := _argument(options, typed):
        if argument.completes == "words":
            return _starting(_next_words(typed, place), word)
        return _values(argument, word, variables)
    return _unused(options, typed) if not word else []


def matcher(ip: InteractiveShell) -> Callable[[CompletionContext], SimpleMatcherResult]:
    """Make what IPython's completer asks; it never raises."""
    from IPython.core.completer import SimpleCompletion, context_matcher

    def lepton(context: CompletionContext) -> SimpleMatcherResult:
        try:
            found, fragment = _found(context, ip.user_ns)
        except Exception:  # noqa: BLE001 - a completion that fails completes nothing
            found, fragment = [], ""
        return {
            "completions": [SimpleCompletion(text, type="lepton") for text in found],
            "matched_fragment": fragment,
            "suppress": bool(found),
            "ordered": True,
        }

    matching: Callable[[CompletionContext], SimpleMatcherResult]
    matching = context_matcher(identifier="lepton")(lepton)
    return matching


def _found(context: CompletionContext, namespace: Mapping[str, Any]) -> tuple[list[str], str]:
    text = context.text_until_cursor
    place: Place = "line"
    if context.cursor_line == 0 and (match := _CELL.fullmatch(text)):
        place = "cell"
    elif not (match := _LINE.fullmatch(text)):
        return [], ""
    *words, word = re.split(r"\s+", match["words"])
    # IPython replaces its own token, which begins after the last comma or equals sign.
    fragment = context.token if word.endswith(context.token) else word
    kept = len(word) - len(fragment)
    return [found[kept:] for found in complete(words, word, place, namespace)], fragment


def _command(words: Sequence[str], place: Place) -> Command | None:
    for command in COMMANDS:
        if command.words == tuple(words[: len(command.words)]) and place in command.places:
            return command
    return None


def _next_words(words: Sequence[str], place: Place) -> list[str]:
    """Return the words that continue `words`; help's own go on in any place."""
    depth = len(words)
    begun = [c for c in COMMANDS if c.words[:depth] == tuple(words) and len(c.words) > depth]
    return list(dict.fromkeys(c.words[depth] for c in begun if place in c.places))


def _awaits_value(options: Sequence[Option], typed: Sequence[str]) -> Option | None:
    for option in options:
        if typed and typed[-1] in option.flags and option.read and not option.is_argument:
            return option
    return None


def _argument(options: Sequence[Option], typed: Sequence[str]) -> Option | None:
    """Return the argument that comes next: as many as were given are passed over."""
    takes = {f for o in options if o.read and not o.is_argument for f in o.flags}
    given = sum(
        not word.startswith("-") and (position == 0 or typed[position - 1] not in takes)
        for position, word in enumerate(typed)
    )
    for option in options:
        if option.is_argument:
            if given == 0 or option.count in ("*", "+"):
                return option
            given -= 1
    return None


def _unused(options: Sequence[Option], typed: Sequence[str]) -> list[str]:
    """Return the long form of each option that was not given yet, or may be repeated."""
    given = {word.split("=")[0] for word in typed}
    return [
        option.flags[-1]
        for option in options
        if not option.is_argument and (option.count or given.isdisjoint(option.flags))
    ]


def _values(option: Option, word: str, namespace: Mapping[str, Any]) -> list[str]:
    if option.completes == "variable" and "," in word:
        begun, _, last = word.rpartition(",")
        done = begun.split(",")
        return [f"{begun},{name}" for name in _variables(last, namespace) if name not in done]
    return [
        *(choice for choice in option.choices if choice.startswith(word)),
        *_candidates(option.completes, word, namespace),
    ]


def _candidates(kind: Kind, word: str, namespace: Mapping[str, Any]) -> list[str]:
    if kind == "cluster":
        from lepton_jlab.cluster.connection import names

        return _starting(names(), word)
    if kind == "run":
        from lepton_jlab.runs.records import recent_keys

        return _starting([*_run_variables(namespace), *recent_keys(_RECENT)], word)
    if kind == "endpoint":
        from lepton_jlab.models.serving.connection import ENDPOINTS

        return _starting(ENDPOINTS.names(), word)
    if kind == "model":
        from lepton_jlab.models.places import names as model_names

        return _starting(model_names(), word)
    if kind == "variable":
        return _variables(word, namespace)
    if kind in ("file", "dataset", "source"):
        known = _starting(COLLECTIONS, word) if kind == "source" else []
        return [*known, *_paths(word, datasets=kind == "dataset")]
    return []


def _run_variables(namespace: Mapping[str, Any]) -> list[str]:
    if "lepton_jlab.runs" not in sys.modules:
        return []
    import lepton_jlab as lepton

    kinds = (lepton.Run, lepton.Sweep)
    return [n for n, v in namespace.items() if isinstance(v, kinds) and not n.startswith("_")]


def _variables(word: str, namespace: Mapping[str, Any]) -> list[str]:
    names = (name for name in namespace if not name.startswith("_") and name not in _SHELLS)
    return sorted(_starting(names, word))


def _paths(word: str, *, datasets: bool) -> list[str]:
    """Return the entries of a folder; for datasets only those and the folders to them."""
    folder, name = os.path.split(word)
    try:
        entries = sorted(os.scandir(Path(folder or ".").expanduser()), key=lambda e: e.name)
    except OSError:
        return []
    found = []
    for entry in entries:
        if not entry.name.startswith(name) or (entry.name.startswith(".") and not name):
            continue
        is_dataset = entry.name.endswith((".zarr", ".zarr.zip"))
        is_folder = entry.is_dir() and not is_dataset
        if is_dataset or is_folder or not datasets:
            # os.path.join keeps "./" and "~" as they were typed; pathlib would not.
            path = os.path.join(folder, entry.name)  # noqa: PTH118
            found.append(path + "/" if is_folder else path)
    return found


def _starting(words: Iterable[str], word: str) -> list[str]:
    return [known for known in words if known.startswith(word)]
