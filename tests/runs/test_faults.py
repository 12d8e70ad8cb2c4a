"""Cells that die or never end: told in their own words, at nobody else's cost."""

from __future__ import annotations

import pytest
from conditions import alive, wait_gone, wait_until
from held import hold, pid_of

import lepton_jlab as lepton

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("light", "cluster")]

SHARED = """
import mmap, time
shared = mmap.mmap(-1, 400_000_000)
for page in range(0, len(shared), 4096):
    shared[page] = 1
time.sleep(1e6)
"""
DEAF = """
import time
while True:
    try:
        time.sleep(1e6)
    except BaseException:
        pass
"""


@pytest.fixture(scope="module")
def neighbour(cluster, tmp_path_factory):
    """A run beside all those that die; so they have one slot among them."""
    go = tmp_path_factory.mktemp("neighbour") / "go"
    run = hold(go)
    yield run
    go.touch()
    run.wait(30)
    assert (run.state, run.to_dict()["attempt"], run.error) == ("done", 1, None)


@pytest.mark.parametrize(
    ("code", "options", "kind", "words"),
    [
        ("import os; os.kill(os.getpid(), 9)", {}, "signal", "killed by SIGKILL"),
        ("import ctypes; ctypes.string_at(0)", {}, "signal", "SIGSEGV (segmentation fault)"),
        ("import os; os.abort()", {}, "signal", "SIGABRT"),
        ("import os; os._exit(3)", {}, "exit", "status 3"),
        ("import sys; sys.exit(4)", {}, "exit", "sys.exit(4)"),
        ("while True: pass", {"timeout": 0.5}, "timeout", "--timeout 0.5 s"),
        ("import time; time.sleep(1e6)", {"stall": 0.5}, "stall", "--stall 0.5 s"),
        (DEAF, {"timeout": 0.5}, "timeout", "--timeout 0.5 s"),
        ("x = bytearray(10**9)", {"memory": "300MB"}, "memory", "limit"),
        (
            "import numpy\nx = numpy.ones(10**8)",
            {"memory": "300MB"},
            "memory",
            "limit",
        ),
        (SHARED, {"memory": "200MB"}, "memory", "over its limit of --memory 200.0 MB"),
    ],
    ids=[
        *("SIGKILL", "segfault", "abort", "_exit", "sys.exit", "busy", "asleep", "deaf"),
        *("bytearray", "numpy", "shared memory"),
    ],
)
def test_each_death_is_told_in_its_own_words_and_frees_its_slot(
    neighbour, code, options, kind, words
):
    run = lepton.submit(code, **options).wait(60)
    assert run.state == "failed"
    assert run.error["kind"] == kind
    assert words in run.error["message"]
    assert lepton.submit("print('next')").wait(30).output == "next\n"
    assert neighbour.state == "running"
    assert alive(pid_of(neighbour))


@pytest.mark.parametrize("code", ["while True: pass", "import time; time.sleep(1e6)", DEAF])
def test_what_never_ends_can_be_cancelled(neighbour, code):
    run = lepton.submit(f"print('here')\n{code}")
    wait_until(lambda: "here" in run.output)
    run.cancel()
    assert run.wait(30).state == "cancelled"
    assert lepton.submit("print('next')").wait(30).output == "next\n"
    assert neighbour.state == "running"


def test_what_a_run_leaves_in_the_background_ends_with_it(neighbour):
    code = (
        "import subprocess\n"
        "left = subprocess.Popen(['sleep', '1000'], start_new_session=True).pid\n"
        "print(left, flush=True)\n"
        "import os; os.kill(os.getpid(), 9)"
    )
    run = lepton.submit(code).wait(30)
    assert run.error["kind"] == "signal"
    wait_gone([int(run.output)])


def test_death_by_a_signal_is_tried_again_if_asked(neighbour, tmp_path):
    code = (
        "import os\n"
        "from pathlib import Path\n"
        "if not Path(mark).exists():\n"
        "    Path(mark).touch()\n"
        "    os.kill(os.getpid(), 9)\n"
        "print('survived')\n"
    )
    run = lepton.submit(code, namespace={"mark": str(tmp_path / "mark")}, retries=1).wait(30)
    assert (run.state, run.to_dict()["attempt"]) == ("done", 2)
    assert "Attempt 1 ended: killed by SIGKILL" in run.output
    assert run.output.endswith("survived\n")
