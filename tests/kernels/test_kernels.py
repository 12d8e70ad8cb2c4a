"""A notebook's kernel on a worker: like a local one, and its end explained."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from conditions import wait_gone, wait_until
from kernels.conftest import ending, execute, outputs, start_kernel, worker_processes
from nbclient.exceptions import CellExecutionError

import lepton_jlab as lepton
from lepton_jlab.cluster.channel import submit
from lepton_jlab.errors import ClusterError, NotFoundError

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def brief(offered: lepton.Cluster) -> Iterator[lepton.Cluster]:
    """A cluster of one worker, for tests that end it."""
    cluster = lepton.start_cluster("brief", workers=1, threads=1, kernel=True)
    lepton.use_cluster(offered.name)
    yield cluster
    if cluster.name in {one.name for one in lepton.clusters()}:
        cluster.stop(force=True)


CELLS = (
    "import sys, pandas, mine\nprint(mine.WORD); print('aside', file=sys.stderr)\n1 + 1",
    "!echo from a command",
    "from IPython.display import HTML, display\ndisplay(HTML('<b>rich</b>'), display_id='d')",
    "pandas.DataFrame({'a': [1, 2]})",
    "%%time\npass",
    "import ipywidgets\nslider = ipywidgets.IntSlider(value=3)\nslider",
    "from pathlib import Path\nPath('written.txt').write_text('here')",
)


def test_a_notebook_shows_what_it_shows_on_a_local_kernel(offered, tmp_path):
    (tmp_path / "mine.py").write_text("WORD = 'from a module beside the notebook'")
    local = execute("python3", tmp_path, CELLS)
    (tmp_path / "written.txt").unlink()
    there = execute("lepton-local", tmp_path, CELLS)
    assert outputs(there) == outputs(local)
    assert (tmp_path / "written.txt").read_text() == "here"
    assert there.metadata.widgets.keys() == local.metadata.widgets.keys()
    wait_until(lambda: not any(worker["run"] for worker in offered.info()["workers"]))


def test_the_kernel_is_a_descendant_of_the_fork_server_with_a_slot_of_its_own(offered, kernel):
    _, pid = kernel.run("import os; print(os.getpid())")
    parent = psutil.Process(int(pid)).parent()
    assert parent is not None
    assert "lepton_jlab.runs.forkserver" in parent.cmdline()
    busy = [worker for worker in offered.info()["workers"] if worker["run"]]
    assert [worker["run"].startswith("kernel of") for worker in busy] == [True]
    runs = [lepton.submit("print('a run')") for _ in range(3)]
    assert len({run.wait(30).worker for run in runs}) == 1  # the other one
    assert runs[0].worker != busy[0]["id"]


def test_input_completion_and_widgets_work(kernel):
    client = kernel.client
    status, text = kernel.run(
        "name = input('Who? '); print(f'Hello {name}')",
        allow_stdin=True,
        stdin_hook=lambda _: client.input("Ada"),
    )
    assert (status, text) == ("ok", "Hello Ada\n")
    matches = client.complete("name.upp", reply=True, timeout=10)["content"]["matches"]
    assert any("upper" in match for match in matches)
    kernel.run("import ipywidgets; slider = ipywidgets.IntSlider(value=3)")
    _, comm = kernel.run("print(slider.comm.comm_id, end='')")
    content = {"comm_id": comm, "data": {"method": "update", "state": {"value": 42}}}
    client.shell_channel.send(client.session.msg("comm_msg", content))
    assert kernel.run("print(slider.value)")[1] == "42\n"


def test_ten_megabytes_of_output_arrive_whole(kernel):
    status, text = kernel.run("print('0123456789' * 1_000_000)")
    assert status == "ok"
    assert text == "0123456789" * 1_000_000 + "\n"


def test_an_interrupt_ends_the_cell_and_what_it_started(kernel):
    kernel.run("import subprocess, time")
    for code in ("while True: pass", "time.sleep(60)", "subprocess.run(['sleep', '60'])"):
        timer = threading.Timer(0.5, kernel.manager.interrupt_kernel)
        timer.start()
        status, text = kernel.run(code)
        assert status == "error"
        assert text.startswith("KeyboardInterrupt")
    assert kernel.run("print('lives')") == ("ok", "lives\n")


@pytest.mark.parametrize("now", [False, True])
def test_a_restart_gives_a_new_process_on_the_same_worker(kernel, now):
    before = kernel.run("import os; print(os.getpid(), os.environ['LEPTON_CLUSTER'])")[1].split()
    where = kernel.manager.provisioner._tunnel.where
    kernel.manager.restart_kernel(now=now)
    kernel.client.wait_for_ready(timeout=30)
    after = kernel.run("import os; print(os.getpid(), os.environ['LEPTON_CLUSTER'])")[1].split()
    assert before[1] == after[1] == "local"
    assert before[0] != after[0]
    assert kernel.manager.provisioner._tunnel.where == where
    wait_gone([int(before[0])])


def test_the_kernel_finds_its_own_cluster_among_others(offered, brief, kernel):
    status, text = kernel.run("%load_ext lepton_jlab\n%lepton cluster info")
    assert (status, text.split(":")[0]) == ("ok", "cluster local")
    code = "import lepton_jlab as lepton; run = lepton.submit('x = 6 * 7', pull=['x']).wait(30)"
    assert kernel.run(f"{code}; print(run.values['x'], run.cluster)")[1] == "42 local\n"


def test_a_connection_that_breaks_is_made_again_and_the_kernel_lives_on(kernel):
    kernel.run("x = 41")
    tunnel = kernel.manager.provisioner._tunnel
    broken = tunnel._wire

    async def cut() -> None:
        broken._comm.abort()

    submit(cut()).result(10)
    assert kernel.run("print(x + 1)") == ("ok", "42\n")
    assert tunnel._wire is not broken


def test_a_crash_is_named_where_it_happened(kernel):
    status, text = kernel.run("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert status == "error"
    assert text == "KernelDied: the kernel was killed by SIGSEGV (segmentation fault)"
    wait_until(lambda: not kernel.manager.is_alive())
    kernel.manager.restart_kernel(now=True)  # as the server does by itself
    kernel.client.wait_for_ready(timeout=30)
    assert "killed by SIGSEGV" in kernel.run("1")[1]  # a new kernel says why it is new


def test_a_kernel_gets_the_next_slot_although_runs_queue(offered):
    runs = lepton.submit(
        "import time; time.sleep(0.3)", sweep={"n": range(20)}, cluster=offered.name
    )
    started = start_kernel("lepton-local")
    try:
        assert any(run.state == "queued" for run in runs)
        assert started.run("print(1)") == ("ok", "1\n")
    finally:
        started.close()
        runs.cancel()


def test_words_for_what_cannot_be(offered):
    with pytest.raises(NotFoundError, match=r"no worker '7'\. There are: 0, 1"):
        offered.offer_kernel("7")
    offered.offer_kernel("0")
    taken = start_kernel("lepton-local-worker-0")
    try:
        with pytest.raises(ClusterError, match=r"lives the kernel of .*--force"):
            offered.stop()
        busy = [worker for worker in offered.info()["workers"] if worker["run"]]
        assert [worker["id"] for worker in busy] == ["0"]
    finally:
        taken.close()
        offered.offer_kernel("0", remove=True)


def test_nbclient_reports_the_worker_not_just_a_dead_kernel(brief, tmp_path):
    begun = tmp_path / "begun"
    killer = threading.Thread(
        target=lambda: wait_until(begun.exists) and worker_processes(brief)[-1].kill()
    )
    killer.start()
    code = f"import time; open({str(begun)!r}, 'w').close(); time.sleep(60)"
    with pytest.raises(CellExecutionError, match="worker 0 of cluster 'brief' died"):
        execute("lepton-brief", tmp_path, (code, "print('never')"))
    killer.join()


def test_the_end_of_the_worker_and_of_the_cluster_are_told(brief, tmp_path):
    kernel = start_kernel("lepton-brief", tmp_path)
    ended = ending(kernel, lambda: worker_processes(brief)[-1].send_signal(signal.SIGKILL))
    assert ended[:2] == (
        "error",
        "KernelDied: worker 0 of cluster 'brief' died (signal 9, killed)",
    )
    assert ended[2] < 5
    wait_until(lambda: not kernel.manager.is_alive())
    kernel.manager.restart_kernel(now=True)
    kernel.client.wait_for_ready(timeout=30)
    assert "worker 0 of cluster 'brief' died (signal 9" in kernel.run("1")[1]
    ended = ending(kernel, lambda: brief.stop(force=True))
    assert ended[:2] == ("error", "KernelDied: cluster 'brief' was stopped")
    assert ended[2] < 5
    wait_until(lambda: not kernel.manager.is_alive())
    assert "cluster 'brief' was stopped" in kernel.run("1")[1]  # asked later, still told
    with pytest.raises(NotFoundError, match="No cluster named 'brief'"):
        kernel.manager.restart_kernel(now=True)
    kernel.close()


def test_an_idle_kernel_ends_with_its_idle_cluster_and_a_busy_one_keeps_it(
    brief_patience, tmp_path
):
    cluster = lepton.start_cluster("idle", workers=1, threads=1, idle_timeout=3, kernel=True)
    kernel = start_kernel("lepton-idle", tmp_path)
    try:
        assert kernel.run("import time; time.sleep(6); print('done')") == ("ok", "done\n")
        wait_gone([cluster.file["pid"]], 20)
        assert "'idle' stopped itself after 3 s without use" in kernel.run("1")[1]
    finally:
        kernel.close()


LEFT = """
import sys, time
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="lepton-local")
client.execute_interactive("import os; print(os.getpid(), flush=True)")
time.sleep(60)
"""


def test_a_kernel_whose_notebook_died_ends_after_a_while(offered):
    left = subprocess.Popen([sys.executable, "-c", LEFT], stdout=subprocess.PIPE, text=True)
    assert left.stdout is not None
    pid = int(left.stdout.readline())
    left.kill()
    left.wait()
    wait_gone([pid])
    wait_until(lambda: not any(worker["run"] for worker in offered.info()["workers"]))
    wait_until(lambda: not list(Path(offered.file["scratch"]).glob("k*")))
