"""A recipe: the steps that turn stored samples into what a model takes, in training and serving.

This file needs NumPy and nothing else, so that a model exported without Lepton can take it along.
"""

from __future__ import annotations

import functools
import inspect
import re
import string
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np

try:
    from lepton_jlab.errors import DataError, UsageError
except ImportError:  # beside an exported model
    DataError = UsageError = ValueError  # type: ignore[assignment,misc]

Array = np.ndarray[Any, np.dtype[Any]]

VERSION = 1
ROLES = ("x", "y", "sample_weight")
STEPS: dict[str, type[Any]] = {}


def step(kind: type[Any]) -> type[Any]:
    """Make a class known by its name, which is how a document calls it."""
    STEPS[kind.name] = kind
    return kind


@step
@dataclass(frozen=True)
class Normalize:
    """Subtract `shift` and divide by `scale`, one each or one for each place of the last axis."""

    name: ClassVar[str] = "normalize"
    shift: tuple[float, ...]
    scale: tuple[float, ...]

    def __call__(self, values: Array) -> Array:
        """Return float32 values of the same shape (float64 where they are float64)."""
        _check_last(self, values, len(self.shift))
        dtype = np.float64 if values.dtype == np.float64 else np.float32
        made: Array = np.subtract(values, np.asarray(self.shift, dtype), dtype=dtype)
        made *= np.asarray([1 / scale for scale in self.scale], dtype)
        return made

    def __str__(self) -> str:
        few = len(self.shift) <= 4
        shift = ", ".join(f"{v:.4g}" for v in self.shift) if few else f"{len(self.shift)} means"
        scale = ", ".join(f"{v:.4g}" for v in self.scale) if few else f"{len(self.scale)} widths"
        return f"normalize: less {shift}, over {scale}"


@step
@dataclass(frozen=True)
class Fill:
    """Put numbers in the place of NaN and infinities, one or one a place of the last axis."""

    name: ClassVar[str] = "fill"
    values: tuple[float, ...]

    def __call__(self, values: Array) -> Array:
        """Return values of the same shape and dtype, all finite."""
        if values.dtype.kind not in "fc":
            return values
        _check_last(self, values, len(self.values))
        missing = ~np.isfinite(values)
        if not missing.any():
            return values
        return np.where(missing, np.asarray(self.values, values.dtype), values)

    def __str__(self) -> str:
        return "fill what is missing"


@step
@dataclass(frozen=True)
class Resize:
    """Change the size of images ``(batch, height, width[, channels])``.

    ``"bilinear"`` averages where it shrinks, as Pillow does; ``"nearest"`` keeps numbers of classes
    in masks as they are.
    """

    name: ClassVar[str] = "resize"
    height: int
    width: int
    method: str = "bilinear"

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise UsageError(f"resize to {self.height} by {self.width}: give 1 pixel or more.")
        if self.method not in ("bilinear", "nearest"):
            raise UsageError(f"resize has no method {self.method!r}: bilinear or nearest.")

    def __call__(self, values: Array) -> Array:
        """Return images of the same dtype, rounded where that is of integers."""
        if values.ndim not in (3, 4):
            raise DataError(
                f"resize takes images (batch, height, width[, channels]); given: {values.shape}."
            )
        _, height, width, *channels = values.shape
        if (height, width) == (self.height, self.width):
            return values
        if not height or not width:
            raise DataError(f"resize cannot make images of {height} by {width} pixels larger.")
        if self.method == "nearest":
            rows, columns = _nearest(height, self.height), _nearest(width, self.width)
            return values[:, rows][:, :, columns]
        down, across = _weights(height, self.height), _weights(width, self.width)
        planes = np.moveaxis(values.reshape(*values.shape[:3], -1), 3, 1).astype(np.float32)
        made = np.moveaxis(down @ planes @ across.T, 1, 3)
        if values.dtype.kind in "iu":
            limits = np.iinfo(values.dtype)
            made = np.clip(np.rint(made), limits.min, limits.max)
        made = np.ascontiguousarray(made.astype(values.dtype))
        return made.reshape(len(values), self.height, self.width, *channels)

    def __str__(self) -> str:
        return f"resize to {self.height} by {self.width}, {self.method}"


@step
@dataclass(frozen=True)
class Cast:
    """Change the dtype."""

    name: ClassVar[str] = "cast"
    dtype: str

    def __post_init__(self) -> None:
        try:
            np.dtype(self.dtype)
        except TypeError as error:
            raise UsageError(f"cast: there is no dtype {self.dtype!r}.") from error

    def __call__(self, values: Array) -> Array:
        """Return values of the same shape."""
        return values.astype(self.dtype, copy=False)

    def __str__(self) -> str:
        return f"cast to {self.dtype}"


@step
@dataclass(frozen=True)
class OneHot:
    """Turn class numbers ``(batch,)`` or ``(batch, 1)`` into float32 ``(batch, classes)``."""

    name: ClassVar[str] = "one_hot"
    classes: int

    def __call__(self, values: Array) -> Array:
        """Return a 1 at each sample's class.

        Raises
        ------
        DataError
            If a number is not of a class.
        """
        numbers = values.reshape(len(values), -1)
        if numbers.shape[1] != 1 or numbers.dtype.kind not in "biu":
            raise DataError(f"one_hot takes one class number a sample; given: {values.shape}.")
        flat = numbers[:, 0].astype(np.int64)
        if len(flat) and not 0 <= flat.min() <= flat.max() < self.classes:
            wrong = flat[(flat < 0) | (flat >= self.classes)][0]
            raise DataError(f"one_hot: there is no class {wrong} among {self.classes}.")
        made = np.zeros((len(flat), self.classes), np.float32)
        made[np.arange(len(flat)), flat] = 1
        return made

    def __str__(self) -> str:
        return f"one hot of {self.classes}"


@step
@dataclass(frozen=True)
class Lookup:
    """Put other numbers in the place of class numbers; where there is none, -1."""

    name: ClassVar[str] = "lookup"
    table: tuple[int, ...]
    dtype: str = "int64"

    def __call__(self, values: Array) -> Array:
        """Return numbers of the same shape."""
        known = np.append(np.asarray(self.table, np.int64), -1)
        places = values.astype(np.int64)
        outside = (places < 0) | (places >= len(self.table))
        return known[np.where(outside, -1, places)].astype(self.dtype)

    def __str__(self) -> str:
        return f"look up in a table of {len(self.table)}"


@step
@dataclass(frozen=True)
class Channels:
    """Make grey images coloured, or coloured ones grey: ``(batch, height, width[, channels])``."""

    name: ClassVar[str] = "channels"
    count: int

    def __call__(self, values: Array) -> Array:
        """Return images with `count` channels, of the same dtype."""
        images = values[..., None] if values.ndim == 3 else values
        if images.shape[3] == self.count:
            return images
        if self.count == 1:  # the weights of ITU-R BT.601, as Pillow's
            grey = images[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)
            whole = images.dtype.kind in "iu"
            return (np.rint(grey) if whole else grey).astype(images.dtype)[..., None]
        if images.shape[3] != 1:
            raise DataError(f"channels: {images.shape[3]} cannot become {self.count}.")
        return np.repeat(images, self.count, axis=3)

    def __str__(self) -> str:
        return f"{self.count} channels"


_PUNCTUATION = str.maketrans("", "", string.punctuation)
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_BLANK = re.compile("[ \t\n\r\f\v]+")


def words_of(text: object) -> list[str]:
    """Return the words as Keras's TextVectorization sees them: lower case, no punctuation."""
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return [w for w in _BLANK.split(plain.translate(_LOWER).translate(_PUNCTUATION)) if w]


@step
@dataclass(frozen=True)
class Tokenize:
    """Turn texts ``(batch,)`` into numbers of words as Keras's TextVectorization does.

    ``"int"`` gives int64 ``(batch, length)``: 0 is padding, 1 a word that is not in the vocabulary.
    ``"multi_hot"`` and ``"count"`` give float32 ``(batch, 1 + words)``, the unknown words first.
    """

    name: ClassVar[str] = "tokenize"
    vocabulary: tuple[str, ...] = field(repr=False)
    length: int = 0
    mode: str = "int"

    def __post_init__(self) -> None:
        if self.mode not in ("int", "multi_hot", "count"):
            raise UsageError(f"tokenize has no mode {self.mode!r}: int, multi_hot or count.")
        if self.mode == "int" and self.length < 1:
            raise UsageError("tokenize: give the length, words of a text that are kept.")

    @functools.cached_property
    def _numbers(self) -> dict[str, int]:
        first = 2 if self.mode == "int" else 1
        return {word: number for number, word in enumerate(self.vocabulary, first)}

    def __call__(self, values: Array) -> Array:
        """Return the numbers of the words."""
        texts = values.reshape(len(values), -1)
        if texts.shape[1] != 1 or texts.dtype.kind not in "TUSO":
            raise DataError(f"tokenize takes one text a sample; given: {values.dtype}.")
        known = self._numbers
        if self.mode == "int":
            padded = np.zeros((len(texts), self.length), np.int64)
            for place, text in enumerate(texts[:, 0]):
                numbers = [known.get(word, 1) for word in words_of(text)[: self.length]]
                padded[place, : len(numbers)] = numbers
            return padded
        counts = np.zeros((len(texts), 1 + len(known)), np.float32)
        for row, text in zip(counts, texts[:, 0], strict=True):
            for word in words_of(text):
                row[known.get(word, 0)] += 1
        return counts if self.mode == "count" else np.minimum(counts, 1)

    def to_keras(self) -> Any:
        """Return a Keras TextVectorization layer that does the same."""
        import keras

        length = self.length if self.mode == "int" else None
        layer = keras.layers.TextVectorization(output_mode=self.mode, output_sequence_length=length)
        layer.set_vocabulary(list(self.vocabulary))
        return layer

    def __str__(self) -> str:
        return f"tokenize: {len(self.vocabulary):,} words, {self.mode}"


@step
@dataclass(frozen=True)
class Map:
    """Call a function on whole batches; it travels as its source.

    So that it does the same elsewhere, it may use ``np``, builtins and its own imports, and no
    other names from around it.
    """

    name: ClassVar[str] = "map"
    source: str
    function: str

    @classmethod
    def of(cls, function: Callable[[Array], Array]) -> Map:
        """Take the source of a function.

        Raises
        ------
        UsageError
            If it is no plain function, or uses names from around it.
        """
        code = getattr(function, "__code__", None)
        name = getattr(function, "__name__", type(function).__name__)
        if code is None or not name.isidentifier():
            raise UsageError(f"A recipe takes functions that are written with def; given: {name}.")
        used = inspect.getclosurevars(function)
        foreign = {n for n, v in used.globals.items() if v is not np} | set(used.nonlocals)
        if foreign:
            raise UsageError(
                f"The function {name} uses {', '.join(sorted(foreign))} from around it; a model "
                "elsewhere would not have that. Use np and what the function itself imports."
            )
        try:
            source = textwrap.dedent(inspect.getsource(function))
        except (OSError, TypeError) as error:
            raise UsageError(f"The source of the function {name} cannot be found.") from error
        return cls(source, name)

    @functools.cached_property
    def _call(self) -> Callable[[Array], Array]:
        space: dict[str, Any] = {"np": np}
        exec(compile(self.source, f"<recipe: {self.function}>", "exec"), space)  # noqa: S102
        called: Callable[[Array], Array] = space[self.function]
        return called

    def __call__(self, values: Array) -> Array:
        """Return what the function makes, with as many samples."""
        made = np.asarray(self._call(values))
        if made.shape[:1] != values.shape[:1]:
            raise DataError(
                f"The function {self.function} made an array of shape {made.shape} from a batch "
                f"of {len(values)} samples; it must return as many."
            )
        return made

    def __str__(self) -> str:
        return f"map {self.function}"


@dataclass(frozen=True)
class Recipe:
    """Steps by array, done one after the other on batches of NumPy arrays.

    Parameters
    ----------
    steps
        By the role of the array, ``x``, ``y`` or ``sample_weight``; by its name in a dataset whose
        batches are dicts.

    Examples
    --------
    >>> recipe = Recipe().then("x", Normalize((128.0,), (64.0,)))
    >>> recipe(np.array([[64, 128]], np.uint8))
    array([[-1.,  0.]], dtype=float32)
    """

    steps: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def then(self, array: str, more: Any) -> Recipe:
        """Return a recipe with one more step for `array`."""
        return Recipe({**self.steps, array: (*self.steps.get(array, ()), more)})

    def __call__(self, batch: Any) -> Any:
        """Prepare a batch.

        Parameters
        ----------
        batch
            The inputs, shape ``(batch, …)``; or ``(x, y)``, ``(x, y, sample_weight)``, or a dict
            by array name, of which all that has steps is prepared.
        """
        if isinstance(batch, Mapping):
            return {name: self.array(name, values) for name, values in batch.items()}
        if isinstance(batch, tuple):
            named = zip(ROLES, batch, strict=False)
            return tuple([self.array(role, values) for role, values in named])
        return self.array("x", batch)

    def array(self, name: str, values: Any) -> Any:
        """Prepare one array of a batch."""
        for one in self.steps.get(name, ()):
            values = one(np.asarray(values))
        return values

    def __bool__(self) -> bool:
        return any(self.steps.values())

    def words(self) -> list[str]:
        """Return a line for each step, for people."""
        return [f"{name}: {one}" for name, steps in self.steps.items() for one in steps]

    def __str__(self) -> str:
        return "; ".join(self.words()) or "nothing is changed"

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        listed = {
            name: [{"step": one.name, **asdict(one)} for one in steps]
            for name, steps in self.steps.items()
        }
        return {"recipe": VERSION, "steps": listed}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], trust: bool = False) -> Recipe:
        """Take what `to_dict` gave.

        Parameters
        ----------
        trust
            Take functions along that the document has as source. They are code: say True only
            where you trust who wrote it.

        Raises
        ------
        DataError
            If it is no recipe, or of a newer version, or has code that is not trusted.
        """
        if document.get("recipe") != VERSION:
            raise DataError(f"This is no recipe of version {VERSION}: {str(document)[:80]}")
        made = {
            name: tuple(_step_of(one, trust) for one in steps)
            for name, steps in document["steps"].items()
        }
        return cls(made)


def _step_of(document: Mapping[str, Any], trust: bool) -> Any:
    given = dict(document)
    kind = given.pop("step", None)
    if kind not in STEPS:
        raise DataError(f"A recipe has the step {kind!r}; known are {', '.join(STEPS)}.")
    if kind == Map.name and not trust:
        raise DataError(
            f"The recipe has the function {given.get('function')!r}, which is code. If you trust "
            "who wrote it: Recipe.from_dict(…, trust=True)."
        )
    try:
        return STEPS[kind](**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})
    except TypeError as error:
        raise DataError(f"The step {kind!r} of a recipe is not complete: {error}") from error


def _check_last(one: Any, values: Array, count: int) -> None:
    if count != 1 and values.shape[-1:] != (count,):
        raise DataError(
            f"{one.name} has numbers for {count} places of the last axis; given: {values.shape}."
        )


def _nearest(old: int, new: int) -> Array:
    return np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.int64), old - 1)


def _weights(old: int, new: int) -> Array:
    """Return what each old line gives to each new one, shape (new, old): triangles, averaged."""
    ratio = old / new
    reach = max(1.0, ratio)
    centers = (np.arange(new) + 0.5) * ratio - 0.5
    weights = np.maximum(0, 1 - np.abs(np.arange(old) - centers[:, None]) / reach)
    made: Array = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return made
