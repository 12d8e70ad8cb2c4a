"""Keras in a run: `fit` reports its progress and its metrics without a line of the user's."""

from __future__ import annotations

import functools
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from lepton_jlab.runs.log import recorder

_PATCHED = "_lepton_reports"


def report_keras() -> None:
    """Make Keras report, now if it is imported, else as soon as it is."""
    if "keras" in sys.modules:
        _patch(sys.modules["keras"])
    elif not any(isinstance(finder, _KerasFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _KerasFinder())


def _patch(keras: ModuleType) -> None:
    model = getattr(keras, "Model", None)
    if model is None or hasattr(model, _PATCHED):
        return
    model.fit = _reporting(model.fit, _reporter(keras), keras.callbacks.CallbackList)
    # There is no terminal to draw a progress bar on: a line an epoch, and none for predict.
    model.evaluate = _with_verbose(model.evaluate, 2)
    model.predict = _with_verbose(model.predict, 0)
    setattr(model, _PATCHED, True)


def _reporting(
    fit: Callable[..., Any], reporter: Callable[[Any], Any], callback_list: Any
) -> Callable[..., Any]:
    signature = inspect.signature(fit)

    @functools.wraps(fit)
    def reported_fit(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True  # IPython leaves this frame out
        try:
            call = signature.bind(*args, **kwargs)
        except TypeError:
            return fit(*args, **kwargs)  # its own words
        if call.arguments.get("verbose", "auto") == "auto":
            call.arguments["verbose"] = 2
        if (active := recorder()) is not None:
            own = reporter(active)
            given = call.arguments.get("callbacks")
            if isinstance(given, callback_list):
                own.set_model(given.model)
                own.set_params(given.params)
                given.callbacks = [*given.callbacks, own]
            elif isinstance(given, (list, tuple)):
                call.arguments["callbacks"] = [*given, own]
            else:
                call.arguments["callbacks"] = [own] if given is None else [given, own]
        return fit(*call.args, **call.kwargs)

    return reported_fit


def _with_verbose(method: Callable[..., Any], level: int) -> Callable[..., Any]:
    signature = inspect.signature(method)

    @functools.wraps(method)
    def quiet(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        try:
            call = signature.bind(*args, **kwargs)
        except TypeError:
            return method(*args, **kwargs)
        if call.arguments.get("verbose", "auto") == "auto":
            call.arguments["verbose"] = level
        return method(*call.args, **call.kwargs)

    return quiet


def _reporter(keras: ModuleType) -> type:
    """Return the callback's class; it can only be made once there is a Keras."""

    class Reporter(keras.callbacks.Callback):  # type: ignore[name-defined]
        # Keras calls the callbacks of a batch in a thread if all are safe there. If one is not,
        # training waits after every batch until its metrics have come from the device.
        async_safe = True

        def __init__(self, recorder: Any) -> None:
            super().__init__()
            self._recorder = recorder
            self._offset: int | None = None
            self._epoch = 0
            self._batch = 0

        def on_epoch_begin(self, epoch: int, _: Mapping[str, Any] | None = None) -> None:
            if self._offset is None:
                self._offset = self._recorder.epochs - epoch
            self._epoch = epoch + 1

        def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
            self._batch = batch + 1
            if self._recorder.due():
                self._progress(logs)

        def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
            self._progress(logs)
            values = _numbers(logs)
            rate = _learning_rate(self.model)
            if rate is not None:
                values.setdefault("learning_rate", rate)
            step = (self._offset or 0) + epoch + 1
            self._recorder.epochs = step
            if values:
                self._recorder.metrics(values, step)

        def _progress(self, logs: Mapping[str, Any] | None) -> None:
            epochs, batches = self.params.get("epochs"), self.params.get("steps")
            self._recorder.progress(self._epoch, epochs, self._batch, batches, _numbers(logs))

    return Reporter


def _numbers(logs: Mapping[str, Any] | None) -> dict[str, float]:
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


class _KerasFinder(MetaPathFinder):
    """Finds Keras once, by the finders behind it, and patches it when it has been executed."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if fullname != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        loader = spec.loader if spec is not None else None
        if loader is not None:
            execute = loader.exec_module

            def execute_and_patch(module: ModuleType) -> None:
                execute(module)
                _patch(module)

            loader.exec_module = execute_and_patch  # type: ignore[method-assign]
        return spec
