"""Many cells and much output: nothing lost, nothing doubled, nobody held up, no memory kept."""

from __future__ import annotations

from collections import Counter

import psutil
import pytest
from conditions import wait_until

import lepton_jlab as lepton

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("light", "cluster")]

_GROWTH = 8 * 2**20  # bytes; 500 runs that each left 16 KB behind would show


def swarm(log, count: int, keep: str | None = None) -> None:
    """Submit `count` tiny cells; each must execute exactly once."""
    code = (
        "import os\n"
        "log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)\n"
        "os.write(log, f'{n}\\n'.encode())\n"
    )
    runs = lepton.submit(
        code, sweep={"n": list(range(count))}, namespace={"path": str(log)}, keep=keep
    ).wait(250)
    assert Counter(run.state for run in runs) == {"done": count}
    assert Counter(log.read_text().split()) == dict.fromkeys(map(str, range(count)), 1)


def test_a_thousand_cells_run_once_each_and_leave_no_memory_behind(cluster, tmp_path):
    swarm(tmp_path / "first", 1000)
    host = psutil.Process(cluster.file["pid"])
    processes = [host, *host.children()]
    before = [process.memory_info().rss for process in processes]
    swarm(tmp_path / "second", 500)
    after = [process.memory_info().rss for process in processes]
    grown = [b - a for a, b in zip(before, after, strict=True)]
    assert max(grown) < _GROWTH, grown


def test_a_thousand_cells_in_kept_children_run_once_each(cluster, tmp_path):
    swarm(tmp_path / "kept", 1000, keep="swarm")


def test_a_million_lines_are_complete():
    run = lepton.submit("for n in range(10**6):\n    print('line', n)").wait(120)
    assert run.state == "done"
    assert run.output == "".join(f"line {n}\n" for n in range(10**6))


def test_more_than_is_kept_has_head_and_tail_and_neighbours_go_on(tmp_path):
    go = tmp_path / "go"
    code = (
        "from pathlib import Path\n"
        "n = 0\n"
        "while n < 300_000 or not Path(go).exists():\n"
        "    for n in range(n, n + 1000):\n"
        "        print(f'{n:099}')\n"
        "    n += 1\n"
    )
    flood = lepton.submit(code, namespace={"go": str(go)}, pull=["n"])
    wait_until(lambda: flood.messages(tail=1000), about="the first lines")
    quiet = lepton.submit("print(m)", sweep={"m": list(range(20))}).wait(60)
    assert [run.output for run in quiet] == [f"{m}\n" for m in range(20)]
    assert flood.state == "running"
    go.touch()
    assert flood.wait(120).state == "done"
    count = flood.values["n"]
    lines = flood.output.splitlines()
    notice = next(i for i, line in enumerate(lines) if "were not kept" in line)
    # A block may end within a line, so those beside the notice may be parts.
    head = [int(line) for line in lines[: notice - 2]]
    tail = [int(line) for line in lines[notice + 2 :]]
    assert head == list(range(len(head)))
    assert tail == list(range(count - len(tail), count))
    assert min(len(head), len(tail)) > 10_000
