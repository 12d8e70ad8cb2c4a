"""What a cell is found to need from its notebook."""

from __future__ import annotations

import pytest

from lepton_jlab.errors import UsageError
from lepton_jlab.runs.capture.names import analyse, check_missing, check_sweep


@pytest.mark.parametrize(
    ("cell", "used"),
    [
        # straight-line flow
        ("y = x\nz = y", "x"),
        ("print(x); x = 1", "x"),
        ("x += 1", "x"),
        ("x: int = 1\nx", ""),
        ("x: Kind\nx", "Kind x"),
        ("del x", "x"),
        ("x = 1\ndel x\nx", "x"),
        ("a, (b, *c) = d\na, b, c", "d"),
        ("obj.attr = 1\nitems[i] = v", "obj items i v"),
        ("import os.path, numpy as np\nfrom a import b as c\nos, np, c", ""),
        ("if (n := len(xs)) > 3: n", "xs"),
        ("f'{a!r:>{width}}'", "a width"),
        # branches
        ("if c:\n  m = 1\nm", "c m"),
        ("if c:\n  m = 1\nelse:\n  m = 2\nm", "c"),
        ("if c:\n  m = 1\nelse:\n  raise E\nm", "c E"),
        ("try:\n  import tomli as t\nexcept ImportError:\n  t = None\nt", ""),
        ("try:\n  pass\nexcept E as e:\n  e\ne", "E e"),
        ("try:\n  pass\nfinally:\n  x = 1\nx", ""),
        ("with open(p) as f, g() as (a, b):\n  f, a, b\nf", "p g"),
        ("match p:\n  case [u, *v]: u, v\n  case {'k': w, **r}: w, r\n  case C(z): z", "p C"),
        ("match p:\n  case 1: m = 1\n  case _: m = 2\nm", "p"),
        ("match p:\n  case 1: m = 1\nm", "p m"),
        # scopes in the cell
        ("def top(a):\n  global g\n  g = b = a\n  return b + c\ntop(1)", "c"),
        ("def f(a, b=d, *c: T) -> R:\n  e = a + b + g\n  return e, c", "d T R g"),
        ("def f():\n  return later\nlater = 1\nf()", ""),
        ("def f():\n  return f()", ""),
        ("@deco\nasync def f():\n  await g(h)", "deco g h"),
        ("lambda a, b=c: a + b + d", "c d"),
        ("def f():\n  x = 1\n  def g():\n    nonlocal x\n    x = y\n  return g", "y"),
        ("[a + b for a in c if d for e in a]", "b c d"),
        ("xs = [x for x in xs]", "xs"),
        ("{k: v for k, v in p.items()}, {q for q in r}, (s for s in t)", "p r t"),
        ("total = sum(w * x for x in xs)\nw = 2", "w xs"),
        ("[(y := f(x)) for x in xs]\ny", "f xs"),
        (
            "class A(B, metaclass=M):\n  x = y\n  z = x\n  def m(self): return super().m(x)",
            "B M y x",
        ),
        ("x = 1\nclass A:\n  x = x", ""),
        ("from __future__ import annotations\ndef f(a: T): pass\nx: U = 1", ""),
        # the notebook's own ways
        ("await fetch(url)\nasync for i in stream: i", "fetch url stream"),
        ("%%time\nmodel = build(lr)\nmodel.fit(x)", "build lr x"),
        ("%timeit -n 3 -r5 f(x)", "f x"),
        ("for i in xs:\n    %time y = g(i)", "xs g"),
        ("%matplotlib inline\nfiles = !ls\nfiles", ""),
        ("display(In, Out, _, get_ipython(), __name__, _12, _i3, print)", ""),
    ],
)
def test_names_a_cell_reads_before_it_has_bound_them(cell: str, used: str) -> None:
    assert sorted(analyse(cell).used) == sorted(used.split())


@pytest.mark.parametrize(
    ("cell", "perhaps"),
    [
        ("for i in r:\n  loss = i\nloss, i", "loss i"),
        ("while a:\n  b = 1\nb", "b"),
        ("for q in qs:\n  if q:\n    best = q\n    break\nbest", "best"),
        ("while True:\n  try:\n    v = f()\n    break\n  except E: continue\nv", "v"),
        ("try:\n  m = f()\nexcept E: pass\nm", "m"),
        ("def setup():\n  global m\n  m = 1\nsetup()\nm", "m"),
        ("!ls {folder} $name | awk '{print $1}'", "folder name"),
        ("df.query('a > @limit')", "limit"),
    ],
)
def test_names_that_are_needed_only_if_something_unlikely_happens(cell: str, perhaps: str) -> None:
    found = analyse(cell)
    assert found.perhaps == set(perhaps.split())
    assert not found.perhaps & found.used.keys()


def test_assigned_names_are_those_of_the_top_level_with_their_lines() -> None:
    cell = "\na = 1\nfor b in a:\n  c = [d for d in a]\ndef e(f):\n  g = f\nimport h.i"
    cell += "\nclass j:\n  k = 1"
    assert analyse(cell).assigned == {"a": 2, "b": 3, "c": 4, "e": 5, "h": 7, "j": 8}


def test_builtins_are_listed_apart_because_a_notebook_may_redefine_them() -> None:
    found = analyse("print(input)")
    assert not found.used
    assert found.builtins == {"print", "input"}


@pytest.mark.parametrize(
    "cell",
    [
        "from numpy import *",
        "exec(code)",
        "[eval(k) for k in ks]",
        "globals()['a']",
        "%run prepare.py",
        "%%capture out\nprint(1)",
        "%lepton data import a b -o ds",
        "def f():\n  return locals()",
    ],
)
def test_a_cell_that_may_bind_unseen_names_is_opaque_and_misses_nothing(cell: str) -> None:
    names = analyse(cell + "\nunheard_of")
    assert names.opaque
    check_missing(names, [])


@pytest.mark.parametrize(
    "cell", ["%matplotlib inline", "!ls", "%%time\n1", "%cd data", "%%bash\nls", "%pip install x"]
)
def test_harmless_magics_do_not_make_a_cell_opaque(cell: str) -> None:
    assert not analyse(cell).opaque


@pytest.mark.parametrize(
    ("cell", "line", "shown"),
    [
        ("\n\nfor x in y\n  pass", 3, "    for x in y\n              ^"),
        ("a = 1\n  b = (1,\n", 2, "b = (1,"),
        ("break", 1, "    break\n    ^"),
        ("%%time\nx = = 3", 2, "    x = = 3\n        ^"),
        ("x = 'abc", 1, "    x = 'abc\n        ^"),
    ],
)
def test_invalid_python_is_shown_with_its_line_and_a_caret(
    cell: str, line: int, shown: str
) -> None:
    with pytest.raises(UsageError) as raised:
        analyse(cell)
    assert f"Line {line} of the cell" in str(raised.value)
    assert shown in str(raised.value)


def test_a_missing_name_is_reported_with_its_line_and_the_nearest_known_one() -> None:
    names = analyse("import numpy as np\nnp.mean(x_trian)")
    with pytest.raises(UsageError, match=r"'x_trian' \(line 2\).* Did you mean 'x_train'\?"):
        check_missing(names, ["x_train", "y_train"])
    check_missing(names, ["x_trian"])


def test_a_name_that_the_cell_may_bind_itself_is_not_missing() -> None:
    check_missing(analyse("if ready():\n  m = 1\nm"), ["ready"])


def test_a_cell_that_assigns_a_swept_name_is_refused() -> None:
    with pytest.raises(UsageError, match=r"assigns 'lr' itself \(line 2\)"):
        check_sweep(analyse("m = build()\nlr = 0.1"), ["batch", "lr"])
    with pytest.raises(UsageError, match="'lr'"):
        check_sweep(analyse("for lr in (1, 2): pass"), ["lr"])
    check_sweep(analyse("def f(lr):\n  lr = 1\nm = [lr for lr in range(3)]"), ["lr"])
