"""Names of the notebook that come along to a run; the run's side is a real fresh process."""

from __future__ import annotations

import json
import linecache
import os
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

from lepton_jlab.errors import UsageError
from lepton_jlab.runs.capture import Captured, capture

MB = 1_000_000

# The run's side: for each case a namespace, what came along, the sweep's variables, the cell.
CHILD = """
import json, sys
from lepton_jlab.runs.capture import load
answers = {}
for name, (paths, params, cell) in json.load(open(sys.argv[1])).items():
    namespace = {"__name__": "__main__"}
    try:
        load(paths, namespace)
        namespace.update(params)
        exec(cell, namespace)
        answers[name] = namespace["answer"]
    except BaseException as error:
        answers[name] = f"{type(error).__name__}: {error}"
json.dump(answers, open(sys.argv[2], "w"))
"""


def notebook(*cells: str) -> dict[str, Any]:
    """Run cells as a notebook does, each with a text that tracebacks can show."""
    namespace: dict[str, Any] = {"__name__": "__main__", "_ih": ["", *cells], "Out": {}}
    for count, cell in enumerate(cells):
        file = f"<cell {abs(hash(cell))} {count}>"
        lines = cell.splitlines(keepends=True)
        linecache.cache[file] = (len(cell), None, lines, file)
        exec(compile(cell, file, "exec"), namespace)
    return namespace


class Runs:
    """Collects cells with what they bring, and runs all of them in one fresh process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cells: dict[str, tuple[list[str], dict[str, Any], str]] = {}

    def add(
        self,
        name: str,
        source: str,
        cell: str,
        *,
        push: Iterable[str] | str | None = None,
        reverse: bool = False,
        **params: Any,
    ) -> Captured:
        captured = capture(cell, notebook(source), push=push, params=params)
        paths = []
        for payload in captured.payloads:
            path = self.folder / payload.digest
            payload.write(path)
            assert path.read_bytes() == payload.tobytes()
            paths.append(str(path))
        self.cells[name] = (paths[::-1] if reverse else paths, params, cell)
        return captured

    def answers(self) -> dict[str, Any]:
        asked, answered = self.folder / "cells.json", self.folder / "answers.json"
        asked.write_text(json.dumps(self.cells))
        command = [sys.executable, "-c", CHILD, str(asked), str(answered)]
        subprocess.run(command, check=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
        found: dict[str, Any] = json.loads(answered.read_text())
        return found


# name: (the notebook, the cell, what it must answer)
CASES: dict[str, tuple[str, str, Any]] = {
    "plain values": (
        "a = 3; b = {'k': [1, (2, None)]}; c = b['k']",
        "b['k'].append(a); answer = [a, b['k'][2], c is b['k']]",
        [3, 3, True],
    ),
    "modules by name": (
        "import numpy as np, os.path, concurrent.futures as cf; from collections import Counter",
        """
        answer = [np.ones(2).sum(), os.path.basename('/a/b'), cf.wait.__name__, Counter('aab')['a']]
        """,
        [2.0, "b", "wait", 2],
    ),
    "arrays can be written to": (
        "import numpy as np; x = np.arange(60_000.0); y = np.asfortranarray(x.reshape(2, -1))",
        """
        x[0] = 5; answer = [x.sum() - 5, y[1, 0], bool(y.flags.f_contiguous), x.ctypes.data % 64]
        """,
        [1799970000.0, 30000.0, True, 0],
    ),
    "frames": (
        "import pandas as pd; df = pd.DataFrame({'a': range(20_000), 'b': ['x', 'y'] * 10_000})",
        "answer = [int(df.a.sum()), df.b[1], list(df.dtypes.astype(str))[0]]",
        [199990000, "y", "int64"],
    ),
    "functions and what they use in turn": (
        """
        import math
        scale = 3
        def inner(v): return math.sqrt(v) * scale
        def outer(v, f=inner): return helper(f(v))
        def helper(v): return v + 1
        """,
        "answer = outer(16)",
        13.0,
    ),
    "functions see what the cell sets": (
        """
        rate = 1
        def current(): return rate
        def faster():
          global rate
          rate *= 2
        """,
        "rate = 10; faster(); answer = [rate, current()]",
        [20, 20],
    ),
    "functions write into the cell's namespace": (
        """
        def make():
          global made
          made = 7
        """,
        "make(); answer = made",
        7,
    ),
    "recursion between functions": (
        """
        def even(n): return n == 0 or odd(n - 1)
        def odd(n): return n != 0 and even(n - 1)
        """,
        "answer = [even(10), odd.__globals__ is globals()]",
        [True, True],
    ),
    "closures, lambdas, partial and decorators": (
        """
        from functools import partial, wraps, lru_cache
        offset = 100
        def adder(n):
          total = [n]
          def add(v):
            total[0] += v
            return total[0] + offset
          return add
        def twice(f):
          @wraps(f)
          def g(*a): return f(*a) * 2
          return g
        @twice
        def f(v): return v + offset
        @lru_cache(maxsize=9)
        def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
        add = adder(1); square = lambda v: v * v; cube = partial(pow, exp=3); part = partial(f, 1)
        """,
        """
        answer = [add(1), add(1), square(3), cube(2), part(), f.__name__]
        answer += [fib(30), fib.cache_parameters()['maxsize']]
        """,
        [102, 103, 9, 8, 202, "f", 832040, 9],
    ),
    "classes with super, properties and class methods": (
        """
        unit = 'm'
        class Base:
          def __init__(self, v): self.v = v
          def text(self): return f'{self.v} {unit}'
        class Child(Base):
          count = 0
          def __init__(self, v):
            super().__init__(v); type(self).count += 1
          @property
          def double(self): return self.v * 2
          @classmethod
          def make(cls): return cls(4)
          @staticmethod
          def help(): return unit
        from functools import cached_property
        class Lazy:
          @cached_property
          def it(self): return [unit]
        """,
        """
        c = Child.make(); lazy = Lazy()
        answer = [c.text(), c.double, Child.count, Child.help(), Child.__module__]
        answer.append(lazy.it is lazy.it)
        """,
        ["4 m", 8, 1, "m", "__main__", True],
    ),
    "an object belongs to its class": (
        """
        from dataclasses import dataclass, field
        from enum import Enum
        class Kind(Enum):
          A = 1
          B = 2
        @dataclass
        class Config:
          kind: Kind
          sizes: list = field(default_factory=list)
        config = Config(Kind.B, [1, 2]); configs = {'one': config}
        """,
        """
        answer = [isinstance(config, Config), config == Config(Kind.B, [1, 2])]
        answer += [config.kind is Kind.B, configs['one'] is config]
        """,
        [True, True, True, True],
    ),
    "classes that register themselves": (
        """
        registry = {}
        class Base:
          def __init_subclass__(cls): registry[cls.__name__] = cls
        class One(Base): pass
        """,
        "answer = [list(registry), registry['One'] is One]",
        [["One"], True],
    ),
    "state set by a method that reads a global": (
        """
        version = 2
        class Saved:
          def __setstate__(self, state): self.v = version
          def __getstate__(self): return {'v': 1}
        saved = Saved()
        """,
        "answer = saved.v",
        2,
    ),
    "a builtin with another meaning": (
        "input = [1, 2]",
        "answer = len(input)",
        2,
    ),
    "IPython's own names stay behind": (
        """
        def shown(): return [Out, _ih]
        import _thread
        In = _thread.allocate_lock()
        """,
        "answer = type(shown).__name__",
        "function",
    ),
    "the text of a function": (
        """
        def f(v):
            return v + 1  # a remark
        """,
        "import inspect; answer = inspect.getsource(f)",
        "def f(v):\n    return v + 1  # a remark",
    ),
    "a global that does not fit but is set by the cell": (
        """
        import _thread
        lock = _thread.allocate_lock()
        def held(): return lock
        """,
        "lock = 5; answer = held()",
        5,
    ),
    "a name that a loop sets anyway": (
        """
        import _thread
        last = _thread.allocate_lock()
        """,
        """
        for last in range(3): pass
        answer = last
        """,
        2,
    ),
    "coroutines and generators": (
        """
        import asyncio
        async def get(n): return n
        def count():
          yield from range(limit)
        limit = 3
        """,
        "answer = [asyncio.run(get(4)), list(count())]",
        [4, [0, 1, 2]],
    ),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    runs = Runs(tmp_path_factory.mktemp("payloads"))
    for name, (source, cell, _) in CASES.items():
        runs.add(name, dedent(source).strip(), dedent(cell).strip())

    runs.add("swept", "lr = 1\ndef rate(): return lr", "answer = [lr, rate()]", lr=0.5)
    big = "import numpy as np\nx = np.arange(3_000_000.0)\ntwin = x\nalso = {'in': x}\n"
    uses = "def total(): return x.sum() + also['in'][1]\n"
    cell = "x[0] = 1.0; answer = [total(), twin is x, also['in'] is x]"
    pushed = runs.add("pushed", big + uses, cell, push=["x"])
    assert pushed.payloads[0].names == ("x",)
    assert pushed.payloads[0].size > 24 * MB
    assert pushed.payloads[1].size < 0.01 * MB
    runs.add("reversed", big + uses, cell, push=["x"], reverse=True)
    member = "class A: pass\na = A(); a.data = bytes(20_000_000)"
    runs.add("of a class", member, "answer = [isinstance(a, A), len(a.data)]", push=["a"])
    runs.add("unused", "n = 4", "answer = globals()['n']", push="n")
    runs.add("none", "n = 4", "answer = 'n' in dir()", push="none")
    return runs.answers()


@pytest.mark.parametrize("name", CASES)
def test_cell_finds_in_the_run_what_it_found_in_the_notebook(
    name: str, answers: dict[str, Any]
) -> None:
    assert answers[name] == CASES[name][2]


def test_functions_see_the_swept_value_and_not_the_notebooks(answers: dict[str, Any]) -> None:
    assert answers["swept"] == [0.5, 0.5]


def test_a_pushed_value_is_there_once_for_all_that_refer_to_it(answers: dict[str, Any]) -> None:
    expected = [float(np.arange(3_000_000.0).sum()) + 2.0, True, True]
    assert answers["pushed"] == expected
    assert answers["reversed"] == expected
    assert answers["of a class"] == [True, 20_000_000]


def test_push_brings_what_the_cell_does_not_name_and_none_brings_nothing(
    answers: dict[str, Any],
) -> None:
    assert answers["unused"] == 4
    assert answers["none"] is False


def test_what_came_along_can_be_read() -> None:
    source = (
        "import numpy as np\nx = np.zeros(3_000_000)\nsmall = np.zeros(400_000)\nn = 4\n"
        "def build(): return deep()\ndef deep(): return n\nclass Net: pass\nfrom math import pi"
    )
    cell = "Net(); build(np.mean(x)); small; pi"
    captured = capture(cell, notebook(source), push=["x"])
    assert captured.brought == [
        "x (24.0 MB, pushed)",
        "Net (class)",
        "build (function)",
        "np (module numpy)",
        "small (ndarray, 3.2 MB)",
        "pi (float)",
        "deep (function)",
        "n (int)",
    ]
    assert capture("1 + 1", {}).payloads == []


def test_the_same_pushed_value_has_the_same_digest() -> None:
    first, second, other = (
        capture("x", {"x": np.full(9, value), "y": value}, push=["x"]).payloads[0]
        for value in (1, 1, 2)
    )
    assert first.digest == second.digest != other.digest


def test_a_large_value_is_refused_with_its_size_and_the_ways_out() -> None:
    names = notebook("import numpy as np\nx = np.zeros(6_000_000)\ndef total(): return x.sum()")
    with pytest.raises(UsageError, match=r"'x' \(ndarray\) is 48\.0 MB.* --push x,.* dataset"):
        capture("x.mean()", names)
    with pytest.raises(UsageError, match=r"'x' \(ndarray, used by total\(\)\) is 48\.0 MB"):
        capture("total()", names)
    with pytest.raises(UsageError, match=r"'many' \(list\) is over 1 MiB"):
        capture("many", {"many": [bytes([n % 250] * 1000) for n in range(2000)]}, limit=2**20)


def test_what_cannot_be_pickled_is_refused_by_name() -> None:
    names = notebook("import _thread\nlock = _thread.allocate_lock()\ndef held(): return lock")
    with pytest.raises(UsageError, match=r"'lock' \(lock\) cannot be sent to a run: cannot pickle"):
        capture("lock", names)
    with pytest.raises(UsageError, match=r"'lock' \(lock, used by held\(\)\) cannot be sent"):
        capture("held()", names)
    with pytest.raises(UsageError, match=r"'lock' .* Make it in the cell"):
        capture("1", names, push=["lock"])
    with pytest.raises(UsageError, match=r"'thread' \(Thread\)"):
        capture("thread", {"thread": threading.Thread()})


def test_names_that_do_not_exist_are_refused() -> None:
    with pytest.raises(UsageError, match=r"'modle' \(line 2\).* Did you mean 'model'"):
        capture("\nmodle.fit()", {"model": 1})
    with pytest.raises(UsageError, match=r"--push dta: .* Did you mean 'data'"):
        capture("1", {"data": 1}, push=["dta"])
    capture("lr", {}, params=["lr"])


def test_a_swept_name_that_the_cell_assigns_is_refused() -> None:
    with pytest.raises(UsageError, match="assigns 'lr' itself"):
        capture("lr = 1", {}, params=["lr"])


@pytest.mark.integration
def test_tensors_and_keras_models_come_along(tmp_path: Path) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    runs = Runs(tmp_path)
    source = (
        "import keras, numpy as np, tensorflow as tf\nfrom tensorflow import keras as tk\n"
        "class Scaled(keras.layers.Layer):\n  def call(self, x): return x * factor\nfactor = 2.0\n"
        "@keras.saving.register_keras_serializable('mine')\n"
        "class Halved(keras.layers.Layer):\n  def call(self, x): return x / 2\n"
        "def swish(x): return x * keras.ops.sigmoid(x)\n"
        "class Net(keras.Model):\n"
        "  def __init__(self):\n    super().__init__()\n    self.dense = keras.layers.Dense(2)\n"
        "  def call(self, x): return self.dense(x)\n"
        "model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), Scaled(),"
        " Halved(), keras.layers.Activation(swish)])\n"
        "t = tf.range(4); x = np.ones((1, 3), 'float32'); y = model.predict(x, verbose=0)\n"
        "optimizer = keras.optimizers.Adam(0.5); stop = tk.callbacks.EarlyStopping()\n"
        "@tf.function\ndef step(v): return tf.reduce_sum(v) * 2\nstep(t)\n"
        "def build(): return Net()"
    )
    runs.add(
        "keras",
        source,
        "same = bool(np.allclose(model.predict(x, verbose=0), y))\n"
        "answer = [same, int(step(t)), float(optimizer.learning_rate), build()(x).shape[1],"
        " stop.monitor]",
    )
    assert runs.answers()["keras"] == [True, 12, 0.5, 2, "val_loss"]
