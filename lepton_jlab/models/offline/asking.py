"""Asks a model for the answers to a block of samples, a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.errors import DataError, LeptonError
from lepton_jlab.models.feeding import ready
from lepton_jlab.models.version import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

_SAME = "biuf"  # kinds of dtypes that TensorFlow changes faster, in the graph, than NumPy before


class Asker:
    """A model that answers blocks.

    A function of its SavedModel, with large batches, takes about half the time that
    ``model.predict`` does with its 32; compiling it by XLA made it twice as slow on processors.

    Parameters
    ----------
    folder
        Of the SavedModel.
    inputs
        What it takes.
    recipe
        What prepares raw samples for it, or None.
    batch
        Samples that it is asked at a time.
    """

    def __init__(self, folder: Path, inputs: list[Tensor], recipe: Any, batch: int) -> None:
        from lepton_jlab.models.loading import tensorflow_here
        from lepton_jlab.models.signature import open_signature

        self._tf = tensorflow_here()
        self._inputs = inputs
        self._recipe = recipe
        self._batch = batch
        self._signature = open_signature(folder)
        self._answer: Any = None  # made for the first block, whose dtypes it takes

    def prepare(self, block: Arrays, where: str) -> dict[str, NDArray[Any]]:
        """Return a block in the shapes that the model takes; done while another is computed."""
        if self._recipe is not None:
            return ready(block, self._inputs, self._recipe, where)
        made: dict[str, NDArray[Any]] = {}
        for tensor in self._inputs:
            values = block[tensor["name"]]
            same = values.dtype.kind in _SAME
            wanted = tensor
            if same:
                wanted = Tensor(name=tensor["name"], shape=tensor["shape"], dtype=str(values.dtype))
            made |= ready({tensor["name"]: values}, [wanted], None, where)
        return made

    def ask(self, block: Arrays) -> dict[str, NDArray[Any]]:
        """Return the answers to a block, by output name.

        Raises
        ------
        LeptonError
            If the model fails.
        """
        tf = self._tf
        if self._answer is None:
            self._answer = self._traced(block)
        count = len(next(iter(block.values())))
        answers: dict[str, NDArray[Any]] = {}
        for start in range(0, count, self._batch):
            stop = min(start + self._batch, count)
            tensors = [tf.convert_to_tensor(v[start:stop]) for v in block.values()]
            try:
                got = self._answer(*tensors)
                made = {name: value.numpy() for name, value in got.items()}
            except tf.errors.OpError as error:
                first = next(iter(str(error.message).splitlines()), type(error).__name__)[:300]
                raise LeptonError(f"The model fails on samples: {first}") from error
            for name, values in made.items():
                if values.shape[:1] != (stop - start,):
                    raise LeptonError(
                        f"The model answers {name!r} in shape {values.shape} to {stop - start} "
                        "samples; it must answer each."
                    )
                if name not in answers:
                    answers[name] = np.empty((count, *values.shape[1:]), values.dtype)
                answers[name][start:stop] = values
        return answers

    def _traced(self, block: Arrays) -> Any:
        """Make the function for blocks like this one, in batches of any size."""
        tf, signature = self._tf, self._signature
        dtypes = {tensor["name"]: tensor["dtype"] for tensor in self._inputs}
        specs = [
            tf.TensorSpec([None, *v.shape[1:]], "string" if v.dtype == object else v.dtype)
            for v in block.values()
        ]

        def answer(*tensors: Any) -> Any:
            named = dict(zip(block, tensors, strict=True))
            # In the graph, on all cores: NumPy would take longer for it, before.
            return signature(
                **{
                    n: t if t.dtype == dtypes[n] else tf.cast(t, dtypes[n])
                    for n, t in named.items()
                }
            )

        return tf.function(answer, input_signature=specs, autograph=False)


def check_finite(block: Arrays, answers: Arrays, first: int, where: str) -> None:
    """Refuse answers that are NaN or infinite, and say whether the sample was so already.

    Raises
    ------
    DataError
        Which sample, and what could be done.
    """
    for name, values in answers.items():
        if values.dtype.kind != "f" or np.isfinite(values).all():
            continue
        flat = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        row = int(np.flatnonzero(~flat)[0])
        bad = [
            key
            for key, samples in block.items()
            if samples.dtype.kind == "f" and not np.isfinite(samples[row]).all()
        ]
        allow = "or take such answers: --allow-nan (allow_nan=True)."
        if bad:
            raise DataError(
                f"Sample {first + row} of {bad[0]!r} in {where} has NaN or infinity, and so has "
                f"the answer. Clean it (%lepton data clean), {allow}"
            )
        raise DataError(
            f"The model answers NaN or infinity ({name!r}) to sample {first + row} of {where}, "
            f"whose values are finite. Look at the model, {allow}"
        )
