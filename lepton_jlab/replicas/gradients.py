"""Gradients of all ranks in one step: `Optimizer.apply`, and what it does before it updates.

They are averaged ahead of everything that the optimizer does with them, so clipping, loss scaling,
accumulation and weight decay see what one process with the batches of all ranks would see.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.replicas.group import Group, group

if TYPE_CHECKING:
    from numpy.typing import NDArray

BUCKET = 4 << 20  # bytes that travel while the gradients of earlier layers are still computed
_SMALL = ("float16", "bfloat16")  # would overflow in a sum
_PATCHED = "_lepton_reduces"


class Flags:
    """What ranks tell one another beside their gradients: each is set if it is on any rank.

    Attributes
    ----------
    save, stop
        What this rank asks for: a checkpoint, the end of training.
    agreed
        What any rank asked for in the last step.
    """

    def __init__(self) -> None:
        self.save = self.stop = False
        self.agreed = {"save": False, "stop": False}
        self.steps = 0

    def take(self) -> list[float]:
        """Return this rank's flags as numbers, and clear them."""
        flags = [float(self.save), float(self.stop)]
        self.save = self.stop = False
        return flags

    def note(self, sums: Sequence[float]) -> None:
        """Keep what all ranks said."""
        self.agreed = {"save": sums[0] > 0, "stop": sums[1] > 0}
        self.steps += 1


FLAGS = Flags()


class Reduction:
    """The way of some gradients round the ring, in buckets that travel one after another.

    Parameters
    ----------
    members : Group
        The ranks.
    shapes : sequence of tuple of int
        Of the gradients, in the order in which they come.
    """

    def __init__(self, members: Group, shapes: Sequence[tuple[int, ...]], dtype: Any) -> None:
        self._group = members
        self._dtype = np.dtype(dtype)
        self._sizes = [int(np.prod(shape, dtype=np.int64)) for shape in shapes]
        self.buckets: list[list[int]] = []
        room = 0
        # The last layers' gradients are ready first, and lie at the end.
        for i in reversed(range(len(shapes))):
            if not self.buckets or room < self._sizes[i] * self._dtype.itemsize:
                self.buckets.append([])
                room = BUCKET
            self.buckets[-1].append(i)
            room -= self._sizes[i] * self._dtype.itemsize
        self._flat: list[NDArray[Any]] = []
        for number, bucket in enumerate(self.buckets):
            extra = 0 if number else 3  # samples and two flags
            size = sum(self._sizes[i] for i in bucket) + extra
            self._flat.append(np.empty(size, self._dtype))
        self._failure: Exception | None = None
        self._done = threading.Semaphore(0)

    def start(self, number: int, samples: Any, *gradients: NDArray[Any]) -> NDArray[np.int32]:
        """Let a bucket travel; `gradients` are those of `buckets[number]`."""
        flat, at = self._flat[number], 0
        for gradient in gradients:
            part = gradient.reshape(-1)
            np.multiply(part, samples, out=flat[at : at + part.size], dtype=self._dtype)
            at += part.size
        if number == 0:
            flat[at:] = [samples, *FLAGS.take()]
        self._sender.put((self, number))
        return np.array(number, np.int32)

    def finish(self, *_: Any) -> list[NDArray[Any]]:
        """Wait for all buckets; return the averages in the order of the gradients."""
        for _bucket in self.buckets:
            self._done.acquire()
        if self._failure is not None:
            raise self._failure
        first = self._flat[0]
        FLAGS.note(first[-2:].tolist())
        scale = self._dtype.type(1) / first[-3]
        found: list[Any] = [None] * len(self._sizes)
        for flat, bucket in zip(self._flat, self.buckets, strict=True):
            at = 0
            for i in bucket:
                found[i] = flat[at : at + self._sizes[i]] * scale
                at += self._sizes[i]
        return found

    def average(self, samples: Any, *gradients: NDArray[Any]) -> list[NDArray[Any]]:
        """Do all of it at once, in this thread."""
        for number, bucket in enumerate(self.buckets):
            self.start(number, samples, *(gradients[i] for i in bucket))
        return self.finish()

    def send(self, number: int) -> None:
        """Sum a bucket over the ranks."""
        try:
            if self._failure is None:
                name = f"the gradients of step {FLAGS.steps + 1}"
                self._group.reduce(self._flat[number], "sum", name)
        except Exception as error:  # noqa: BLE001 (raised in `finish`)
            self._failure = error
        self._done.release()

    @cached_property
    def _sender(self) -> Any:
        return _Sender() if len(self.buckets) == 1 else _sender()


class _Sender:
    """Sends at once: one bucket gains nothing by a thread."""

    def put(self, work: tuple[Reduction, int]) -> None:
        reduction, number = work
        reduction.send(number)


class _Thread(_Sender):
    """Sends in a thread, in the order in which buckets come."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[Reduction, int]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="lepton-gradients", daemon=True).start()

    def put(self, work: tuple[Reduction, int]) -> None:
        self._queue.put(work)

    def _run(self) -> None:
        while True:
            reduction, number = self._queue.get()
            reduction.send(number)


_threads: list[_Thread] = []


def _sender() -> _Thread:
    if not _threads:
        _threads.append(_Thread())
    return _threads[0]


def average(gradients: Sequence[Any], samples: Any) -> list[Any]:
    """Return gradients averaged over all ranks, each weighted by its number of samples.

    Parameters
    ----------
    gradients : sequence of tensor or None
        Those of sparse reads become dense.
    samples : scalar
        How many this rank has in its batch.
    """
    import tensorflow as tf

    found = list(gradients)
    kinds: dict[Any, list[int]] = {}
    for i, gradient in enumerate(found):
        if gradient is not None:
            found[i] = gradient = tf.convert_to_tensor(gradient)
            small = gradient.dtype.name in _SMALL
            kinds.setdefault(tf.float32 if small else gradient.dtype, []).append(i)
    for dtype, places in kinds.items():
        given = [tf.cast(found[i], dtype) for i in places]
        reduced = _averaged(given, tf.cast(samples, dtype), dtype)
        for i, result in zip(places, reduced, strict=True):
            found[i] = tf.cast(tf.reshape(result, given[places.index(i)].shape), found[i].dtype)
    return found


def _averaged(given: list[Any], samples: Any, dtype: Any) -> list[Any]:
    import tensorflow as tf

    shapes = [tuple(gradient.shape) for gradient in given]
    if tf.executing_eagerly():
        reduction = Reduction(group(), shapes, dtype.as_numpy_dtype)
        return reduction.average(samples.numpy(), *(gradient.numpy() for gradient in given))
    reduction = Reduction(group(), shapes, dtype.as_numpy_dtype)
    graph = tf.compat.v1.get_default_graph()
    tokens: list[Any] = []
    for number, bucket in enumerate(reduction.buckets):
        # Ranks must start the same buckets in the same order, also those of several optimizers.
        with tf.control_dependencies([*getattr(graph, "_lepton_last", []), *tokens[-1:]]):
            tokens.append(
                tf.numpy_function(
                    _starter(reduction, number), [samples, *(given[i] for i in bucket)], tf.int32
                )
            )
    found = tf.numpy_function(reduction.finish, tokens, [dtype] * len(given))
    graph._lepton_last = [found[0]]
    return list(found)


def _starter(reduction: Reduction, number: int) -> Callable[..., Any]:
    def start(samples: Any, *gradients: Any) -> Any:
        return reduction.start(number, samples, *gradients)

    return start


# ---- how Keras comes to it

_state = threading.local()


@contextmanager
def weighing(samples: Any) -> Iterator[None]:
    """Let gradients that are applied in this block count as those of so many samples."""
    before = getattr(_state, "samples", None)
    _state.samples = samples
    try:
        yield
    finally:
        _state.samples = before


@contextmanager
def capturing(into: list[Any]) -> Iterator[None]:
    """Let what is to be applied in this block be kept, as (optimizer, gradients, variables)."""
    _state.captured = into
    try:
        yield
    finally:
        _state.captured = None


def patch_optimizers(keras: Any) -> None:
    """Make every Keras optimizer average its gradients over the ranks before it applies them."""
    # LossScaleOptimizer decides by its gradients whether they are finite, and calls another's
    # `apply` in one of two branches: there it would be too late, and not the same on all ranks.
    for cls in (keras.optimizers.Optimizer, keras.optimizers.LossScaleOptimizer):
        if _PATCHED not in vars(cls):
            cls.apply = _averaging(vars(cls).get("apply") or cls.apply)
            setattr(cls, _PATCHED, True)


def _averaging(apply: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(apply)
    def averaging(self: Any, grads: Any, trainable_variables: Any = None) -> Any:
        __tracebackhide__ = True
        if getattr(_state, "inside", False) or group().world == 1:
            return apply(self, grads, trainable_variables)
        if (captured := getattr(_state, "captured", None)) is not None:
            captured.append((self, list(grads), trainable_variables))
            return None
        samples = getattr(_state, "samples", None)
        reduced = average(list(grads), 1.0 if samples is None else samples)
        return apply_averaged(self, reduced, trainable_variables, apply)

    return averaging


def apply_averaged(
    optimizer: Any, gradients: list[Any], variables: Any, apply: Callable[..., Any] | None = None
) -> Any:
    """Apply gradients that are averages already."""
    _state.inside = True
    try:
        if apply is not None:
            return apply(optimizer, gradients, variables)
        return optimizer.apply(gradients, variables)
    finally:
        _state.inside = False
