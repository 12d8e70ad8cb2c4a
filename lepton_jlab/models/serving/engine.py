"""Answers a batch of requests in a worker: read, prepare, run together, write each its answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lepton_jlab.models.serving import openinference, tfserving
from lepton_jlab.models.serving.runtimes import Run
from lepton_jlab.models.serving.tensors import (
    Array,
    Arrays,
    Call,
    RefusedError,
    Reply,
    Signature,
    refusal,
)

Prepare = Callable[[Arrays], Arrays]

ROWS = 128  # samples that are run at a time
_READERS = {
    "predict": tfserving.predict,
    "classify": tfserving.classify,
    "regress": tfserving.regress,
}


class Engine:
    """A loaded model with its preprocessing, and the protocols in which it is asked.

    Parameters
    ----------
    prepare
        Makes what the model takes of the raw samples that clients send, or None.
    """

    def __init__(self, signature: Signature, run: Run, prepare: Prepare | None = None) -> None:
        self.signature = signature
        self._run = run
        self._prepare = prepare

    def read(self, verb: str, body: bytes, header: int) -> Call:
        """Read a request; RefusedError when it is wrong."""
        if verb == "infer":
            return openinference.infer(self.signature, body, header)
        return _READERS[verb](self.signature, body)

    def answer(self, jobs: Sequence[tuple[str, bytes, int]]) -> tuple[list[Reply], int]:
        """Answer requests, each its verb, body and header length; with the number of samples."""
        replies: list[Reply | None] = [None] * len(jobs)
        alike: dict[tuple[Any, ...], list[tuple[int, Call]]] = defaultdict(list)
        total = 0
        for place, job in enumerate(jobs):
            try:
                call = self.read(*job)
            except RefusedError as error:
                replies[place] = refusal(error)
            except Exception as error:  # noqa: BLE001 - a request may not end its worker
                replies[place] = refusal(_failed(error))
            else:
                total += call.rows
                alike[tuple(a.shape[1:] for a in call.inputs.values())].append((place, call))
        for group in alike.values():
            for (place, _), reply in zip(group, self._together([c for _, c in group]), strict=True):
                replies[place] = reply
        return [reply for reply in replies if reply is not None], total

    def predict(self, inputs: Arrays) -> Arrays:
        """Run the model on samples, `ROWS` at a time."""
        rows = len(next(iter(inputs.values())))
        if rows <= ROWS:
            return self._step(inputs)
        parts = [
            self._step({name: array[start : start + ROWS] for name, array in inputs.items()})
            for start in range(0, rows, ROWS)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _step(self, inputs: Arrays) -> Arrays:
        if self._prepare is not None:
            inputs = self._prepare(inputs)
        return self._run(inputs)

    def _together(self, calls: list[Call]) -> list[Reply]:
        if len(calls) == 1:
            inputs = calls[0].inputs
        else:
            inputs = {
                name: np.concatenate([call.inputs[name] for call in calls])
                for name in calls[0].inputs
            }
        try:
            outputs = self.predict(inputs)
        except Exception as error:  # noqa: BLE001 - whatever the model raises
            if len(calls) == 1:
                return [refusal(_failed(error))]
            # One of them is at fault; the others are not to suffer.
            return [reply for call in calls for reply in self._together([call])]
        replies = []
        start = 0
        for call in calls:
            mine = {name: array[start : start + call.rows] for name, array in outputs.items()}
            start += call.rows
            try:
                replies.append(call.write(mine))
            except RefusedError as error:
                replies.append(refusal(error))
            except Exception as error:  # noqa: BLE001
                replies.append(refusal(_failed(error)))
        return replies


def _failed(error: Exception) -> RefusedError:
    first = next(iter(str(error).splitlines()), "")[:300]
    return RefusedError(f"The model fails: {type(error).__name__}: {first}", 500)


def samples_like(signature: Signature, count: int) -> dict[str, Array]:
    """Make zeros in the shape of a model's inputs; free axes have length 1."""
    return {
        tensor.name: np.full(shape, b"", object)
        if tensor.dtype == "string"
        else np.zeros(shape, tensor.dtype)
        for tensor in signature.inputs
        for shape in [(count, *(size or 1 for size in tensor.shape[1:]))]
    }
