"""What an import makes of arrays: how they are rounded, cut into chunks and compressed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lepton_jlab.data.codecs import AUTO, CODECS, DEFAULT, Codec, codec_named
from lepton_jlab.data.layout import Layout, check_layout, plan_layouts, sample_bytes
from lepton_jlab.data.rounding import Rounded, check_max_error
from lepton_jlab.data.schema import ROLES
from lepton_jlab.data.trial import BALANCED, WORTH_TRYING, Trial, check_goal, try_codecs
from lepton_jlab.errors import UsageError

if TYPE_CHECKING:
    from lepton_jlab.data.sources import Loaded, Samples

Parts = dict[str, dict[str, "Samples"]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """The options of an import that decide what is written; see `import_dataset`."""

    codec: str | None = None
    goal: str | None = None
    chunk: str | int = AUTO
    shard: str | int = AUTO
    max_error: float | None = None

    def check(self) -> None:
        """Refuse values that mean nothing, before a source is read.

        Raises
        ------
        UsageError
            If one of them is unknown or out of its range.
        """
        check_layout(self.chunk, self.shard)
        if self.goal is not None:
            check_goal(self.goal)
        if self.codec is not None and self.codec != AUTO:
            codec_named(self.codec)
            if self.goal is not None:
                raise UsageError(
                    f"--for {self.goal} chooses the codec; leave out --codec {self.codec}, or it."
                )
        if self.max_error is not None:
            check_max_error(self.max_error)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Plan:
    """How each array is written, by its path in the dataset, and what the trials of codecs showed.

    Trials are of arrays that are worth one, where they were asked for.
    """

    layouts: dict[str, Layout]
    codecs: dict[str, Codec]
    trials: dict[str, Trial]


def make_plan(parts: Parts, recipe: Recipe, say: Callable[[str], None]) -> Plan:
    """Decide on the layout and the codec of each array, by trials where that was asked for.

    Raises
    ------
    UsageError
        If integers are to be stored by differences, and there are none.
    """
    layouts: dict[str, Layout] = {}
    for part, arrays in parts.items():
        if arrays:
            planned = plan_layouts(arrays, recipe.chunk, recipe.shard)
            layouts |= {path_of(part, name): layout for name, layout in planned.items()}
    if recipe.codec == AUTO or recipe.goal is not None:
        trials, codecs = _tried(parts, layouts, recipe.goal or BALANCED, say)
        return Plan(layouts, codecs, trials)
    return Plan(layouts, _given(parts, recipe.codec or DEFAULT), {})


def path_of(part: str, name: str) -> str:
    """Return the path of an array in its dataset: ``test/x``."""
    return f"{part}/{name}" if part else name


def parts_to_write(loaded: Loaded, recipe: Recipe) -> tuple[Parts, frozenset[str]]:
    """Return the arrays, rounded where that was asked for, and the paths of those rounded.

    Raises
    ------
    UsageError
        If floats are to be rounded, and there are none.
    """
    parts: Parts = {part: dict(arrays) for part, arrays in loaded.parts.items()}
    if recipe.max_error is None:
        return parts, frozenset()
    changed: set[str] = set()
    for part, arrays in parts.items():
        exact = _exact(loaded, part)
        for name, values in arrays.items():
            if values.dtype.kind == "f" and name not in exact:
                arrays[name] = Rounded(values, recipe.max_error)
                changed.add(path_of(part, name))
    if not changed:
        raise UsageError(
            "--max-error rounds floats, but neither targets, weights nor coordinates; there is "
            f"nothing to round here: {_kinds(parts)}."
        )
    return parts, frozenset(changed)


def _exact(loaded: Loaded, part: str) -> set[str]:
    """Return what is not rounded: targets and weights, and coordinates, each on its own scale."""
    form = loaded.forms.get(part)
    if form is None:
        return set(ROLES) - {"x"}
    roles = form.attributes.get("lepton", {}).get("roles", {})
    targets = {name for role, name in roles.items() if role != "x"}
    return targets | {name for name, array in form.arrays.items() if array.dims == (name,)}


def _given(parts: Parts, name: str) -> dict[str, Codec]:
    """Return the codec of that name for all that it fits, the default for others."""
    codec, default = codec_named(name), CODECS[DEFAULT]
    codecs = {
        path_of(part, array): codec if codec.fits(values.dtype) else default
        for part, arrays in parts.items()
        for array, values in arrays.items()
    }
    if codec not in codecs.values():
        raise UsageError(
            f"The codec {name} is exact for integers alone; here are: {_kinds(parts)}."
        )
    return codecs


def _kinds(parts: Parts) -> str:
    return ", ".join(
        f"{path_of(part, name)} {values.dtype}"
        for part, arrays in parts.items()
        for name, values in arrays.items()
    )


def _tried(
    parts: Parts, layouts: Mapping[str, Layout], goal: str, say: Callable[[str], None]
) -> tuple[dict[str, Trial], dict[str, Codec]]:
    """Try codecs on each array that is worth it; parts share what was found for the first."""
    trials: dict[str, Trial] = {}
    codecs: dict[str, Codec] = {}
    found: dict[Any, Codec] = {}
    for part, arrays in parts.items():
        for name, values in arrays.items():
            path, kind = path_of(part, name), (name, values.dtype, values.shape[1:])
            size = sample_bytes(values) * values.shape[0]
            if kind not in found and size >= WORTH_TRYING:
                say(f"trying codecs on {path}")
                trials[path] = try_codecs(values, layouts[path].chunk, goal)
                found[kind] = CODECS[trials[path].chosen]
            codecs[path] = found.get(kind, CODECS[DEFAULT])
    return trials, codecs
