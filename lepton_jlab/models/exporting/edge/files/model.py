"""The model in this folder: needs NumPy and the LiteRT runtime. `python model.py` checks it."""

import json
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter


class Model:
    """Prepares samples, runs the model, and names the classes.

    Not for several threads at once.
    """

    def __init__(self, folder=None, threads=None):
        self.folder = Path(folder) if folder else Path(__file__).resolve().parent
        self.facts = json.loads((self.folder / "model.json").read_text())
        file = str(self.folder / "model.tflite")
        self._interpreter = Interpreter(file, num_threads=threads)
        self._run = self._interpreter.get_signature_runner("serving_default")
        self._recipe = _recipe(self.facts["preprocessing"])

    def predict(self, samples):
        """Return the answers to an array of shape (samples, ...), or to a dict of arrays by input.

        One array for a model with one output, else a dict by output.
        """
        taken = [tensor["name"] for tensor in self.facts["inputs"]]
        if not isinstance(samples, dict):
            samples = {taken[0]: samples}
        if missing := [name for name in taken if name not in samples]:
            raise ValueError(f"the input {missing[0]!r} is missing; the model takes {taken}")
        arrays = {name: np.asarray(samples[name]) for name in taken}
        if self._recipe and len(taken) == 1:
            arrays = {name: self._recipe(values) for name, values in arrays.items()}
        elif self._recipe:
            arrays = self._recipe(arrays)
        ready = {t["name"]: _formed(arrays[t["name"]], t) for t in self.facts["inputs"]}
        if len({len(values) for values in ready.values()}) > 1:
            raise ValueError("the inputs have different numbers of samples")
        answers = {name: np.array(values) for name, values in self._run(**ready).items()}
        return next(iter(answers.values())) if len(answers) == 1 else answers

    def describe(self, answers, count=3):
        """Return for each sample its likeliest classes with their scores, or its plain answer."""
        classes = self.facts["classes"]
        if isinstance(answers, dict):
            columns = {name: values.tolist() for name, values in answers.items()}
            return [
                dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
            ]
        if not classes or answers.ndim != 2 or answers.shape[1] != len(classes):
            return answers.tolist()
        best = np.argsort(-answers, axis=1, kind="stable")[:, :count]  # of equals the first
        return [
            [{"class": classes[i], "score": round(float(row[i]), 6)} for i in order]
            for row, order in zip(answers, best, strict=True)
        ]

    def samples(self, kind="inputs"):
        """Return the samples in this folder, by input, or the answers ("outputs") to them."""
        with np.load(self.folder / "samples.npz") as stored:
            names = [key for key in stored.files if key.startswith(kind + "/")]
            return {key.partition("/")[2]: stored[key] for key in names}

    def check(self):
        """Return the largest difference of an answer from what it was where this was exported."""
        answers = self.predict(self.samples())
        expected = self.samples("outputs")
        if not isinstance(answers, dict):
            answers = dict.fromkeys(expected, answers)
        return max(float(np.abs(answers[name] - expected[name]).max()) for name in expected)


def _recipe(stored):
    if not stored:
        return None
    import inspect

    import recipe

    make = getattr(recipe, stored["class"]).from_dict
    # Functions of a recipe are code, as the rest of this folder is.
    trusting = {"trust": True} if "trust" in inspect.signature(make).parameters else {}
    return make(stored["recipe"], **trusting)


def _formed(values, tensor):
    """Return an array in the shape and dtype that the model takes; a last axis of 1 may miss."""
    values, wanted = np.asarray(values), tensor["shape"][1:]
    if values.ndim == len(wanted):
        values = values[..., None]
    elif values.ndim == len(wanted) + 2 and values.shape[-1] == 1:
        values = values[..., 0]
    shape = values.shape[1:]
    if len(shape) != len(wanted) or any(
        w not in (None, s) for s, w in zip(shape, wanted, strict=True)
    ):
        written = ", ".join("*" if size is None else str(size) for size in tensor["shape"])
        raise ValueError(
            f"{tensor['name']!r} has shape {values.shape}; the model takes ({written})"
        )
    if values.dtype.kind not in ("fiub" if tensor["dtype"].startswith("float") else "iub"):
        raise ValueError(f"{tensor['name']!r} is {values.dtype}; the model takes {tensor['dtype']}")
    return values.astype(tensor["dtype"])


if __name__ == "__main__":
    model = Model()
    print(f"{model.facts['name']}: largest difference from its export {model.check():.3g}")
