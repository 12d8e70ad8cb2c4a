"""What a dataset offers to prepare its samples: each gives a dataset that does it in `batches`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from lepton_jlab.data.prepare.recipe import (
    Cast,
    Fill,
    Map,
    Normalize,
    OneHot,
    Recipe,
    Resize,
    Tokenize,
    words_of,
)
from lepton_jlab.errors import DataError, UsageError, suggestion

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from lepton_jlab.data.column import Column
    from lepton_jlab.data.dataset import Dataset
    from lepton_jlab.data.parallel import Parallel, Piece, Progress

Kind = Literal["standard", "range"]


class Preparing:
    """The part of a `Dataset` that prepares samples; it reads or writes only where it says so."""

    _recipe: Recipe

    if TYPE_CHECKING:

        @property
        def roles(self) -> Mapping[str, str]: ...
        @property
        def arrays(self) -> Mapping[str, Column]: ...
        @property
        def classes(self) -> list[str] | None: ...
        def _like(self, parts: Any = None, recipe: Recipe | None = None) -> Self: ...

    @property
    def recipe(self) -> Recipe:
        """What `batches` does with the stored samples; give it to whoever serves the model."""
        return self._recipe

    def prepared(self, recipe: Recipe) -> Self:
        """Return the dataset with `recipe` in the place of its own, such as that of a model."""
        known = set(self.arrays) | set(self.roles)
        for name in recipe.steps:
            if name not in known:
                raise UsageError(f"The recipe is for an array {name!r}; {_there(self)}")
        return self._like(recipe=recipe)

    def normalize(
        self,
        array: str = "x",
        *,
        kind: Kind = "standard",
        each: bool | None = None,
        missing: Literal["error", "mean"] = "error",
        parallel: Parallel | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Bring values to mean 0 and width 1 (``"standard"``), or between 0 and 1 (``"range"``).

        The statistics are taken of this dataset (of a split: of that part alone) in one pass, and
        kept in its attributes. They are of the stored values: normalize before other steps.

        Parameters
        ----------
        array
            A role or a name.
        kind
            What they become.
        each
            By each place of the last axis, as features or colours are by default; or all together.
        missing
            Where there are values that are not finite: an error, or the mean in their place, here
            and wherever the recipe goes.
        parallel
            What reads the pieces, such as a cluster; by default the threads of this process.
        progress
            Called with (bytes done, bytes in all, what is being done).

        Raises
        ------
        DataError
            If there are values that are not finite, or `array` has other steps already.
        """
        from lepton_jlab.data.parallel import threaded
        from lepton_jlab.data.prepare.statistics import statistics

        role, column = self._found(array)
        if self._recipe.steps.get(role):
            raise DataError(f"{array!r} is prepared already; normalize it before other steps.")
        dataset: Any = self
        known = statistics(
            dataset, column.name, each=each, parallel=parallel or threaded, progress=progress
        )
        recipe = self._recipe
        if known.missing and missing == "error":
            raise DataError(
                f"{column.name!r} has {known.missing:,} values that are not finite, in "
                f"{known.missing_samples:,} of {known.samples:,} samples; training on them gives "
                'NaN. Remove them (%lepton data clean), or normalize(missing="mean").'
            )
        if missing == "mean":
            recipe = recipe.then(role, Fill(known.mean))
        if kind == "standard":
            shift, scale = known.mean, known.std
        elif kind == "range":
            shift = known.minimum
            scale = tuple(b - a for a, b in zip(known.minimum, known.maximum, strict=True))
        else:
            raise UsageError(f"normalize has no kind {kind!r}: standard or range.")
        widths = tuple(value or 1.0 for value in scale)  # what never changes becomes 0
        return self._like(recipe=recipe.then(role, Normalize(shift, widths)))

    def resize(
        self,
        height: int,
        width: int,
        array: str = "x",
        method: Literal["bilinear", "nearest"] = "bilinear",
    ) -> Self:
        """Change the size of the images in `array` to `height` times `width` pixels.

        The `method` ``"bilinear"`` averages where it shrinks; ``"nearest"`` is for class numbers.
        """
        return self._then(array, Resize(height, width, method))

    def cast(self, dtype: DTypeLike, array: str = "x") -> Self:
        """Change the values of `array` to another `dtype`."""
        return self._then(array, Cast(np.dtype(dtype).name))

    def one_hot(self, classes: int | None = None, array: str = "y") -> Self:
        """Turn the class numbers in `array` into vectors of length `classes`.

        By default these are as many as the dataset has names for, or the largest number + 1.
        """
        _, column = self._found(array)
        if classes is None:
            classes = len(self.classes or ()) or 1 + int(np.asarray(column).max(initial=0))
        return self._then(array, OneHot(classes))

    def tokenize(
        self,
        array: str = "x",
        *,
        vocabulary: int = 20_000,
        length: int = 256,
        mode: Literal["int", "multi_hot", "count"] = "int",
        parallel: Parallel | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Turn texts into numbers of words, as Keras's TextVectorization does.

        The most frequent words are found in one pass over this dataset.

        Parameters
        ----------
        array
            A role or a name.
        vocabulary
            How many words are known at most, with those for padding and unknown words.
        length
            Words of a text that are kept, for the mode ``"int"``.
        mode
            Numbers in the order of the text, or which words there are, or how often.
        parallel, progress
            As those of `normalize`.
        """
        from functools import partial

        from lepton_jlab.data.parallel import pieces_of, threaded, told

        _, column = self._found(array)
        if column.dtype.kind not in "TUSO":
            raise UsageError(f"{array!r} holds {column.dtype}, no texts to tokenize.")
        special = 2 if mode == "int" else 1
        if vocabulary <= special:
            raise UsageError(f"tokenize: a vocabulary of {vocabulary} has room for no word.")
        dataset: Any = self
        pieces = pieces_of(dataset, column.name)
        counts: Counter[str] = Counter()
        work = (parallel or threaded)(partial(_count, name=column.name), pieces)
        for one in told(work, pieces, progress, f"words of {column.name}"):
            counts.update(one)
        # Keras's order: the most frequent first, and of equally frequent ones the last by name.
        ordered = sorted(counts.items(), key=lambda item: (item[1], item[0]), reverse=True)
        words = tuple(word for word, _ in ordered[: vocabulary - special])
        return self._then(array, Tokenize(words, length if mode == "int" else 0, mode))

    def map(self, function: Callable[[NDArray[Any]], NDArray[Any]], array: str = "x") -> Self:
        """Call `function` on whole batches of `array`, NumPy in and out; it travels as source."""
        return self._then(array, Map.of(function))

    def select(self, which: NDArray[Any] | list[int]) -> Self:
        """Return a view of the samples `which`, numbers or a mask, in ascending order."""
        from lepton_jlab.data.split import Chosen

        dataset: Any = self
        count = len(dataset)
        asked = np.asarray(which)
        if asked.dtype == np.bool_ and asked.shape != (count,):
            raise UsageError(f"A mask for {count} samples has that many values, not {asked.shape}.")
        rows = np.flatnonzero(asked) if asked.dtype == np.bool_ else np.unique(asked)
        if len(rows) and (rows.dtype.kind not in "iu" or not 0 <= rows[0] <= rows[-1] < count):
            raise UsageError(f"There are samples 0 to {count - 1}: select takes their numbers.")
        return self._like(parts=(*dataset._parts, Chosen(rows.astype(np.int64))))

    def save(
        self,
        dest: str | os.PathLike[str],
        *,
        force: bool = False,
        parallel: Parallel | None = None,
        progress: Progress | None = None,
    ) -> Dataset:
        """Write the samples of this view, prepared, as a dataset of their own, and open it.

        The datasets inside it, such as ``test``, are not written along.

        Parameters
        ----------
        dest
            The folder to make.
        force
            Replace a dataset that is there already.
        parallel, progress
            As those of `normalize`.
        """
        from lepton_jlab.data.attributes import entry
        from lepton_jlab.data.deriving import derive
        from lepton_jlab.data.parallel import threaded

        dataset: Any = self
        made = entry("save", **{"from": dataset.path, "samples": len(dataset)})
        if self._recipe:
            made["recipe"] = self._recipe.to_dict()
        return derive(
            dest,
            {"": dataset},
            made,
            force=force,
            parallel=parallel or threaded,
            progress=progress,
        )

    def _then(self, array: str, step: Any) -> Self:
        role, _ = self._found(array)
        return self._like(recipe=self._recipe.then(role, step))

    def _found(self, array: str, any_array: bool = False) -> tuple[str, Column]:
        """Return how the recipe calls an array, and the array."""
        if array in self.roles:
            return array, self.arrays[self.roles[array]]
        if array not in self.arrays:
            near = suggestion(array, self.arrays)
            raise UsageError(f"There is no array {array!r}.{near or ' ' + _there(self)}")
        if any_array or "x" not in self.roles:
            return array, self.arrays[array]
        role = next((role for role, name in self.roles.items() if name == array), None)
        if role is None:
            raise UsageError(f"{array!r} has no role, so batches do not have it; {_there(self)}")
        return role, self.arrays[array]


def _there(dataset: Preparing) -> str:
    return f"there are {', '.join(dataset.roles) or ', '.join(dataset.arrays) or 'none'}."


def _count(piece: Piece, name: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for text in piece.read(name).reshape(-1):
        counts.update(words_of(text))
    return counts
