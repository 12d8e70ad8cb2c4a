"""Keras's own `fit`, `evaluate` and `predict` on many ranks, and from a checkpoint on."""

from __future__ import annotations

import functools
import inspect
import pickle
import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_jlab.data.stream.ranks import Share
from lepton_jlab.replicas import checkpoints
from lepton_jlab.replicas.gradients import FLAGS, apply_averaged, average, capturing, weighing
from lepton_jlab.replicas.group import group
from lepton_jlab.replicas.places import path_of
from lepton_jlab.replicas.variables import State, floats, metric_variables, numbers

if TYPE_CHECKING:
    from lepton_jlab.replicas.session import Session

Logs = Mapping[str, Any] | None

# What writes files, or goes on from them, would do it once for each rank, to the same files.
_ONCE = ("ModelCheckpoint", "TensorBoard", "CSVLogger", "BackupAndRestore", "RemoteMonitor")


def patch_keras(keras: Any, session: Session) -> None:
    """Make the models of this process train with the other ranks, and save and resume."""
    model = keras.Model
    callback = _callback(keras)
    model.fit = _fitting(model.fit, keras, session, callback)
    model.evaluate = _evaluating(model.evaluate, session)
    model.predict = _predicting(model.predict)
    result = model._get_metrics_result_or_logs

    @functools.wraps(result)
    def global_result(self: Any, logs: Any) -> Any:
        if group().world == 1:
            return result(self, logs)
        variables = metric_variables(self)
        name = f"the metrics at the end of {'an epoch' if session.training else 'evaluate'}"
        sums = group().reduced(numbers(variables), "sum", name)
        for variable, value in zip(variables, sums, strict=True):
            variable.assign(value)
        found = result(self, logs)
        return _averaged_logs(found) if found is logs else found

    model._get_metrics_result_or_logs = global_result


def _fitting(fit: Callable[..., Any], keras: Any, session: Session, callback: Any) -> Any:
    signature = inspect.signature(fit)

    @functools.wraps(fit)
    def fitting(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        try:
            call = signature.bind(*args, **kwargs)
        except TypeError:
            return fit(*args, **kwargs)  # its own words
        session.calls += 1
        given = call.arguments
        model = given["self"]
        many = group().world > 1
        if session.share.shards > 1:
            _share_data(given, session)
        if group().rank > 0 and given.get("verbose", "auto") == "auto":
            given["verbose"] = 0
        if many or session.saves:
            _pace(given)
            _build(model, given.get("x"))
        others = _kept_callbacks(given.get("callbacks"), keras)
        own = callback(session, given, others)
        given["callbacks"] = [*others, own]
        undo = _average_steps(model) if many else None
        session.training = True
        try:
            history = fit(*call.args, **call.kwargs)
        except Exception:
            if (failure := group().failure) is not None:  # TensorFlow has made its own of it
                raise failure from None
            raise
        finally:
            session.training = False
            model._initial_epoch = None
            if undo is not None:
                undo()
        own.complete(history)
        return history

    return fitting


def _evaluating(evaluate: Callable[..., Any], session: Session) -> Any:
    signature = inspect.signature(evaluate)

    @functools.wraps(evaluate)
    def evaluating(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        try:
            call = signature.bind(*args, **kwargs)
        except TypeError:
            return evaluate(*args, **kwargs)
        call.arguments["x"] = _dealt(call.arguments.get("x"), session.share)
        if group().rank > 0 and call.arguments.get("verbose", "auto") == "auto":
            call.arguments["verbose"] = 0
        return evaluate(*call.args, **call.kwargs)

    return evaluating


def _predicting(predict: Callable[..., Any]) -> Any:
    signature = inspect.signature(predict)

    @functools.wraps(predict)
    def predicting(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        try:
            call = signature.bind(*args, **kwargs)
        except TypeError:
            return predict(*args, **kwargs)
        # Predictions of a share would look like those of the whole.
        call.arguments["x"] = _dealt(call.arguments.get("x"), Share())
        return predict(*call.args, **call.kwargs)

    return predicting


def _share_data(given: dict[str, Any], session: Session) -> None:
    """Let each rank read its own share, in as many steps as all others."""
    from lepton_jlab.data.stream.batches import Batches

    given["x"] = _dealt(given.get("x"), session.share)
    validation = given.get("validation_data")
    given["validation_data"] = _dealt(validation, session.share)
    if not isinstance(given["x"], Batches) and group().rank == 0:
        print(
            "fit was given data that are not ds.batches(…): each rank trains on all of them. Give "
            "it x[lepton.rank() :: lepton.world()], or make a dataset of them."
        )
    if given.get("steps_per_epoch") is None:
        steps = _steps(given)
        (found,) = group().reduced([np.array([steps, -steps])], "min", "the number of steps")
        least, most = int(found[0]), -int(found[1])
        if 0 < least < most:
            if isinstance(given["x"], Batches):
                given["x"] = given["x"].take(least)
            else:
                given["steps_per_epoch"] = least


def _pace(given: dict[str, Any]) -> None:
    """Make `steps_per_epoch` the length of the data's epochs: a position in one is in the other."""
    from lepton_jlab.data.stream.batches import Batches

    if isinstance(given.get("x"), Batches) and given.get("steps_per_epoch"):
        given["x"] = given["x"].paced(given.pop("steps_per_epoch"))


def _steps(given: dict[str, Any]) -> int:
    """Return how many steps an epoch has, -1 if that is not known before."""
    x = given.get("x")
    try:
        count = len(x)  # type: ignore[arg-type]
    except TypeError:
        return -1
    if hasattr(x, "shape"):  # samples, not batches
        return -(-count // (given.get("batch_size") or 32))
    return -1 if isinstance(x, (list, tuple, dict)) else count


def _dealt(x: Any, share: Share) -> Any:
    from lepton_jlab.data.stream.batches import Batches, dealt

    return dealt(x, share) if isinstance(x, Batches) else x


def _build(model: Any, x: Any) -> None:
    """Make the variables of a model that would make them in its first step."""
    from lepton_jlab.data.stream.batches import Batches

    metrics = model._compile_metrics
    built = [*(layer.built for layer in model._flatten_layers()), model.optimizer.built]
    if all(built) and (metrics is None or metrics.built):
        return
    if isinstance(x, Batches):
        batch = x.peek()
    elif hasattr(x, "take") and hasattr(x, "element_spec"):
        batch = next(iter(x.take(1)))
    else:
        return  # the same seed gives all ranks the same weights
    model._symbolic_build(data_batch=batch)


def _kept_callbacks(given: Any, keras: Any) -> list[Any]:
    if given is None:
        return []
    callbacks = list(given.callbacks if hasattr(given, "callbacks") else given)
    if group().rank == 0:
        return callbacks
    once = tuple(getattr(keras.callbacks, name) for name in _ONCE if hasattr(keras.callbacks, name))
    return [callback for callback in callbacks if not isinstance(callback, once)]


def _average_steps(model: Any) -> Callable[[], None]:
    """Let the steps of a model's training count by their samples; return what undoes it."""
    import keras
    import tensorflow as tf

    own, jit = model.train_step, model.jit_compile
    plain = type(model).train_step is keras.Model.train_step
    if jit and not plain and group().rank == 0:
        print("jit_compile with a train_step of its own: with --replicas it is not compiled.")
    step = _compiled_step(own) if jit and plain else own

    def train_step(data: Any) -> Any:
        first = next(leaf for leaf in tf.nest.flatten(data) if leaf is not None)
        with weighing(tf.shape(first)[0]):
            return step(data)

    vars(model)["train_step"] = train_step
    # What talks to other ranks cannot be compiled; `_compiled_step` compiles what lies around it.
    model.jit_compile = False
    model.make_train_function(force=True)
    model.jit_compile = jit

    def undo() -> None:
        vars(model).pop("train_step", None)
        model.train_function = None

    return undo


def _compiled_step(step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a step in two compiled parts, with the other ranks between: gradients, and update."""
    import tensorflow as tf

    applied: list[Any] = []
    gaps: list[bool] = []

    @tf.function(jit_compile=True, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def gradients(data: Any) -> Any:
        captured: list[Any] = []
        with capturing(captured):
            outputs = step(data)
        optimizer, found, variables = captured[0]
        applied[:] = [optimizer, variables]
        gaps[:] = [gradient is None for gradient in found]
        return outputs, [tf.convert_to_tensor(g) for g in found if g is not None]

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
    def update(found: Any) -> None:
        rest = iter(found)
        apply_averaged(applied[0], [None if gap else next(rest) for gap in gaps], applied[1])

    def compiled(data: Any) -> Any:
        outputs, found = gradients(data)
        update(average(found, tf.shape(tf.nest.flatten(data)[0])[0]))
        return outputs

    return compiled


def _averaged_logs(logs: Any) -> Any:
    """Return what a `train_step` of the user's own has logged, averaged over the ranks."""
    if not isinstance(logs, dict):
        return logs
    names = [name for name, value in logs.items() if np.ndim(value) == 0]
    values = [np.array([float(logs[name]) for name in names])]
    means = group().reduced(values, "mean", "the logs at the end of an epoch")[0]
    return {**logs, **dict(zip(names, means.tolist(), strict=True))}


def _callback(keras: Any) -> Any:
    """Return the class of our callback; it can only be made once there is a Keras."""

    class Together(keras.callbacks.Callback):
        """Keeps the ranks together between their steps, and makes checkpoints."""

        def __init__(self, session: Session, given: Mapping[str, Any], others: list[Any]) -> None:
            super().__init__()
            self._session = session
            self._call = session.calls
            self._x: Any = given.get("x")
            self._epochs = given.get("epochs", 1)
            self._others = others
            self._path = path_of(session.folder, self._call)
            self._resumed: dict[str, Any] | None = None
            self._history: dict[str, list[float]] = {}
            self._done_epochs: list[int] = []
            self._epoch = 0

        # ---- the beginning

        def on_train_begin(self, _: Logs = None) -> None:
            state = State(self.model)
            found = None
            if self._session.saves:
                rank0 = group().rank == 0
                found = checkpoints.read(self._path) if rank0 else None
                told = group().told(found[1] if found else None, "the checkpoint")
                if told is not None:
                    self._take_up(told, found[0] if found else None, state)
            state.broadcast("the first weights")

        def _take_up(self, told: dict[str, Any], arrays: Any, state: State) -> None:
            if arrays is not None:
                state.restore(arrays, self._path)
                random_state = pickle.loads(arrays["random"][0].tobytes())
                random.setstate(random_state[0])
                np.random.set_state(random_state[1])
            self._resumed = {**told, "metrics": (arrays or {}).get("metrics")}
            self._history, self._done_epochs = told["history"], told["epochs"]
            for callback in self._others:
                vars(callback).update(told["callbacks"].get(type(callback).__name__, {}))
            self._session.passed(len(self._done_epochs))
            self.model._initial_epoch = self._epochs if told["done"] else told["epoch"]
            if told["position"] is not None and hasattr(self._x, "load_state_dict"):
                self._x.load_state_dict({**self._x.state_dict(), **told["position"]})

        def on_epoch_begin(self, epoch: int, _: Logs = None) -> None:
            self._epoch = epoch
            resumed, self._resumed = self._resumed, None
            if resumed is not None and resumed["metrics"]:  # the sums so far, which one rank keeps
                variables = metric_variables(self.model)
                if len(variables) == len(resumed["metrics"]):
                    for variable, value in zip(variables, resumed["metrics"], strict=True):
                        variable.assign(value)

        # ---- between steps

        def on_train_batch_end(self, _: int, logs: Logs = None) -> None:  # noqa: ARG002
            many = group().world > 1
            if many and FLAGS.agreed["stop"]:
                self.model.stop_training = True
            elif many and self.model.stop_training:  # all stop after the same step
                self.model.stop_training, FLAGS.stop = False, True
            if FLAGS.agreed["save"] if many else FLAGS.save or self._session.due():
                # After its last step an epoch is over for its data, and not yet for Keras: then
                # `on_epoch_end` saves. Going on from here would train an epoch more.
                if hasattr(self._x, "state_dict") and self._x.state_dict()["batch"]:
                    self._save(self._epoch, done=False)
            elif many and group().rank == 0 and self._session.due():
                FLAGS.save = True

        def on_test_begin(self, _: Logs = None) -> None:
            self._average_statistics()

        def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
            self._average_statistics()
            for name, value in (logs or {}).items():
                if np.ndim(value) == 0:
                    self._history.setdefault(name, []).append(float(value))
            self._done_epochs.append(epoch)
            save = FLAGS.save or FLAGS.agreed["save"] or self._session.due()
            asked = [float(self.model.stop_training), float(save)]
            (agreed,) = group().reduced([np.array(asked)], "max", "the end of an epoch")
            self.model.stop_training = bool(agreed[0])
            if agreed[1]:
                self._save(epoch + 1, done=False)

        def on_train_end(self, _: Logs = None) -> None:
            if self._session.saves and self._done_epochs:
                self._save(self._epochs, done=True)

        def complete(self, history: Any) -> None:
            """Give the history what came before a checkpoint."""
            if len(history.epoch) < len(self._done_epochs):
                history.epoch = list(self._done_epochs)
                history.history = {name: list(values) for name, values in self._history.items()}

        # ---- what is kept

        def _average_statistics(self) -> None:
            """Average what layers have gathered from their own batches, such as moving means."""
            if group().world > 1:
                variables = floats(self.model.non_trainable_variables)
                name = "the moving statistics"
                for variable, value in zip(
                    variables, group().reduced(numbers(variables), "mean", name), strict=True
                ):
                    variable.assign(value)

        def _save(self, epoch: int, done: bool) -> None:
            started = time.monotonic()
            FLAGS.save = FLAGS.agreed["save"] = False
            self._average_statistics()
            within = epoch == self._epoch and not done
            metrics = numbers(metric_variables(self.model)) if within else []
            metrics = group().reduced(metrics, "sum", "the metrics of a checkpoint")
            told: dict[str, Any] = {"epoch": epoch, "call": self._call, "done": done}
            if group().rank == 0:
                position = None
                if hasattr(self._x, "state_dict"):
                    state = self._x.state_dict()
                    position = {key: state[key] for key in ("epoch", "batch")}
                document = {
                    **told,
                    "position": position,
                    "history": self._history,
                    "epochs": self._done_epochs,
                    "callbacks": {type(one).__name__: _scalars(one) for one in self._others},
                    "shards": self._session.share.shards,
                }
                random_state = pickle.dumps((random.getstate(), np.random.get_state()))
                groups = {
                    **State(self.model).arrays(),
                    "metrics": metrics,
                    "random": [np.frombuffer(random_state, np.uint8)],
                }
                size = checkpoints.write(self._path, groups, document)
                batch = position["batch"] if position and within else 0
                told |= {"bytes": size, "batch": batch, "file": str(self._path)}
            self._session.saved(started, told)

    return Together


def _scalars(callback: Any) -> dict[str, Any]:
    """Return the plain values that a callback keeps: patience used, the best so far."""
    kept = {}
    for name, value in vars(callback).items():
        if hasattr(value, "item") and np.ndim(value) == 0:
            value = value.item()
        if value is None or isinstance(value, (bool, int, float, str)):
            kept[name] = value
    return kept
