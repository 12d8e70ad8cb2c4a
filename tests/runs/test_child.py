"""What a run child does with a cell, seen from its worker: real forks of a real server."""

from __future__ import annotations

import asyncio
import os
import re
import struct
from pathlib import Path
from typing import Any

import pytest

from lepton_jlab.runs import values
from lepton_jlab.runs.forkserver import describe_exit


def plain(lines: list[str]) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(lines))


def shown(heard: Any) -> list[str]:
    """Text and displays as one sequence of lines, in the order in which they came."""
    lines: list[str] = []
    for message in heard.messages:
        if message["type"] == "text":
            lines += message["text"].splitlines()
        elif message["type"] == "display":
            lines.append("display " + message["data"]["text/plain"])
        elif message["type"] in ("clear", "error"):
            lines.append(message["type"])
    return lines


# -- what a cell shows


def test_text_commands_and_displays_keep_their_order(worker):
    heard = worker.run(
        "import sys, ctypes\n"
        "for n in range(3):\n"
        "    print('printed', n)\n"
        "    display(n)\n"
        "    !echo echoed {n}\n"
        "    ctypes.CDLL(None).puts(b'put')\n"
        "    display(n)\n"
        "    print('last', n, end='')\n"
        "    display(n)\n"
    )
    one = ["printed {}", "display {}", "echoed {}", "put", "display {}", "last {}", "display {}"]
    assert shown(heard) == [line.format(n) for n in range(3) for line in one]
    assert heard.end["state"] == "done"


def test_the_last_expression_is_displayed_unless_a_semicolon_follows(worker):
    assert shown(worker.run("x = 6\nx * 7")) == ["display 42"]
    assert shown(worker.run("x = 6\nx * 7;")) == []


def test_a_display_can_be_updated_and_cleared(worker):
    heard = worker.run(
        "from IPython.display import HTML, clear_output\n"
        "handle = display(HTML('<b>1</b>'), display_id='a')\n"
        "handle.update(HTML('<b>2</b>'))\n"
        "clear_output(wait=True)\n"
    )
    first, second = heard.of("display")
    assert (first["display_id"], first["update"]) == ("a", False)
    assert (second["display_id"], second["update"]) == ("a", True)
    assert second["data"]["text/html"] == "<b>2</b>"
    assert heard.of("clear") == [{"type": "clear", "wait": True}]


def test_figures_are_shown_at_the_end_of_the_cell(worker):
    pytest.importorskip("matplotlib")
    heard = worker.run("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nprint('plotted');")
    kinds = [m["type"] for m in heard.messages if m["type"] in ("text", "display")]
    assert kinds[-2:] == ["text", "display"]
    assert heard.of("display")[-1]["data"]["image/png"].startswith("iVBOR")  # base64 of a PNG


@pytest.mark.integration
def test_a_million_lines_reach_a_slow_reader(worker):
    """The reader of this test needs a few µs a line, so the child waits in its own print."""
    heard = worker.run("for n in range(1_000_000):\n    print(n)")
    assert heard.text == "".join(f"{n}\n" for n in range(1_000_000))


def test_an_open_line_is_seen_before_the_cell_ends(worker):
    async def see_then_interrupt(conversation):
        await conversation.until(lambda heard: heard.text == "step 1 of 2")
        conversation.child.interrupt()

    heard = worker.run(
        "import time\nprint('step 1 of 2', end='')\ntime.sleep(100)", meanwhile=see_then_interrupt
    )
    assert heard.end["state"] == "cancelled"


def test_what_is_not_utf8_is_replaced(worker):
    assert worker.run("print('\\ud800', 'ä')").text == "? ä\n"


def test_warnings_are_shown(worker):
    heard = worker.run("import warnings\nwarnings.warn('beware')")
    assert "UserWarning: beware" in heard.text


def test_magics_work(worker):
    heard = worker.run("%%capture out\nprint('printed')\n!echo echoed\n")
    assert shown(heard) == []
    heard = worker.run("files = !echo a b\nprint(files)\n%env LEPTON_TEST=1\n!exit 3\n_exit_code")
    assert shown(heard)[0] == "['a b']"
    assert shown(heard)[-1] == "display 3"


# -- how a cell runs


def test_a_cell_may_await(worker):
    heard = worker.run("import asyncio\nawait asyncio.sleep(0)\nawait asyncio.sleep(0, 'slept')")
    assert shown(heard) == ["display 'slept'"]


def test_params_are_set_before_the_first_line(worker):
    heard = worker.run("print(lr, units)", params={"lr": 0.1, "units": [1, 2]})
    assert heard.text == "0.1 [1, 2]\n"


def test_a_cell_runs_where_its_notebook_is(worker, tmp_path):
    (tmp_path / "beside.py").write_text("here = 'found'")
    heard = worker.run(
        "import os, sys, beside\nprint(os.getcwd(), beside.here, sys.argv, os.environ['MINE'])",
        cwd=str(tmp_path),
        env={"MINE": "yes", "HOME": None},
    )
    assert heard.text == f"{tmp_path} found ['{heard.end['id'].join(['run ', ''])}'] yes\n"


def test_classes_of_the_cell_can_be_pickled(worker):
    heard = worker.run(
        "import pickle\nclass Point:\n    x = 1\npickle.loads(pickle.dumps(Point())).x"
    )
    assert shown(heard) == ["display 1"]


def test_begin_comes_first_and_end_says_what_was_assigned(worker):
    heard = worker.run("import os\na = 1\ndef f(): pass\nb = lr", params={"lr": 1, "c": 2})
    assert heard.messages[0]["type"] == "begin"
    assert heard.end["assigned"] == ["a", "f", "b"]
    assert heard.end["seconds"]["run"] > 0


def test_children_draw_different_random_numbers(worker):
    code = "import random, numpy\nprint(random.random(), numpy.random.rand())"
    drawn = [worker.run(code).text.split() for _ in range(3)]
    assert len({first for first, _ in drawn}) == 3
    assert len({second for _, second in drawn}) == 3


def test_the_processors_of_the_worker_are_kept_to(worker):
    one = min(os.sched_getaffinity(0))
    heard = worker.run("import os\nprint(os.sched_getaffinity(0))", affinity=[one])
    assert heard.text == f"{{{one}}}\n"


# -- how a cell fails


def test_a_traceback_has_the_lines_of_the_cell(worker):
    heard = worker.run("def f(x):\n    y = 1\n    return y / x\n\nf(0)", filename="run r17")
    (error,) = heard.of("error")
    text = plain(error["traceback"])
    assert error["name"] == "ZeroDivisionError"
    assert "Run r17, line 5" in text
    assert "----> 3     return y / x" in text
    assert "child_shell" not in text
    assert heard.end["state"] == "failed"
    assert heard.error["kind"] == "exception"
    assert heard.error["message"] == "ZeroDivisionError: division by zero"
    assert heard.error["traceback"] == error["traceback"]


def test_a_file_is_named_in_its_traceback(worker, tmp_path):
    path = tmp_path / "train.py"
    path.write_text("import sys\nprint(__file__, sys.argv)\n1 / 0\n")
    heard = worker.run(path.read_text(), filename=str(path))
    assert heard.text == f"{path} ['{path}']\n"
    assert "train.py:3" in plain(heard.of("error")[0]["traceback"])


def test_a_syntax_error_is_shown_with_its_line(worker):
    heard = worker.run("x = 1\ny = = 2")
    assert heard.error["message"].startswith("SyntaxError: invalid syntax")
    assert "line 2" in plain(heard.error["traceback"])


def test_a_group_of_errors_is_shown(worker):
    heard = worker.run("raise ExceptionGroup('two', [ValueError('a'), KeyError('b')])")
    assert "ValueError: a" in plain(heard.of("error")[0]["traceback"])


def test_an_unknown_magic_fails_the_run(worker):
    heard = worker.run("%nonsense")
    assert heard.end["state"] == "failed"
    assert "%nonsense" in heard.error["message"]


@pytest.mark.parametrize(
    ("code", "state", "message"),
    [
        ("import sys; sys.exit(3)", "failed", "The cell called sys.exit(3)"),
        ("exit(3)", "failed", "The cell called sys.exit(3)"),
        ("raise SystemExit('no data')", "failed", "The cell called sys.exit('no data')"),
        ("import sys; sys.exit()", "done", None),
        ("exit", "done", None),
    ],
)
def test_sys_exit_ends_the_cell(worker, code, state, message):
    heard = worker.run(code)
    assert heard.end["state"] == state
    assert heard.of("error") == []
    assert (heard.end["error"] or {}).get("message") == message
    if message is not None:
        assert heard.error["kind"] == "exit"
    assert "To exit" not in heard.text


@pytest.mark.parametrize(
    ("code", "prompt"),
    [
        ("name = input('Name: ')", "'Name: '"),
        ("import getpass; getpass.getpass('Key: ')", "'Key: '"),
        ("breakpoint()", "'breakpoint()'"),
    ],
)
def test_what_needs_a_keyboard_says_so(worker, code, prompt):
    message = worker.run(code).error["message"]
    assert message.startswith(f"EOFError: A run has no keyboard to answer {prompt}.")


def test_a_cell_that_closes_its_output_comes_to_its_end(worker):
    assert "Bad file descriptor" in worker.run("import os\nos.close(1)\nprint(1)").error["message"]
    assert worker.run("import sys\nsys.stdout.close()\nx = 1").end["state"] == "done"


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("import os; os._exit(3)", "exit", "status 3"),
        ("import os; os.kill(os.getpid(), 9)", "signal", "SIGKILL"),
        ("import ctypes; ctypes.string_at(0)", "signal", "SIGSEGV (segmentation fault)"),
        ("import os; os.abort()", "signal", "SIGABRT"),
    ],
)
def test_a_process_that_dies_is_described(worker, code, kind, words):
    heard = worker.run("print('before')\n" + code)
    assert heard.end is None
    assert heard.text.startswith("before\n")
    described = describe_exit(heard.exit.status, heard.exit.oom)
    assert described["kind"] == kind
    assert words in described["message"]


def test_an_allocation_beyond_the_limit_is_refused(worker):
    limit = 256 * 2**20
    ok = worker.run(f"import numpy\nnumpy.ones({limit // 2}, 'u1').sum()", memory=limit)
    assert ok.end["state"] == "done"
    heard = worker.run(f"import numpy\nnumpy.zeros({limit * 2}, 'u1')", memory=limit)
    assert heard.error["kind"] == "memory"
    assert "limit of --memory 268.4 MB" in heard.error["message"]


# -- interrupts


@pytest.mark.parametrize(
    "wait",
    [
        "while True: pass",
        "import time; time.sleep(1000)",
        "!sleep 1000",
        "import asyncio; await asyncio.sleep(1000)",
        "while True: display(1)",
        "while True: print('x' * 100)",
    ],
)
def test_an_interrupt_cancels_the_cell(worker, wait):
    async def interrupt(conversation):
        await conversation.until(lambda heard: "ready" in heard.text)
        conversation.child.interrupt()

    heard = worker.run(f"print('ready')\n{wait}\nprint('after')", meanwhile=interrupt)
    assert heard.end["state"] == "cancelled"
    assert heard.end["error"] is None
    assert heard.of("error")[-1]["name"] == "KeyboardInterrupt"
    assert "after" not in heard.text


def test_an_interrupt_before_the_first_statement_counts(worker):
    async def begin_interrupted():
        conversation = await worker.fork()
        conversation.child.interrupt()
        heard = await conversation.run(worker.spec("print('never')"))
        await conversation.close()
        return heard

    heard = worker.do(begin_interrupted())
    assert heard.end["state"] == "cancelled"
    assert heard.text == ""


# -- kept children


def test_a_kept_child_keeps_its_names_and_survives_an_interrupt(worker):
    conversation = worker.begin()

    def run(code):
        return worker.do(conversation.run(worker.spec(code, keep="mine")))

    async def run_and_interrupt():
        running = asyncio.ensure_future(
            conversation.run(worker.spec("print('ready')\nwhile True: pass", keep="mine"))
        )
        await conversation.until(lambda heard: "ready" in heard.text)
        conversation.child.interrupt()
        return await running

    assert run("x = 1").end["assigned"] == ["x"]
    conversation.child.interrupt()  # between two cells: for nobody
    assert worker.do(run_and_interrupt()).end["state"] == "cancelled"
    assert run("1 / 0").end["state"] == "failed"
    assert shown(run("x += 1\nx")) == ["display 2"]
    worker.do(conversation.close())


def test_a_kept_child_ends_when_its_worker_closes_the_channel(worker):
    async def let_go():
        conversation = await worker.fork()
        await conversation.run(worker.spec("pass", keep="mine"))
        conversation.hang_up()
        return await conversation.child.status()

    assert worker.do(let_go()).status == 0


# -- what a cell measures and leaves


def test_metrics_arrive_and_lie_beside_as_tensorboard_events(worker):
    heard = worker.run(
        "import lepton_jlab as lepton, numpy\n"
        "lepton.log(loss=1)\n"
        "lepton.log(loss=numpy.float32(0.5), accuracy=numpy.array(0.25))\n"
        "lepton.log(step=10, loss=float('nan'))\n"
    )
    metrics = heard.of("metrics")
    assert [m["step"] for m in metrics] == [1, 2, 10]
    assert metrics[1]["values"] == {"loss": 0.5, "accuracy": 0.25}
    pytest.importorskip("tensorboard")
    from tensorboard.compat.proto.event_pb2 import Event

    (file,) = (worker.folder / heard.end["id"] / "tensorboard").iterdir()
    data, events = file.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        events.append(Event.FromString(data[12 : 12 + length]))
        data = data[16 + length :]
    tags = [(e.step, v.tag, v.simple_value) for e in events for v in e.summary.value]
    assert tags[:3] == [(1, "loss", 1.0), (2, "loss", 0.5), (2, "accuracy", 0.25)]


@pytest.mark.parametrize("value", ["'0.5'", "[0.5]", "numpy.zeros((2, 3))", "None", "1j"])
def test_a_metric_that_is_not_a_number_is_refused(worker, value):
    heard = worker.run(f"import lepton_jlab as lepton, numpy\nlepton.log(loss={value})")
    assert heard.error["message"].startswith("lepton.log(loss=…): a metric is one number")


def test_values_are_pulled_by_value(worker):
    heard = worker.run(
        "class Point:\n    x = 3\npoint = Point()\nf = lambda n: n + point.x",
        pull=["point", "f"],
    )
    assert [(v["name"], v["kind"]) for v in heard.end["values"]] == [
        ("point", "pickle"),
        ("f", "pickle"),
    ]
    loaded = {v["name"]: values.load(v["file"]) for v in heard.end["values"]}
    assert loaded["point"].x == 3
    assert loaded["f"](1) == 4
    assert all(Path(v["file"]).stat().st_size == v["bytes"] for v in heard.end["values"])


def test_a_value_that_cannot_be_pulled_is_named(worker):
    missing = worker.run("model = 1\nother = 2", pull=["modle"])
    assert missing.error["kind"] == "exception"
    assert "'modle'" in missing.error["message"]
    assert "Did you mean 'model'?" in missing.error["message"]
    assert "model, other" in missing.error["message"]
    unfit = worker.run("ok = 1\nlock = __import__('threading').Lock()", pull=["ok", "lock"])
    assert unfit.end["state"] == "failed"
    assert "'lock'" in unfit.error["message"]
    assert [v["name"] for v in unfit.end["values"]] == ["ok"]


def test_what_the_cell_registered_for_its_end_is_called(worker):
    heard = worker.run("import atexit\natexit.register(print, 'goodbye');")
    assert heard.text == "goodbye\n"


def test_processes_of_the_cell_do_not_speak_for_it(worker):
    heard = worker.run(
        "import os, lepton_jlab as lepton\n"
        "if os.fork() == 0:\n"
        "    print('from below')\n"
        "    lepton.log(loss=1)\n"
        "    display(1)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "lepton.log(loss=2);"
    )
    assert heard.text == "from below\n"
    assert [m["values"]["loss"] for m in heard.of("metrics")] == [2.0]
    folder = worker.folder / heard.end["id"] / "tensorboard"
    assert len(list(folder.glob("*"))) <= 1
