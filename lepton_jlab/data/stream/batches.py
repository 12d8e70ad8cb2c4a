"""Batches of a dataset, as users have them: iterated, counted, mapped, mixed, taken up again."""

from __future__ import annotations

import importlib.util
import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.stream import watchers
from lepton_jlab.data.stream.advice import report_of
from lepton_jlab.data.stream.ahead import ahead
from lepton_jlab.data.stream.ranks import Share
from lepton_jlab.data.stream.report import Clock, Meter
from lepton_jlab.data.stream.steps import (
    Joined,
    Mapped,
    Mixed,
    Paced,
    Repeated,
    Stream,
    Taken,
    close,
)
from lepton_jlab.data.stream.stored import Stored
from lepton_jlab.data.stream.structure import each, leaves, samples
from lepton_jlab.errors import MissingDependencyError, UsageError

if TYPE_CHECKING:
    from lepton_jlab.data.stream.report import StreamReport


_numbers = itertools.count(1)


class Batches:
    """An iterable of batches; each iteration is the next epoch.

    Made by :meth:`Dataset.batches`. ``len()`` is the number of batches in an epoch.

    Attributes
    ----------
    epoch
        Number of the epoch that the next iteration gives; may be set.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._position = self._next = (0, 0)  # where the newest iteration is; where one begins
        self._number = next(_numbers)
        self._finite = False  # whether it is known that there is no NaN, or it was said
        self._watched: tuple[int, Clock, Meter] = (0, Clock(), Meter())

    # ---- what it is

    @property
    def batch_size(self) -> int:
        """Samples in a batch that is not cut short."""
        return self.stream.batch_size

    @property
    def epoch(self) -> int:
        """Number of the epoch that the next iteration gives."""
        return self._next[0]

    @epoch.setter
    def epoch(self, number: int) -> None:
        self._position = self._next = (number, 0)

    @property
    def window(self) -> int | None:
        """Among how many samples a batch is drawn; None where several datasets are mixed."""
        stored = stored_of(self.stream)
        return stored[0].order.window if len(stored) == 1 else None

    def __len__(self) -> int:
        if self.stream.count is None:
            raise TypeError("These batches have no end: give fit steps_per_epoch, or use .take().")
        return self.stream.count

    def __repr__(self) -> str:
        count = "endless" if self.stream.count is None else f"{self.stream.count:,}"
        names = ", ".join(dict.fromkeys(s.dataset.name for s in stored_of(self.stream)))
        return (
            f"<{count} batches of {self.batch_size} samples of {names}; next: epoch {self.epoch}>"
        )

    # ---- iterating

    def __iter__(self) -> Iterator[Any]:
        return self.numpy()

    def numpy(self) -> Iterator[Any]:
        """Yield the batches of the next epoch as NumPy arrays."""
        for batch in self._draw():
            yield each(np.asarray, batch)
            del batch  # or its memory could not be used for the next

    def _draw(self) -> Iterator[Any]:
        """Yield the batches as they are made; the position moves with each that is given out."""
        # A generator: the epoch is taken by the first batch that is drawn, not by iter(), which
        # Keras calls once more than it uses.
        (epoch, given), count = self._next, self.stream.count
        self._next = (epoch + 1, 0)
        clock, meter = Clock(), Meter()
        self._watched = (epoch, clock, meter)
        whole = given == 0
        batches = self.stream.draw(epoch, given, meter)
        if not isinstance(self.stream, Stored):
            batches = ahead(batches)
        try:
            while given != count:
                clock.ask()
                batch = next(batches)
                clock.give(samples(batch))
                if not self._finite:
                    self._finite = self._looked_at(batch, epoch, given)
                given += 1
                self._position = (epoch + 1, 0) if given == count else (epoch, given)
                if count is None:  # what has no end goes on where it was left
                    self._next = self._position
                if watchers.watched() and clock.due(watchers.INTERVAL):
                    watchers.tell(self.report)
                yield batch
                del batch
            self._finite = self._finite or whole
        finally:
            close(batches)
            if watchers.watched():
                watchers.tell(self.report)

    def peek(self) -> Any:
        """Return the first batch of the next iteration, which gives it again."""
        return next(iter(batches_of(self.stream, self._next)))

    def _looked_at(self, batch: Any, epoch: int, number: int) -> bool:
        """Warn of NaN, until a whole epoch had none; return whether that is done."""
        for leaf in leaves(batch):
            plain = isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"
            if plain and not np.isfinite(leaf.sum()) and not np.isfinite(leaf).all():
                bad = ~np.isfinite(leaf.reshape(len(leaf), -1)).all(axis=1)
                paths = ", ".join(dict.fromkeys(s.dataset.path for s in stored_of(self.stream)))
                warnings.warn(
                    f"Batch {number} of epoch {epoch} has {bad.sum()} samples with values that are "
                    f"not finite: training on them gives NaN. See: %lepton data clean {paths}",
                    stacklevel=2,
                )
                return True
        return False

    # ---- other batches from these

    def map(self, function: Callable[..., Any], numpy: bool = False) -> Batches:
        """Return batches on which `function` is called, one batch at a time, a little ahead.

        Parameters
        ----------
        function
            Called with the arrays of a batch, ``f(x, y)``, and returns what takes their place: as
            many samples, in a tuple, a dict or an array.
        numpy
            Give it NumPy arrays. Otherwise it gets TensorFlow tensors, where TensorFlow is
            installed.

        Examples
        --------
        >>> ds.batches(128).map(lambda x, y: (tf.cast(x, "float32") / 255, y))  # doctest: +SKIP
        """
        return self._with(Mapped(self.stream, function, np.asarray if numpy else self._prepared))

    def take(self, count: int) -> Batches:
        """Return the first `count` batches of each epoch."""
        return self._with(Taken(self.stream, count))

    def repeat(self, times: int | None = None) -> Batches:
        """Return `times` epochs as one, each in its own order; without end when None."""
        return self._with(Repeated(self.stream, times))

    def paced(self, count: int) -> Batches:
        """Return the same batches in epochs of `count`, each going on where the last one ended."""
        return self._with(Paced(self.stream, count))

    @staticmethod
    def _prepared(values: Any) -> Any:
        return values

    def _with(self, stream: Stream) -> Batches:
        return type(self)(stream)

    def to_tf(self) -> Any:
        """Return a ``tf.data.Dataset``; each time it is iterated it gives the next epoch."""
        raise MissingDependencyError("TensorFlow", "cpu")

    # ---- where it is

    def state_dict(self) -> dict[str, Any]:
        """Return the position: after the batches that have been given out, of any iteration.

        With :meth:`load_state_dict` another process goes on there, also within an epoch. It is
        JSON-ready.
        """
        epoch, batch = self._position
        return {"epoch": epoch, "batch": batch, "stream": identity(self.stream)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Make the next iteration go on at a position; what was passed is not read.

        Raises
        ------
        UsageError
            If it is the position of other batches: another dataset, batch size, seed or rank.
        """
        try:
            epoch, batch, stream = int(state["epoch"]), int(state["batch"]), state["stream"]
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError("This is no position: give what state_dict() returned.") from error
        if epoch < 0 or not 0 <= batch <= (batch if self.stream.count is None else len(self)):
            raise UsageError(f"There is no batch {batch} of epoch {epoch}: this is no position.")
        if stream != (own := identity(self.stream)):
            raise UsageError(
                "This position belongs to other batches: "
                f"{_difference(stream, own)}. Make them as they were."
            )
        self._position = self._next = (epoch, batch)

    # ---- what it costs

    @property
    def report(self) -> StreamReport:
        """How the newest epoch went, or goes: rates, the share of the time training waited, why."""
        epoch, clock, meter = self._watched
        return report_of(stored_of(self.stream), self._number, epoch, clock, meter)

    def __reduce__(self) -> tuple[Any, ...]:
        return batches_of, (self.stream, self._next)


def batches_of(stream: Stream, position: tuple[int, int] = (0, 0)) -> Batches:
    """Return batches for Keras and TensorFlow where they are installed, else of NumPy arrays."""
    if importlib.util.find_spec("keras") and importlib.util.find_spec("tensorflow"):
        from lepton_jlab.data.stream.tensors import TensorBatches

        made: Batches = TensorBatches(stream)
    else:
        made = Batches(stream)
    made._position = made._next = position
    return made


def mix(
    batches: Sequence[Batches],
    weights: Sequence[float] | None = None,
    *,
    batch_size: int | None = None,
    seed: int = 0,
) -> Batches:
    """Mix several streams: each batch has samples of all of them, in the proportion of `weights`.

    An epoch ends when one of them has too few samples left; repeat a small one, so that it does
    not: ``lepton.mix([easy.batches(64), hard.batches(64).repeat()], [0.8, 0.2])``.

    Parameters
    ----------
    batches
        What :meth:`Dataset.batches` returned; their arrays have the same shapes and dtypes.
    weights
        Positive numbers, one for each; equal when None.
    batch_size
        That of the first one when None.
    seed
        Of the order in which samples stand within a batch.

    Raises
    ------
    UsageError
        If weights and streams do not fit together.
    DataError
        If not even one batch can be made.
    """
    streams = tuple(one.stream for one in batches)
    if not streams:
        raise UsageError("mix needs two streams or more.")
    size = streams[0].batch_size if batch_size is None else batch_size
    shares = [1.0] * len(streams) if weights is None else [float(weight) for weight in weights]
    return batches_of(Mixed(streams, tuple(shares), seed, size))


def stored_of(stream: Stream) -> list[Stored]:
    """Return the datasets that a stream reads."""
    if isinstance(stream, Stored):
        return [stream]
    if isinstance(stream, (Mixed, Joined)):
        return [stored for one in stream.streams for stored in stored_of(one)]
    assert isinstance(stream, (Mapped, Taken, Repeated, Paced))
    return stored_of(stream.stream)


def dealt(batches: Batches, share: Share) -> Batches:
    """Return these batches as a process of that share has them, where nobody chose another.

    They are the same object where they are so already.
    """
    if all(
        not stored.shared or (stored.world == share.shards and stored.rank in share.own)
        for stored in stored_of(batches.stream)
    ):
        return batches
    return batches_of(_dealt(batches.stream, share), (batches.epoch, 0))


def _dealt(stream: Stream, share: Share) -> Stream:
    if isinstance(stream, Stored):
        return joined(stream, share) if stream.shared else stream
    if isinstance(stream, Joined):
        return _dealt(stream.streams[0], share)
    if isinstance(stream, Mixed):
        return replace(stream, streams=[_dealt(one, share) for one in stream.streams])
    assert isinstance(stream, (Mapped, Taken, Repeated, Paced))
    return replace(stream, stream=_dealt(stream.stream, share))


def joined(stored: Stored, share: Share) -> Stream:
    """Return the parts of a dataset that a process of that share reads, as one stream."""
    parts = tuple(replace(stored, rank=part, world=share.shards) for part in share.own)
    return parts[0] if len(parts) == 1 else Joined(parts)


def identity(stream: Stream) -> dict[str, Any]:
    """Return what the order of a stream depends on, JSON-ready."""
    if isinstance(stream, Stored):
        return stream.identity()
    if isinstance(stream, Mixed):
        mixed = {"weights": list(stream.weights), "seed": stream.seed, "batch": stream.batch_size}
        return {"mixed": [identity(one) for one in stream.streams], **mixed}
    if isinstance(stream, Joined):
        return {"joined": [identity(one) for one in stream.streams]}
    if isinstance(stream, Taken):
        return {"take": stream.most, "of": identity(stream.stream)}
    if isinstance(stream, Paced):
        return {"pace": stream.count, "of": identity(stream.stream)}
    if isinstance(stream, Repeated):
        return {"repeat": stream.times, "of": identity(stream.stream)}
    assert isinstance(stream, Mapped)
    return identity(stream.stream)


def _difference(theirs: Any, own: dict[str, Any]) -> str:
    if not isinstance(theirs, dict):
        return "it says nothing of them"
    names = [name for name in {**own, **theirs} if own.get(name) != theirs.get(name)]
    return ", ".join(f"{name} was {theirs.get(name)} and is {own.get(name)}" for name in names)
