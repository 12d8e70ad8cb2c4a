"""Batches as TensorFlow tensors, in the form that Keras takes in fit, evaluate and predict."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from keras.src.trainers.data_adapters import data_adapter_utils
from keras.src.trainers.data_adapters.data_adapter import DataAdapter

from lepton_jlab.data.stream.batches import Batches, stored_of
from lepton_jlab.data.stream.buffers import ALIGNMENT
from lepton_jlab.data.stream.steps import Stream
from lepton_jlab.data.stream.stored import Stored
from lepton_jlab.data.stream.structure import each
from lepton_jlab.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class TensorBatches(Batches, DataAdapter):  # Keras has no types
    """Batches that Keras takes as they are.

    Keras would permute the batches of a `PyDataset` by Python's global random state, and draws
    some ahead to see their shapes; it would read a `tf.data.Dataset` through a generator, for a
    third of the speed, and warn that it does not shuffle it. A `DataAdapter` is what it makes of
    all these, and one of our own it uses unchanged: the order is ours, each epoch once.
    """

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        for stored in stored_of(stream):
            for name, column in stored.columns.items():
                _tf_dtype(name, column.dtype)

    def __iter__(self) -> Iterator[Any]:
        return self.tensors()

    def tensors(self, weigh: Callable[[Any], Any] | None = None) -> Iterator[Any]:
        """Yield the batches of the next epoch as tensors, `weigh` applied to each."""
        for batch in self._draw():
            yield each(tensor, weigh(batch) if weigh else batch)
            del batch  # or its memory could not be used for the next

    @staticmethod
    def _prepared(values: Any) -> Any:
        return tensor(values)

    def to_tf(self) -> tf.data.Dataset:
        """Return a ``tf.data.Dataset``; each time it is iterated it gives the next epoch."""
        data = tf.data.Dataset.from_generator(self.__iter__, output_signature=self._signature())
        count = tf.data.INFINITE_CARDINALITY if self.stream.count is None else len(self)
        return data.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2)

    def _signature(self) -> Any:
        if isinstance(self.stream, Stored):
            specs = {
                name: tf.TensorSpec((None, *column.shape[1:]), _tf_dtype(name, column.dtype))
                for name, column in self.stream.columns.items()
            }
            return self.stream.arranged(specs)
        first = next(TensorBatches(self.stream).tensors())  # only its functions know what they make
        return each(lambda values: tf.TensorSpec((None, *values.shape[1:]), values.dtype), first)

    # ---- what Keras asks an adapter

    @property
    def num_batches(self) -> int | None:
        """Batches in an epoch; None if it does not end."""
        return self.stream.count

    @property
    def has_partial_batch(self) -> bool:
        """Whether the last batch is smaller than the others."""
        return self.partial_batch_size is not None

    @property
    def partial_batch_size(self) -> int | None:
        """Size of the last batch if it is smaller."""
        if self.stream.count is None:
            return None
        last = 0
        for last in self.stream.sizes(self.epoch):  # noqa: B007
            pass
        return last if last < self.batch_size else None

    def get_tf_dataset(self) -> Any:
        """Return what the trainer iterates: batches, or a real tf.data.Dataset to distribute."""
        # An adapter is told neither class_weight nor the strategy, and class weights silently
        # ignored would be a wrong result: look at what the caller, the epoch iterator, was given.
        asked = sys._getframe(1).f_locals
        weights = asked.get("kwargs", {}).get("class_weight")
        strategy = getattr(asked.get("self"), "_distribute_strategy", None)
        if tf.distribute.has_strategy() or strategy not in (None, tf.distribute.get_strategy()):
            if weights:
                raise DataError("class_weight works with one device only; use sample_weight here.")
            return self.to_tf()
        return _Epochs(self, weights, asked.get("self"))

    def get_numpy_iterator(self) -> Iterator[Any]:
        """Return the next epoch as NumPy arrays."""
        return self.numpy()

    def get_jax_iterator(self) -> Iterator[Any]:
        """Return the next epoch as NumPy arrays, which JAX takes."""
        return self.numpy()

    def get_torch_dataloader(self) -> Any:
        """Return the batches as a Torch loader."""
        return data_adapter_utils.get_torch_dataloader(_Epochs(self))


class _Epochs:
    """What can be iterated once for each epoch; `keras` is the epoch iterator that does it."""

    def __init__(
        self,
        batches: TensorBatches,
        class_weight: dict[int, float] | None = None,
        keras: Any = None,
    ) -> None:
        self._batches = batches
        self._class_weight = class_weight
        # Weakly: it holds this, and a stream ends with its last reference, not with a collection.
        self._keras = None if keras is None else weakref.ref(keras)

    def __iter__(self) -> Iterator[Any]:
        count, (_, given) = self._batches.stream.count, self._batches._next
        keras = None if self._keras is None else self._keras()
        if keras is not None and count is not None:
            keras._num_batches = count - given  # an epoch taken up within is shorter
        return self._batches.tensors(self._weigh if self._class_weight else None)

    def _weigh(self, batch: Any) -> Any:
        if not isinstance(batch, tuple) or len(batch) != 2:
            raise DataError("class_weight needs batches of (x, y), without sample_weight.")
        x, y = batch
        weights = data_adapter_utils.class_weight_to_sample_weights(y, self._class_weight)
        return x, y, weights


def tensor(values: NDArray[Any] | tf.Tensor) -> tf.Tensor:
    """Return an array as a tensor: of the same memory where TensorFlow can use it, else a copy.

    A tensor that is not aligned would end the process.
    """
    if not isinstance(values, np.ndarray):
        return tf.convert_to_tensor(values)
    if values.dtype.kind in "TUS":  # StringDType and its older kin
        return tf.convert_to_tensor(values.astype(object))
    flags = values.flags
    plain = values.dtype.kind in "biufc" and values.dtype.isnative and values.size > 0
    if plain and flags.c_contiguous and flags.writeable and values.ctypes.data % ALIGNMENT == 0:
        return tf.experimental.dlpack.from_dlpack(values.__dlpack__())
    return tf.convert_to_tensor(values)


def _tf_dtype(name: str, dtype: Any) -> tf.DType:
    if dtype.kind in "TUSO":
        return tf.string
    try:
        return tf.as_dtype(dtype)
    except TypeError as error:
        raise DataError(
            f"TensorFlow has no type for the array {name!r}, which is {dtype}. Read it with "
            f"ds.arrays[{name!r}], or leave it out: give the others roles."
        ) from error
