"""Keras in a run: `fit` reports its progress and its metrics without a line of the user's."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from lepton_jlab.runs.child.interrupts import INTERRUPTS
from lepton_jlab.runs.child.on_import import on_import
from lepton_jlab.runs.log import recorder

Logs = Mapping[str, Any] | None

_PATCHED = "_lepton_reports"


def report_keras() -> None:
    """Make Keras report, now if it is imported, else as soon as it is."""
    on_import("keras", _patch)


def _patch(keras: ModuleType) -> None:
    model = getattr(keras, "Model", None)
    if model is None or hasattr(model, _PATCHED):
        return
    listener, reporter = _callbacks(keras)
    # There is no terminal to draw a progress bar on: a line an epoch, and none for predict.
    for name, verbose, callback in (
        ("fit", 2, reporter),
        ("evaluate", 2, listener),
        ("predict", 0, listener),
    ):
        method = getattr(model, name)
        setattr(model, name, _with_callback(method, verbose, callback, keras))
    setattr(model, _PATCHED, True)


def _with_callback(
    method: Callable[..., Any], verbose: int, callback: Callable[[], Any], keras: Any
) -> Callable[..., Any]:
    """Return `method` with one callback more, and with `verbose` in the place of "auto"."""
    signature = inspect.signature(method)

    @functools.wraps(method)
    def reporting(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True  # IPython leaves this frame out
        if recorder() is None:
            return method(*args, **kwargs)  # no run, but a notebook's kernel on a worker
        try:
            call = signature.bind(*args, **kwargs)
        except TypeError:
            return method(*args, **kwargs)  # its own words
        if call.arguments.get("verbose", "auto") == "auto":
            call.arguments["verbose"] = verbose
        given = call.arguments.get("callbacks")
        call.arguments["callbacks"] = _joined(given, callback(), keras)
        return method(*call.args, **call.kwargs)

    return reporting


def _joined(given: Any, own: Any, keras: Any) -> Any:
    """Add a callback to what `fit` takes as callbacks."""
    if isinstance(given, keras.callbacks.CallbackList):
        if not any(type(one).__module__ == __name__ for one in given.callbacks):  # fit's evaluate
            own.set_model(given.model)
            own.set_params(given.params)
            given.callbacks = [*given.callbacks, own]
        return given
    if isinstance(given, (list, tuple)):
        return [*given, own]
    return [own] if given is None else [given, own]


def _callbacks(keras: ModuleType) -> tuple[type, type]:
    """Return the classes of our callbacks; they can only be made once there is a Keras."""

    class Listener(keras.callbacks.Callback):  # type: ignore[name-defined]
        """Raises an interrupt again that has been lost since the call began."""

        # A backend may call the callbacks of a batch in a thread, if all of them are safe there;
        # if one is not, training waits for the device after every batch.
        async_safe = True

        def __init__(self) -> None:
            super().__init__()
            self._interrupts = INTERRUPTS.count

        def on_train_batch_begin(self, _: int, logs: Logs = None) -> None:  # noqa: ARG002
            self._listen()

        on_test_batch_begin = on_train_batch_begin
        on_predict_batch_begin = on_train_batch_begin

        def _listen(self) -> None:
            if INTERRUPTS.count != self._interrupts:
                raise KeyboardInterrupt

    class Reporter(Listener):
        """Reports epochs and batches to the recorder of the run."""

        def __init__(self) -> None:
            super().__init__()
            self._recorder = recorder()
            self._offset: int | None = None
            self._epoch = 0
            self._batch = 0

        def on_epoch_begin(self, epoch: int, _: Logs = None) -> None:
            self._listen()
            if self._offset is None:
                self._offset = self._recorder.epochs - epoch
            self._epoch = epoch + 1

        def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
            self._batch = batch + 1
            if self._recorder.due():
                self._progress(logs)

        def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
            self._progress(logs)
            values = _numbers(logs)
            rate = _learning_rate(self.model)
            if rate is not None:
                values.setdefault("learning_rate", rate)
            step = (self._offset or 0) + epoch + 1
            self._recorder.epochs = step
            if values:
                self._recorder.metrics(values, step)

        def _progress(self, logs: Logs) -> None:
            epochs, batches = self.params.get("epochs"), self.params.get("steps")
            self._recorder.progress(self._epoch, epochs, self._batch, batches, _numbers(logs))

    return Listener, Reporter


def _numbers(logs: Logs) -> dict[str, float]:
    numbers = {}
    for name, value in (logs or {}).items():
        try:
            numbers[name] = float(value)
        except (TypeError, ValueError):  # a metric that returns several
            continue
    return numbers


def _learning_rate(model: Any) -> float | None:
    try:
        rate = model.optimizer.learning_rate
        return float(rate.numpy() if hasattr(rate, "numpy") else rate)
    except (AttributeError, TypeError, ValueError):  # several optimizers, or none
        return None
